package engine_test

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// facts is a frozen view in memory that notes what is read.
type facts struct {
	revision uint64
	entities map[authz.Collection]map[string]authz.Fact
	reads    []string // "users/u-1" for each Fact, "edges/mu:a/*3" for each Under
	err      error
	onRead   func()
}

// newFacts makes facts of "collection/key" -> JSON. The revision of each is made
// of its JSON, so that same key and revision mean same bytes.
func newFacts(entities map[string]string) *facts {
	f := &facts{revision: 9, entities: map[authz.Collection]map[string]authz.Fact{}}
	for path, json := range entities {
		f.put(path, json, uint64(crc32.ChecksumIEEE([]byte(json))))
	}
	return f
}

func (f *facts) put(path, json string, revision uint64) {
	collection, key, ok := strings.Cut(path, "/")
	if !ok {
		panic(path)
	}
	c := authz.Collection(collection)
	if f.entities[c] == nil {
		f.entities[c] = map[string]authz.Fact{}
	}
	f.entities[c][key] = authz.Fact{Key: key, Revision: revision, JSON: []byte(json)}
}

func (f *facts) Revision() uint64 { return f.revision }

func (f *facts) note(format string, args ...any) {
	f.reads = append(f.reads, fmt.Sprintf(format, args...))
	if f.onRead != nil {
		f.onRead()
	}
}

func (f *facts) Fact(c authz.Collection, key string) (authz.Fact, bool, error) {
	f.note("%s/%s", c, key)
	fact, ok := f.entities[c][key]
	return fact, ok, f.err
}

func (f *facts) Under(c authz.Collection, first string, limit int) ([]authz.Fact, bool, error) {
	var keys []string
	for key := range f.entities[c] {
		if strings.HasPrefix(key, first+"/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	more := len(keys) > limit
	if more {
		keys = keys[:limit]
	}
	f.note("%s/%s/*%d", c, first, len(keys))
	var found []authz.Fact
	for _, key := range keys {
		found = append(found, f.entities[c][key])
	}
	return found, more, f.err
}

// policySet is a policy set of one decision package, which may be empty, and
// other files.
func policySet(decision string, files map[string]string) fstest.MapFS {
	tree := fstest.MapFS{
		".manifest":                      {Data: []byte(`{"roots": [""], "rego_version": 1}`)},
		"verdict/decision/decision.rego": {Data: []byte("package verdict.decision\n\n" + decision)},
	}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

func compile(t testing.TB, decision string, files map[string]string) *bundles.Snapshot {
	t.Helper()
	a, err := bundles.Read(policySet(decision, files))
	if err != nil {
		t.Fatal(err)
	}
	s, err := bundles.Compile(a, bundles.Options{Generation: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func policy(t testing.TB, decision string, files map[string]string, config engine.Config) *engine.Policy {
	t.Helper()
	p, err := engine.New(compile(t, decision, files), config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// guards is a decision that collects every guard, as the base policies do.
const guards = `default allow := false

allow if count(reasons) == 0

reasons contains object.union({"guard": name, "message": "No.", "fix": "Ask."}, denial) if some denial in data.guards[name].deny
`

// guard is a policy with one deny rule of code and body.
func guard(name, code, body string) string {
	return fmt.Sprintf("package guards.%s\n\n# METADATA\n# title: No\n# custom:\n#   code: %s\n#   fix: Ask.\n#   status: 403\ndeny contains {\"code\": %q} if {\n\t%s\n}\n", name, code, code, body)
}

// generous is a time limit for tests that are not about time.
var generous = engine.Config{Timeout: 20 * time.Second}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// question is a complete question from caller about properties.
func question(properties map[string]any) authz.Question {
	return authz.Question{
		Subject:   authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:a"},
		Action:    authz.Action{Name: "email.send"},
		Resource:  authz.Resource{Type: authz.ResourceService, ID: "svc:b", Properties: properties},
		Principal: authz.Principal{Subject: "mu:a", Evidence: authz.EvidenceNone},
		Time:      noon,
	}
}
