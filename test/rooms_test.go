// Package test looks at the product from outside.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/verdict-pdp/verdict"

// rooms says which rooms of ours each room may import, and which of the large
// libraries are at home there. cmd and test may name anybody. The picture is in
// docs/architecture.md.
var rooms = map[string]struct {
	imports   []string
	libraries []string
}{
	"authz":           {},
	"api":             {},
	"policies":        {},
	"demo":            {},
	"ijson":           {imports: []string{"authz"}, libraries: []string{"github.com/go-json-experiment/json"}},
	"token":           {imports: []string{"authz", "ijson"}, libraries: []string{"github.com/go-jose/go-jose"}},
	"store":           {imports: []string{"authz", "ijson"}, libraries: []string{"github.com/dgraph-io/badger"}},
	"bundles":         {imports: []string{"authz"}, libraries: []string{"github.com/open-policy-agent/opa"}},
	"engine":          {imports: []string{"authz", "bundles"}, libraries: []string{"github.com/open-policy-agent/opa"}},
	"pdp":             {imports: []string{"authz"}},
	"server":          {imports: []string{"authz", "api", "server/reqctx", "server/wire", "server/apikey", "server/api", "server/admin"}, libraries: []string{"github.com/labstack/echo"}},
	"server/reqctx":   {imports: []string{"authz"}, libraries: []string{"github.com/labstack/echo"}},
	"server/wire":     {imports: []string{"authz", "api", "ijson", "server/reqctx"}, libraries: []string{"github.com/labstack/echo"}},
	"server/apikey":   {imports: []string{"authz", "api", "server/reqctx", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/api":      {imports: []string{"authz", "api", "ijson", "server/reqctx", "server/wire", "server/apikey"}, libraries: []string{"github.com/labstack/echo"}},
	"server/admin":    {imports: []string{"authz", "api", "ijson", "server/reqctx", "server/wire", "server/apikey"}, libraries: []string{"github.com/labstack/echo"}},
	"store/storetest": {imports: []string{"authz", "ijson", "store"}},
}

// largeLibraries each have the rooms above as their only homes.
var largeLibraries = []string{
	"github.com/open-policy-agent/opa", "github.com/dgraph-io/badger", "github.com/go-jose/go-jose",
	"github.com/labstack/echo", "github.com/go-json-experiment/json", "google.golang.org/grpc",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestRoomsImportDownOnly(t *testing.T) {
	listed := list(t)
	if len(listed) < 10 {
		t.Fatalf("only %d packages listed", len(listed))
	}
	for _, p := range listed {
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		if free(room) {
			continue
		}
		allowed, ok := rooms[room]
		if !ok {
			t.Errorf("%s is not a room of the table in this test; draw it in docs/architecture.md first", room)
			continue
		}
		for _, imported := range p.Imports {
			if ours, is := strings.CutPrefix(imported, module+"/"); is && !slices.Contains(allowed.imports, ours) {
				t.Errorf("%s imports %s", room, ours)
			}
			for _, library := range largeLibraries {
				if strings.HasPrefix(imported, library) && !slices.Contains(allowed.libraries, library) {
					t.Errorf("%s imports %s, which is not at home there", room, imported)
				}
			}
		}
	}
}

func free(room string) bool {
	return room == "cmd" || room == "test" || strings.HasPrefix(room, "cmd/") || strings.HasPrefix(room, "test/")
}

func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var listed []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return listed
		}
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, p)
	}
}
