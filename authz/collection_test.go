package authz_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
)

// The codes are on disk. A kind that is new is added here; a line that is there never
// changes, nor does another kind ever get the code of one that is gone.
func TestCodesOfKindsStay(t *testing.T) {
	want := map[authz.Collection]byte{
		"plans": 1, "tenants": 2, "users": 3, "services": 4, "machine_users": 5, "edges": 6, "entitlements": 7,
		"credentials": 8, "issuers": 9, "revocations": 10, "renewals": 11, "api_keys": 12, "rotation_sets": 13, "rotations": 14,
	}
	got := map[authz.Collection]byte{}
	for _, kind := range authz.Kinds() {
		got[kind.Collection] = kind.Code
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes of collections, which are on disk (-want +got):\n%s", diff)
	}
}

// A kind that lacks something is refused by the name of the field.
func TestKindsAreComplete(t *testing.T) {
	codes := map[byte]authz.Collection{}
	for _, kind := range authz.Kinds() {
		for _, wrong := range incomplete(kind) {
			t.Errorf("the kind of %s: %s", kind.Collection, wrong)
		}
		if other, taken := codes[kind.Code]; taken {
			t.Errorf("%s and %s have the code %d", other, kind.Collection, kind.Code)
		}
		codes[kind.Code] = kind.Collection
	}
	for _, name := range declared(t) {
		if c := authz.Collection(name); !c.Known() {
			t.Errorf("the collection %s is declared, and not in the list of kinds", c)
		}
	}
}

// What the test above holds kinds to finds what is missing.
func TestIncompleteKindsAreFound(t *testing.T) {
	for field, spoil := range map[string]func(*authz.Kind){
		"Collection": func(k *authz.Kind) { k.Collection = "Edges" },
		"Code":       func(k *authz.Kind) { k.Code = 0 },
		"New":        func(k *authz.Kind) { k.New = authz.Plans.Kind().New },
		"One":        func(k *authz.Kind) { k.One = "" },
		"About":      func(k *authz.Kind) { k.About = "no sentence" },
		"First":      func(k *authz.Kind) { k.First = "" },
		"Second":     func(k *authz.Kind) { k.Second = "whom" },
		"Example":    func(k *authz.Kind) { k.Example = "a" },
		"Filters":    func(k *authz.Kind) { k.Filters = []string{"mode"} },
		"Columns":    func(k *authz.Kind) { k.Columns = []string{"colour"} },
		"Hot":        func(k *authz.Kind) { k.Hot = []string{"a", "ab"} },
		"NotPut":     func(k *authz.Kind) { k.NotDeleted = "edges are for ever" },
	} {
		kind := authz.Edges.Kind()
		spoil(&kind)
		if found := strings.Join(incomplete(kind), "; "); !strings.Contains(found, field) {
			t.Errorf("edges with a bad %s: %q was found, want it to name %s", field, found, field)
		}
	}
}

// incomplete says what a kind lacks, each time naming a field.
func incomplete(kind authz.Kind) (wrong []string) {
	check := func(ok bool, field, why string) {
		if !ok {
			wrong = append(wrong, field+" "+why)
		}
	}
	check(regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(kind.Collection)), "Collection", "is lower case, with underscores")
	check(kind.Code > 0 && kind.Code < 32, "Code", "is 1 to 31")
	check(kind.One != "", "One", "is required")
	check(strings.HasSuffix(kind.About, "."), "About", "is a sentence")
	check(len(kind.Columns) > 0, "Columns", "is required")
	check((kind.NotPut == "") == (kind.NotDeleted == ""), "NotPut", "goes with NotDeleted")
	for i, prefix := range kind.Hot {
		for _, other := range kind.Hot[:i] {
			check(!strings.HasPrefix(prefix, other) && !strings.HasPrefix(other, prefix), "Hot", "names keys twice: "+strconv.Quote(prefix))
		}
	}
	entity := kind.New()
	if entity.Collection() != kind.Collection {
		return append(wrong, "New makes an entity of "+string(entity.Collection()))
	}
	members := membersOf(reflect.TypeOf(entity).Elem())
	for _, name := range kind.Columns {
		check(slices.Contains(members, name), "Columns", "names "+name+", which is no member")
	}
	_, pair := entity.(authz.Paired)
	check(pair == (kind.First != ""), "First", "is of an authz.Paired, and of no other")
	check((kind.First != "") == (kind.Second != ""), "Second", "goes with First")
	if pair {
		check(slices.Contains(members, kind.Second) && slices.Contains(members, kind.First), "Second", "and First are members")
		_, _, ok := authz.SplitPairKey(kind.Example)
		check(ok, "Example", "is two ids with a slash between")
	}
	for _, sample := range full() {
		for _, filter := range kind.Filters {
			check(sample.Collection() != kind.Collection || sample.Field(filter) != "", "Filters", "names "+filter+", which Field does not give")
		}
	}
	return wrong
}

// membersOf are the JSON names of a struct's fields.
func membersOf(t reflect.Type) []string {
	var all []string
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// declared are the constants of type Collection in the sources.
func declared(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			typed, _ := spec.Type.(*ast.Ident)
			text, isText := spec.Values[0].(*ast.BasicLit)
			if typed == nil || typed.Name != "Collection" || !isText {
				return true
			}
			name, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			return true
		})
	}
	if len(names) < 10 {
		t.Fatalf("the sources declare the collections %v, want all", names)
	}
	return names
}
