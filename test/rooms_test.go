// Package test looks at the product from outside.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	"client":            {imports: []string{"authz", "api", "ijson"}},
	"client/clienttest": {imports: []string{"authz", "api", "client", "ijson"}},
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
	"disk":              {imports: []string{"authz"}, libraries: []string{"github.com/dgraph-io/badger"}},
	"decisionlog":       {imports: []string{"authz", "decisionlog/redact", "disk", "ijson"}, libraries: []string{"github.com/dgraph-io/badger", jsonLibrary}},
	"decisionlog/sink":  {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"replay":            {imports: []string{"authz", "ijson"}, libraries: []string{jsonLibrary}},
	"decisiontable":     {imports: []string{"authz", "ijson"}},
	"bundles":           {imports: []string{"authz", "ijson"}, libraries: []string{"github.com/open-policy-agent/opa"}},
	"engine":            {imports: []string{"authz", "bundles", "ijson"}, libraries: []string{"github.com/open-policy-agent/opa", jsonLibrary}},
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
	"server/servertest": {imports: []string{"authz", "api", "ijson", "control", "credentials", "generations", "secret", "store", "server", "server/admin", "server/api", "server/apikey", "server/events", "server/oauth"}, libraries: []string{"github.com/labstack/echo"}},

	"decisionlog/redact": {imports: []string{"authz", "ijson"}},
}

// jsonLibrary reads JSON for ijson, and token by token where ijson would build
// too much (engine) or refuse too much (token).
const jsonLibrary = "github.com/go-json-experiment/json"

// largeLibraries each have the rooms above as their only homes.
var largeLibraries = []string{
	"github.com/open-policy-agent/opa", "github.com/dgraph-io/badger", "github.com/go-jose/go-jose",
	"github.com/labstack/echo", jsonLibrary, "google.golang.org/grpc",
}

// budgets are the most lines that a package may have without its tests, comments and
// blank lines among them. What rooms do by themselves stands there, with a test of its
// own; cmd may name anybody, and gathers what belongs to one of them if nobody counts.
var budgets = map[string]int{
	"cmd/daemon": 1300, // wiring: it builds the rooms, in order, and takes them apart
}

// longestChain is how many of our packages may import one another in a row, the first and
// the last counted. Each link is a room that a reader of the first one meets.
const longestChain = 7

type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
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

func TestPackagesKeepTheirBudgets(t *testing.T) {
	counted := map[string]int{}
	for _, p := range list(t) {
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		if _, ok := budgets[room]; !ok {
			continue
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			counted[room] += bytes.Count(text, []byte("\n"))
		}
	}
	for room, most := range budgets {
		switch lines := counted[room]; {
		case lines == 0:
			t.Errorf("%s has no lines; take it out of the budgets of this test if it is gone", room)
		case lines > most:
			t.Errorf("%s has %d lines without its tests, %d more than its budget of %d: move what is a rule, and not wiring, to the room that it is about, with a test of its own (docs/architecture.md says what each owns)", room, lines, lines-most, most)
		}
	}
}

func TestImportChainsAreShort(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range list(t) {
		imports[p.ImportPath] = p.Imports
	}
	known := map[string][]string{}
	var longest []string
	for path := range imports {
		if chain := chainFrom(path, imports, known); len(chain) > len(longest) {
			longest = chain
		}
	}
	if len(longest) < 3 {
		t.Fatalf("the longest chain of imports is %v; want one that has some of our packages", longest)
	}
	if len(longest) > longestChain {
		t.Errorf("%d packages import one another in a row, at most %d may: %s; put what one of them takes from the next below both, or behind an interface of its own",
			len(longest), longestChain, strings.ReplaceAll(strings.Join(longest, " > "), module+"/", ""))
	}
}

// chainFrom is the longest chain of our packages that begins with one. Go has no circles
// of imports, so it ends.
func chainFrom(path string, imports, known map[string][]string) []string {
	if chain, ok := known[path]; ok {
		return chain
	}
	var longest []string
	for _, imported := range imports[path] {
		if _, ours := imports[imported]; !ours {
			continue
		}
		if chain := chainFrom(imported, imports, known); len(chain) > len(longest) {
			longest = chain
		}
	}
	known[path] = append([]string{path}, longest...)
	return known[path]
}

func free(room string) bool {
	return room == "cmd" || room == "test" || strings.HasPrefix(room, "cmd/") || strings.HasPrefix(room, "test/")
}

func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"/...")
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
