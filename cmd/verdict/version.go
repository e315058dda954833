package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/ijson"
)

// build is what this binary was made from.
type build struct {
	Version  string `json:"version"`            // of the module; "devel" outside a release
	Revision string `json:"revision,omitempty"` // commit
	Modified bool   `json:"modified,omitzero"`  // with changes not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func buildVersion() string { return thisBuild().Version }

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			document, err := ijson.Marshal(b)
			if err != nil {
				return err
			}
			return c.print(document, func(w io.Writer) error {
				line := "verdict " + b.Version
				if b.Revision != "" {
					line += " " + b.Revision
				}
				if b.Modified {
					line += " (modified)"
				}
				return say(w, "%s %s %s", line, b.Go, b.Platform)
			})
		},
	}
}
