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
	"authz":             {},
	"api":               {imports: []string{"authz"}},
	"policies":          {},
	"demo":              {imports: []string{"authz", "disk", "token"}},
	"ijson":             {imports: []string{"authz"}, libraries: []string{jsonLibrary}},
	"token":             {imports: []string{"authz", "disk", "ijson", "token/statuslist"}, libraries: []string{"github.com/go-jose/go-jose", jsonLibrary}},
	"token/statuslist":  {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"introspection":     {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"secret":            {imports: []string{"authz"}},
	"rotation":          {imports: []string{"authz"}},
	"usage":             {imports: []string{"authz"}},
	"credentials":       {imports: []string{"authz", "rotation"}},
	"events":            {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"tokenservice":      {imports: []string{"authz", "disk", "ijson", "token"}},
	"store":             {imports: []string{"authz", "disk", "ijson"}, libraries: []string{"github.com/dgraph-io/badger"}},
	"store/storetest":   {imports: []string{"authz", "ijson", "store"}},
	"generations":       {imports: []string{"authz", "bundles", "disk"}},
	"sources":           {imports: []string{"authz"}},
	"disk":              {},
	"decisionlog":       {imports: []string{"authz", "disk", "ijson"}, libraries: []string{"github.com/dgraph-io/badger", jsonLibrary}},
	"decisionlog/sink":  {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"replay":            {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"decisiontable":     {imports: []string{"authz", "ijson"}},
	"bundles":           {imports: []string{"authz", "ijson"}, libraries: []string{"github.com/open-policy-agent/opa"}},
	"engine":            {imports: []string{"authz", "bundles"}, libraries: []string{"github.com/open-policy-agent/opa", jsonLibrary}},
	"pdp":               {imports: []string{"authz"}},
	"control":           {imports: []string{"authz", "ijson", "store", "credentials", "generations", "decisionlog", "replay"}},
	"server":            {imports: []string{"authz", "api", "ijson", "server/reqctx", "server/route", "server/wire", "server/apikey"}, libraries: []string{"github.com/labstack/echo"}},
	"server/oauth":      {imports: []string{"authz", "api", "ijson", "server/reqctx", "server/route", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/events":     {imports: []string{"authz", "api", "events", "server/reqctx", "server/route", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/reqctx":     {imports: []string{"authz"}},
	"server/wire":       {imports: []string{"authz", "api", "ijson", "server/reqctx"}, libraries: []string{"github.com/labstack/echo"}},
	"server/apikey":     {imports: []string{"authz"}},
	"server/tlsfiles":   {},
	"server/question":   {imports: []string{"authz", "api"}},
	"server/api":        {imports: []string{"authz", "api", "server/question", "server/reqctx", "server/route", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/route":      {imports: []string{"authz", "api", "server/reqctx", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/admin":      {imports: []string{"authz", "api", "server/reqctx", "server/route", "server/wire"}, libraries: []string{"github.com/labstack/echo"}},
	"server/openapi":    {imports: []string{"authz", "api", "server", "server/admin", "server/api", "server/events", "server/oauth", "server/route"}}, // no part of the product
	"server/servertest": {imports: []string{"authz", "api", "ijson", "control", "credentials", "generations", "secret", "store", "server", "server/admin", "server/api", "server/apikey", "server/events", "server/oauth"}, libraries: []string{"github.com/labstack/echo"}},
}

// jsonLibrary reads JSON for ijson, and token by token where ijson would build
// too much (engine) or refuse too much (token).
const jsonLibrary = "github.com/go-json-experiment/json"

// largeLibraries each have the rooms above as their only homes.
var largeLibraries = []string{
	"github.com/open-policy-agent/opa", "github.com/dgraph-io/badger", "github.com/go-jose/go-jose",
	"github.com/labstack/echo", jsonLibrary, "google.golang.org/grpc",
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
