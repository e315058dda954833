package main_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
	"github.com/verdict-pdp/verdict/ijson"
)

// TestVersionNamesTheCommit reads the build information of binaries made in different
// ways; what a binary was not told is left out.
func TestVersionNamesTheCommit(t *testing.T) {
	settings := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "3dd0c17"},
			{Key: "vcs.time", Value: "2026-11-30T10:00:00Z"}, {Key: "vcs.modified", Value: modified},
		}
	}
	toolchain := `"go":"` + runtime.Version() + `","platform":"` + runtime.GOOS + "/" + runtime.GOARCH + `"}`
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"a release":            {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: settings("false")}, `{"version":"v1.2.3","commit":"3dd0c17","date":"2026-11-30T10:00:00Z",` + toolchain},
		"a clone with changes": {&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: settings("true")}, `{"version":"devel","commit":"3dd0c17","date":"2026-11-30T10:00:00Z","modified":true,` + toolchain},
		"no clone":             {&debug.BuildInfo{}, `{"version":"devel",` + toolchain},
		"no build information": {nil, `{"version":"devel",` + toolchain},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ijson.Marshal(verdict.BuildOf(c.info))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("printed for %s (-want +got):\n%s", name, diff)
			}
		})
	}
}
