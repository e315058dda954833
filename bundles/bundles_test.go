package bundles_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

const (
	manifest = `{"roots": ["verdict", "guards", "lib"], "rego_version": 1}`
	decision = "package verdict.decision\n\ndefault allow := false\n"
	// deny is a complete guard; its deny rule starts at line 10.
	deny = `# METADATA
# description: Guards the door.
package guards.door

# METADATA
# description: The door is shut.
# custom:
#   code: DOOR_SHUT
#   fix: Open the door.
#   status: 403
deny contains "shut" if input.door == "shut"
`
)

// set is a policy set that loads, with files added or replaced. An empty file
// is left out.
func set(files map[string]string) fstest.MapFS {
	all := map[string]string{".manifest": manifest, "verdict/decision/decision.rego": decision, "guards/door/door.rego": deny}
	for name, content := range files {
		all[name] = content
	}
	tree := fstest.MapFS{}
	for name, content := range all {
		if content != "" {
			tree[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	return tree
}

func read(t testing.TB, files map[string]string) bundles.Archive {
	t.Helper()
	a, err := bundles.Read(set(files))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return a
}

// load reads and compiles, and returns the first error of either.
func load(files map[string]string) (*bundles.Snapshot, error) {
	a, err := bundles.Read(set(files))
	if err != nil {
		return nil, err
	}
	return bundles.Compile(a, bundles.Options{Generation: 7})
}

func mustLoad(t testing.TB, files map[string]string) *bundles.Snapshot {
	t.Helper()
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSnapshot(t *testing.T) {
	s := mustLoad(t, map[string]string{
		"verdict/config/data.json":         `{"tiers": {"0": {"max_age_s": 300}}}`,
		"verdict/config/more/data.yaml":    "on_call: true\n",
		"data.json":                        `{"lib": {"version": 2}}`,
		"guards/door/door_test.rego":       "package guards.door_test\n\ntest_shut if true\n",
		"README.md":                        "not part of it",
		".git/config":                      "not part of it either",
		"verdict/config/schema/other.json": "ignored",
	})
	if got, want := s.Ref().Generation, uint64(7); got != want {
		t.Errorf("generation is %d, want %d", got, want)
	}
	if !strings.HasPrefix(s.Ref().Digest, "sha256:") || len(s.Ref().Digest) != len("sha256:")+64 {
		t.Errorf("digest is %q", s.Ref().Digest)
	}
	if got, want := s.Data().String(), `{"lib": {"version": 2}, "verdict": {"config": {"more": {"on_call": true}, "tiers": {"0": {"max_age_s": 300}}}}}`; got != want {
		t.Errorf("data is\n%s, want\n%s", got, want)
	}
	want := []bundles.Guard{{
		Name: "door", Description: "Guards the door.", File: "guards/door/door.rego",
		Denials: []bundles.Denial{{Code: "DOOR_SHUT", Message: "The door is shut.", Fix: "Open the door.", Status: 403, File: "guards/door/door.rego", Line: 11}},
	}}
	if diff := cmp.Diff(want, s.Guards()); diff != "" {
		t.Errorf("guards (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"verdict", "guards", "lib"}, s.Roots()); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	if _, ok := s.Compiler().Modules["guards/door/door_test.rego"]; ok {
		t.Error("a test is part of what evaluates")
	}
}

func TestDigest(t *testing.T) {
	base := mustLoad(t, map[string]string{"verdict/config/data.json": `{"a": 1, "b": 2}`}).Ref().Digest
	same := map[string]map[string]string{
		"member order":        {"verdict/config/data.json": `{"b": 2, "a": 1}`},
		"data split in files": {"verdict/config/data.json": `{"a": 1}`, "verdict/data.json": `{"config": {"b": 2}}`},
		"data as YAML":        {"verdict/config/data.json": "", "verdict/config/data.yaml": "a: 1\nb: 2\n"},
		"a test":              {"verdict/config/data.json": `{"a": 1, "b": 2}`, "x_test.rego": "package x_test\n"},
		"manifest metadata":   {"verdict/config/data.json": `{"a": 1, "b": 2}`, ".manifest": `{"revision": "9", "roots": ["guards", "lib", "verdict"], "rego_version": 1, "metadata": {"by": "x"}}`},
	}
	for name, files := range same {
		if got := mustLoad(t, files).Ref().Digest; got != base {
			t.Errorf("%s changed the digest", name)
		}
	}
	other := map[string]map[string]string{
		"a value":         {"verdict/config/data.json": `{"a": 1, "b": 3}`},
		"a number's type": {"verdict/config/data.json": `{"a": 1, "b": "2"}`},
		"a policy byte":   {"verdict/config/data.json": `{"a": 1, "b": 2}`, "verdict/decision/decision.rego": decision + "\n"},
		"a policy name":   {"verdict/config/data.json": `{"a": 1, "b": 2}`, "verdict/decision/decision.rego": "", "verdict/decision/d.rego": decision},
		"the roots":       {"verdict/config/data.json": `{"a": 1, "b": 2}`, ".manifest": `{"roots": ["guards", "verdict"], "rego_version": 1}`},
	}
	for name, files := range other {
		if got := mustLoad(t, files).Ref().Digest; got == base {
			t.Errorf("%s did not change the digest", name)
		}
	}
}

// TestRefusedSets holds every check to the file, line and words it reports.
func TestRefusedSets(t *testing.T) {
	rule := func(body string) string { return "package lib.x\n\nr if {\n\t" + body + "\n}\n" }
	metadata := func(lines string) string {
		return "package guards.g\n\n# METADATA\n" + lines + "deny contains 1 if true\n"
	}
	tests := []struct {
		name  string
		files map[string]string
		want  []string // each the start of one problem
	}{
		{"no manifest", map[string]string{".manifest": ""}, []string{".manifest: is missing"}},
		{"broken manifest", map[string]string{".manifest": `{"roots": [`}, []string{".manifest: roots JSON is broken"}},
		{"unknown member", map[string]string{".manifest": `{"roots": ["verdict", "guards"], "rego_version": 1, "wasm": []}`}, []string{".manifest: wasm is not a known field"}},
		{"no roots", map[string]string{".manifest": `{"rego_version": 1}`}, []string{".manifest: roots is missing"}},
		{"Rego v0", map[string]string{".manifest": `{"roots": ["verdict", "guards"]}`}, []string{".manifest: rego_version is 0"}},
		{"overlapping roots", map[string]string{".manifest": `{"roots": ["verdict", "guards", "guards/door"], "rego_version": 1}`}, []string{`.manifest: roots "guards" and "guards/door" overlap`}},
		{"wasm", map[string]string{"policy.wasm": "x"}, []string{"policy.wasm: is a kind of bundle file"}},
		{"delta", map[string]string{"patch.json": "{}"}, []string{"patch.json: is a kind of bundle file"}},

		{"syntax", map[string]string{"lib/x.rego": "package lib.x\n\nr if {\n"}, []string{"lib/x.rego:"}},
		{"empty policy", map[string]string{"lib/x.rego": "# nothing\n"}, []string{"lib/x.rego:"}},
		{"package outside roots", map[string]string{"x.rego": "package acme.x\n\nr := 1\n"}, []string{"x.rego:1: package acme.x is outside the roots"}},
		{"package hides facts", map[string]string{"x.rego": "package users\n\nr := 1\n"}, []string{"x.rego:1: package users hides the facts"}},
		{"no entrypoint", map[string]string{"verdict/decision/decision.rego": ""}, []string{".manifest: the policy set has no package verdict.decision"}},
		{"strict: unused variable", map[string]string{"lib/x.rego": rule("x := 1")}, []string{"lib/x.rego:4: assigned var x unused"}},
		{"strict: unused import", map[string]string{"lib/x.rego": "package lib.x\n\nimport data.guards.door\n\nr := 1\n"}, []string{"lib/x.rego:3: import data.guards.door unused"}},
		{"unsafe variable", map[string]string{"lib/x.rego": rule("x > 1")}, []string{"lib/x.rego:4: var x is unsafe"}},
		{"all data", map[string]string{"lib/x.rego": rule("data != {}")}, []string{"lib/x.rego:3: rule data.lib.x.r is recursive"}},
		{"rule hides data", map[string]string{"lib/data.json": `{"x": {"r": 1}}`, "lib/x.rego": rule("true")}, []string{"lib/x.rego:3: "}},

		{"http.send", map[string]string{"lib/x.rego": rule(`http.send({"method": "get", "url": "http://127.0.0.1/"}).status_code == 200`)}, []string{"lib/x.rego:4: http.send is refused: it asks the network"}},
		{"opa.runtime in a term", map[string]string{"lib/x.rego": rule(`opa.runtime().env.HOME == input.x`)}, []string{"lib/x.rego:4: opa.runtime is refused"}},
		{"rand", map[string]string{"lib/x.rego": rule(`count([1 | rand.intn("x", 2) == 1]) == 1`)}, []string{"lib/x.rego:4: rand.intn is refused"}},
		{"mocked by a value", map[string]string{"lib/x.rego": rule(`true with http.send as {"status": 200}`)}, []string{"lib/x.rego:4: http.send is refused"}},
		{"put in place of another", map[string]string{"lib/x.rego": rule(`count([1]) == 1 with count as http.send`)}, []string{"lib/x.rego:4: http.send is refused"}},

		{"guard without deny", map[string]string{"guards/g.rego": "package guards.g\n\nx := 1\n"}, []string{"guards/g.rego:1: package guards.g has no deny rule"}},
		{"deny too deep", map[string]string{"guards/g.rego": "package guards.acme.g\n\ndeny contains 1 if true\n"}, []string{"guards/g.rego:3: a deny below guards.acme would never be collected"}},
		{"deny of no guard", map[string]string{"guards/g.rego": "package guards\n\ndeny contains 1 if true\n"}, []string{"guards/g.rego:3: guards.deny belongs to no guard"}},
		{"deny is complete", map[string]string{"guards/g.rego": "package guards.g\n\ndeny if true\n"}, []string{"guards/g.rego:3: deny is not a partial set"}},
		{"deny is an object", map[string]string{"guards/g.rego": "package guards.g\n\ndeny[x] := 1 if x := input.y\n"}, []string{"guards/g.rego:3: deny is not a partial set"}},
		{"deny is a function", map[string]string{"guards/g.rego": "package guards.g\n\ndeny(x) := x\n"}, []string{"guards/g.rego:3: deny is not a partial set"}},
		{"no metadata", map[string]string{"guards/g.rego": "package guards.g\n\ndeny contains 1 if true\n"}, []string{"guards/g.rego:3: deny has no METADATA"}},
		{"metadata of the document only", map[string]string{"guards/g.rego": metadata("# scope: document\n# title: x\n")}, []string{"guards/g.rego:6: deny has no METADATA"}},
		{"metadata with nothing", map[string]string{"guards/g.rego": metadata("# scope: rule\n")}, []string{
			"guards/g.rego:5: METADATA of deny has neither", "guards/g.rego:5: METADATA of deny has no custom.code",
			"guards/g.rego:5: METADATA of deny has no custom.fix", "guards/g.rego:5: METADATA of deny has no custom.status",
		}},
		{"code in lower case", map[string]string{"guards/g.rego": metadata("# title: x\n# custom:\n#   code: shut-1\n#   fix: x\n#   status: 403\n")}, []string{`guards/g.rego:9: custom.code is "shut-1"`}},
		{"status 200", map[string]string{"guards/g.rego": metadata("# title: x\n# custom:\n#   code: A\n#   fix: x\n#   status: 200\n")}, []string{"guards/g.rego:9: METADATA of deny has no custom.status"}},
		{"second rule without metadata", map[string]string{"guards/door/door.rego": deny + "\ndeny contains 2 if input.x\n"}, []string{"guards/door/door.rego:13: deny has no METADATA"}},

		{"data outside roots", map[string]string{"acme/data.json": `{"x": 1}`}, []string{"acme/data.json: defines data.acme, which is outside the roots"}},
		{"data partly outside", map[string]string{".manifest": `{"roots": ["verdict", "guards/door"], "rego_version": 1}`, "data.json": `{"guards": {"door": 1, "gate": 2}}`}, []string{"data.json: defines data.guards.gate, which is outside"}},
		{"data of facts", map[string]string{"users/data.json": `{"u": {}}`}, []string{"users/data.json: defines data.users, which is read from the store"}},
		{"data of facts at the root", map[string]string{"data.json": `{"edges": {}}`}, []string{"data.json: defines data.edges"}},
		{"data twice", map[string]string{"lib/data.json": `{"x": 1}`, "lib/data.yaml": "x: 2\n"}, []string{"lib/data.yaml: defines data.lib.x, which another"}},
		{"root data is a list", map[string]string{"data.json": `[1]`}, []string{"data.json: is not an object"}},
		{"broken data", map[string]string{"lib/data.json": `{"x": 1, "x": 2}`}, []string{"lib/data.json: x appears twice"}},
		{"broken YAML", map[string]string{"lib/data.yaml": "a: [\n"}, []string{"lib/data.yaml: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(test.files)
			wantProblems(t, err, test.want)
		})
	}
}

func wantProblems(t *testing.T, err error, want []string) {
	t.Helper()
	var problems bundles.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error is %v, want problems %q", err, want)
	}
	if authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("code is %q", authz.CodeOf(err))
	}
	if len(problems) != len(want) {
		t.Errorf("%d problems, want %d", len(problems), len(want))
	}
	for i, p := range problems {
		if i < len(want) && !strings.HasPrefix(p.String(), want[i]) {
			t.Errorf("problem is\n%s, want\n%s", p, want[i])
		}
		if !strings.Contains(err.Error(), p.String()) {
			t.Errorf("the error does not list %s", p)
		}
	}
}

// TestWholeReads holds the shapes that would read a collection of the store
// whole to being refused where they stand, and their neighbours to loading.
func TestWholeReads(t *testing.T) {
	tests := []struct {
		body string
		want string // "" loads
	}{
		{`object.get(data.entitlements, input.h, {}) != {}`, "reads the whole collection data.entitlements"},
		{`_f(data.users, input.id)`, "reads the whole collection data.users"},
		{`input.id in object.keys(data.users)`, "reads the whole collection data.users"},
		{`x := data.users; x[input.id]`, "reads the whole collection data.users"},
		{`count(data.users) > 1`, "reads the whole collection data.users"},
		{`data.users`, "reads the whole collection data.users"},
		{`data.users != {}`, "reads the whole collection data.users"},
		{`data.users[_].state == "active"`, "goes through the whole collection data.users"},
		{`some x; data.users[x].state == input.state`, "goes through the whole collection data.users"},
		{`data.users[x]; x == input.id`, "goes through the whole collection data.users"},
		{`some u in data.users; u.state == "active"`, "goes through the whole collection data.users"},
		{`some k, _ in data.users; k == input.id`, "goes through the whole collection data.users"},
		{`every u in data.users { u.state == "active" }`, "reads the whole collection data.users"},
		{`count([u | u := data.users[_]]) > 1`, "goes through the whole collection data.users"},
		{`count({k: u | some k; u := data.users[k]}) > 1`, "goes through the whole collection data.users"},
		{`walk(data.users, [_, v]); v == 1`, "reads the whole collection data.users"},
		{`data.edges[_][input.to]`, "goes through the whole collection data.edges"},
		{`data.edges[input.from][_].mode == "off"`, ""},
		{`count(data.edges[input.from]) > 1`, ""},
		{`data[input.c].zz[input.id]`, "chooses a top-level document"},
		{`not data.users[input.id]`, ""},
		{`not data.users`, "reads the whole collection data.users"},
		{`input.x == 1 with input.x as data.users`, "reads the whole collection data.users"},
		{`input.id == data.users[input.id].id with data.users as input.users`, ""},
		{`data.users[input.id]`, ""},
		{`data.users[input.id].state == "active"`, ""},
		{`x := input.id; data.users[x].state == "active"`, ""},
		{`some id in input.ids; data.users[id].state == "active"`, ""},
		{`every id in input.ids { data.users[id].state == "active" }`, ""},
		{`count([u | some id in input.ids; u := data.users[id]]) > 1`, ""},
		{`data.users[data.edges[input.from][input.to].owner]`, ""},
		{`object.get(data.users[input.id], "state", "none") == "none"`, ""},
		{`_g(input.id)`, ""},
		{`data.guards[_].deny[_] == 1`, ""},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) {
			_, err := load(map[string]string{"lib/x.rego": "package lib.x\n\nr if {\n\t" + test.body + "\n}\n\n_f(c, k) if c[k]\n\n_g(id) if data.users[id].state == \"active\"\n"})
			if test.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			wantProblems(t, err, []string{"lib/x.rego:4: " + test.want})
		})
	}
}

// TestWholeReadsOfOPA holds the shapes of rules that make OPA read collections
// whole, by its own index or without, to loading or not: those that load cost
// one key, because Compile replaces the index.
func TestWholeReadsOfOPA(t *testing.T) {
	for rules, whole := range map[string]bool{
		"allow if data.entitlements[input.sub].perms[input.perm]":                             false,
		"reasons contains \"r\" if data.entitlements[input.sub]":                              false,
		"effect := 1 if data.entitlements[input.sub]\n\neffect := 2 if data.users[input.sub]": false,
		"allow if data.users[input.sub] == \"gold\"":                                          false,
		"allow if { e := data.entitlements[input.sub]; e.x }":                                 false,
		"_has(sub) := data.entitlements[sub]\n\nallow if _has(input.sub)":                     false,
		"allow if not data.entitlements[input.sub]":                                           false,
		"allow if data.entitlements[input.sub].field == 1":                                    false,
		"allow if \"r\" in data.entitlements[input.sub].roles":                                false,
		"allow if { every r in data.entitlements[input.sub].roles { r } }":                    false,
		"x := 1 if { input.x } else := 2 if { data.entitlements[input.sub].x }":               false,
		"allow if object.get(data.entitlements, input.sub, {}).x":                             true,
		"_f(c, k) := c[k]\n\nallow if _f(data.entitlements, input.sub)":                       true,
		"allow if input.sub in object.keys(data.entitlements)":                                true,
		"allow if data.entitlements":                                                          true,
		"allow if object.union(data.entitlements, {})[input.sub]":                             true,
		"allow if json.filter(data.users, [input.sub])":                                       true,
		"allow if { some k; data.entitlements[k]; k == input.sub }":                           true,
		"allow if { [k | data.entitlements[k]][_] == input.sub }":                             true,
		"allow if data.entitlements[_][input.perm]":                                           true,
		"allow if { input.x with input.x as data.entitlements }":                              true,
		"all := {k: v | some k, v in data.entitlements}":                                      true,
	} {
		_, err := load(map[string]string{"lib/x.rego": "package lib.x\n\n" + rules + "\n"})
		if got := err != nil && strings.Contains(err.Error(), "the whole collection"); got != whole || !whole && err != nil {
			t.Errorf("%s\nerror is %v, want whole: %v", rules, err, whole)
		}
	}
}

// TestWholeReadsElsewhere looks where a body is not: heads, else branches,
// imports and functions.
func TestWholeReadsElsewhere(t *testing.T) {
	for _, policy := range []string{
		"package lib.x\n\nr := data.users\n",
		"package lib.x\n\nr contains data.users\n",
		"package lib.x\n\nr[x] := data.users if x := 1\n",
		"package lib.x\n\nf(x) := data.users[y] if y != x\n",
		"package lib.x\n\nr := 1 if { input.x } else := data.users\n",
		"package lib.x\n\nr := 1 if { input.x } else := 2 if { data.users[_].a }\n",
		"package lib.x\n\nimport data.users as people\n\nr := people[_].state\n",
		"package lib.x\n\nr := [1 | data.users[_]]\n",
		"package lib.x\n\nr := $\"{data.users}\"\n",
	} {
		_, err := load(map[string]string{"lib/x.rego": policy})
		var problems bundles.Problems
		if !errors.As(err, &problems) || len(problems) == 0 || problems[0].File != "lib/x.rego" || problems[0].Line < 3 || !strings.Contains(problems[0].Message, "whole collection data.users") {
			t.Errorf(`%q: got error %v; want errors.As(err, &problems), some problems, problems[0].File "lib/x.rego", problems[0].Line at least 3, problems[0].Message with "whole collection data.users"`, policy, err)
		}
	}
}

// TestRefusedBuiltins holds the table to this version of OPA: each name exists,
// and none can be called.
func TestRefusedBuiltins(t *testing.T) {
	for _, b := range bundles.Refused() {
		if bundles.Capabilities().ContainsBuiltin(b.Name) {
			t.Errorf("%s is a capability", b.Name)
		}
		_, err := load(map[string]string{"lib/x.rego": fmt.Sprintf("package lib.x\n\nr := 1 if %s(1)\n", b.Name)})
		if err == nil || !strings.Contains(err.Error(), "lib/x.rego:3: "+b.Name+" is refused: it "+b.Reason) {
			t.Errorf("%s: got error %v; want an error, error with %q", b.Name, err, "lib/x.rego:3: "+b.Name+" is refused: it "+b.Reason)
		}
	}
	for _, name := range []string{"time.now_ns", "time.parse_rfc3339_ns", "net.cidr_contains", "rego.metadata.rule", "print", "regex.match"} {
		if !bundles.Capabilities().ContainsBuiltin(name) {
			t.Errorf("%s is refused", name)
		}
	}
}

func TestBounds(t *testing.T) {
	tests := map[string]map[string]string{"one large file": {"lib/x.rego": strings.Repeat("#", bundles.MaxFileBytes+1)}}
	many := map[string]string{}
	for i := range bundles.MaxFiles {
		many[fmt.Sprintf("lib/x%d.rego", i)] = "package lib.x\n"
	}
	tests["many files"] = many
	large := map[string]string{}
	for i := range bundles.MaxBytes/bundles.MaxFileBytes + 1 {
		large[fmt.Sprintf("lib/x%d.rego", i)] = strings.Repeat("#", bundles.MaxFileBytes)
	}
	tests["much in all"] = large
	for name, files := range tests {
		if _, err := bundles.Read(set(files)); authz.CodeOf(err) != authz.CodeTooLarge {
			t.Errorf(`%s: got error %v; want code "too_large"`, name, err)
		}
	}
}
