package bundles_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/policies"
)

// folderOf is a folder of exactly these files.
func folderOf(files map[string]string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

// member is an unsigned bundle of exactly these files.
func member(t testing.TB, name string, files map[string]string) bundles.Member {
	t.Helper()
	p, err := bundles.ReadFolder(folderOf(files), bundles.Limits{})
	if err != nil {
		t.Fatalf("%s: got error %v; want no error", name, err)
	}
	v, err := p.Verify(bundles.Verification{}, bundles.Accepted{})
	if err != nil {
		t.Fatalf("%s: got error %v; want no error", name, err)
	}
	return bundles.Member{Name: name, Verified: v}
}

// base is a small base bundle, with data at verdict.config.
func base(t testing.TB) bundles.Member {
	return member(t, authz.BaseBundle, map[string]string{
		".manifest":                      `{"roots": ["verdict", "guards/door"], "rego_version": 1}`,
		"verdict/decision/decision.rego": decision,
		"verdict/config/data.json":       `{"limit": 3}`,
		"verdict/decision_test.rego":     "package verdict.decision_test\n\ntest_fails if false\n",
		"guards/door/door.rego":          deny,
	})
}

func modes(t testing.TB, of map[string]string) bundles.Member {
	t.Helper()
	p, err := bundles.ModesPackage(of, "1")
	if err != nil {
		t.Fatal(err)
	}
	return bundles.Member{Name: authz.ModesBundle, Verified: bundles.Trusted(p)}
}

func TestCompileSet(t *testing.T) {
	set := []bundles.Member{modes(t, map[string]string{"door": "observe"}), base(t), member(t, "acme", acme())}
	s, err := bundles.CompileSet(set, bundles.Options{Generation: 9})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Data().String(), `{"acme": {"limits": {"calls": 10, "names": ["a", "b"]}, "more": {"on_call": true}}, "modes": {"door": "observe"}, "verdict": {"config": {"limit": 3}}}`; got != want {
		t.Errorf("data is\n%s, want\n%s", got, want)
	}
	var files []string
	for _, g := range s.Guards() {
		files = append(files, g.File, g.Denials[0].File)
	}
	if diff := cmp.Diff([]string{"acme/guards/acme/acme.rego", "acme/guards/acme/acme.rego", "base/guards/door/door.rego", "base/guards/door/door.rego"}, files); diff != "" {
		t.Errorf("files of guards (-want +got):\n%s", diff)
	}
	if _, ok := s.Compiler().Modules["base/verdict/decision/decision.rego"]; !ok {
		t.Error("modules are not named after their bundle")
	}
	if diff := cmp.Diff([]string{"guards/acme", "guards/acme_test", "acme", "verdict", "guards/door", "modes"}, s.Roots()); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	if s.Ref().Generation != 9 {
		t.Errorf("ref is %+v", s.Ref())
	}
}

// TestTheBasePolicies holds the bundle in the binary to leaving room for others,
// and to being a bundle for opa itself.
func TestTheBasePolicies(t *testing.T) {
	p, err := bundles.ReadFolder(policies.Bundle, bundles.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	own := bundles.Member{Name: authz.BaseBundle, Verified: bundles.Trusted(p)}
	s, err := bundles.CompileSet([]bundles.Member{own, member(t, "acme", acme()), modes(t, nil)}, bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Guards(), func(g bundles.Guard) bool { return g.Name == "acme" }) {
		t.Error("no guard acme")
	}
	loads(t, p.Packed)
}

func TestDigestOfSet(t *testing.T) {
	digest := func(set ...bundles.Member) string {
		t.Helper()
		s, err := bundles.CompileSet(set, bundles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Ref().Digest
	}
	with := func(name, content string) bundles.Member {
		files := acme()
		files[name] = content
		return member(t, "acme", files)
	}
	plain, b := member(t, "acme", acme()), base(t)
	first := digest(b, plain)
	for name, same := range map[string]string{
		"the order":  digest(plain, b),
		"a test":     digest(b, with("guards/acme/acme_test.rego", "package guards.acme_test\n")),
		"a revision": digest(b, with(".manifest", strings.Replace(acme()[".manifest"], `"7"`, `"8"`, 1))),
		"a readme":   digest(b, with("README.md", "changed")),
	} {
		if same != first {
			t.Errorf("%s changed the digest", name)
		}
	}
	renamed := plain
	renamed.Name = "acme-2"
	for name, other := range map[string]string{
		"no bundle":      digest(b),
		"a policy":       digest(b, with("guards/acme/acme.rego", acmeGuard+"\n")),
		"data":           digest(b, with("acme/more/data.yaml", "on_call: false\n")),
		"another bundle": digest(b, plain, modes(t, map[string]string{"door": "off"})),
		"its name":       digest(b, renamed),
	} {
		if other == first {
			t.Errorf("%s did not change the digest", name)
		}
	}
}

// TestRefusedTogether holds what only stands out in a set to the bundle and file
// it is reported for.
func TestRefusedTogether(t *testing.T) {
	with := func(name, content string) bundles.Member {
		files := acme()
		files[name] = content
		return member(t, "acme", files)
	}
	roots := func(roots string) bundles.Member {
		return with(".manifest", `{"roots": [`+roots+`], "rego_version": 1}`)
	}
	tests := []struct {
		name string
		acme bundles.Member
		want string
	}{
		{"the same root", roots(`"guards/acme", "acme", "verdict"`), `base/.manifest: root "verdict" of bundle "base" overlaps root "verdict" of bundle "acme"`},
		{"a root above", roots(`"guards", "acme"`), `base/.manifest: root "guards/door" of bundle "base" overlaps root "guards" of bundle "acme"`},
		{"a root below", roots(`"guards/acme", "acme", "verdict/config"`), `base/.manifest: root "verdict" of bundle "base" overlaps root "verdict/config" of bundle "acme"`},
		{"every root", roots(`""`), `overlaps root "" of bundle "acme"`},
		{"the modes", roots(`"guards/acme", "acme", "modes"`), `acme/.manifest: root "modes" belongs to the modes that operators set`},
		{"below the modes", roots(`"guards/acme", "acme", "modes/door"`), `acme/.manifest: root "modes/door" belongs to the modes`},
		{"a package of another", with("guards/acme/x.rego", "package guards.door\n\nx := 1\n"), "acme/guards/acme/x.rego:1: package guards.door is outside the roots"},
		{"data of another", with("verdict/config/data.json", `{"x": 1}`), "acme/verdict/config/data.json: defines data.verdict, which is outside the roots"},
		{"broken data", with("acme/limits/data.json", `{"x": 1, "x": 2}`), "acme/acme/limits/data.json: x appears twice"},
		{"two YAML documents", with("acme/more/data.yaml", "x: 1\n---\ny: 2\n"), "acme/acme/more/data.yaml: has more than one YAML document"},
		{"a bomb of YAML aliases", with("acme/more/data.yaml", "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n"), "acme/acme/more/data.yaml: "},
		{"a member twice in YAML", with("acme/more/data.yaml", "x: 1\nx: 2\n"), "acme/acme/more/data.yaml: "},
		{"syntax", with("guards/acme/acme.rego", "package guards.acme\n\nr if {\n"), "acme/guards/acme/acme.rego:"},
		{"a call of the network", with("guards/acme/x.rego", "package guards.acme\n\nr := http.send({})\n"), "acme/guards/acme/x.rego:3: http.send is refused"},
		{"a collection", with("guards/acme/x.rego", "package guards.acme\n\nr := data.users\n"), "acme/guards/acme/x.rego:3: reads the whole collection"},
		{"data that nobody has", with("guards/acme/x.rego", "package guards.acme\n\nr := data.nothing\n"), "acme/guards/acme/x.rego:3: data.nothing does not exist"},
		{"a function of another kind", with("guards/acme/x.rego", "package guards.acme\n\nr := data.guards.door.deny(1)\n"), "acme/guards/acme/x.rego:3: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := bundles.CompileSet([]bundles.Member{test.acme, base(t)}, bundles.Options{})
			wantRefused(t, err, test.want)
			var e *authz.Error
			if !errors.As(err, &e) || e.Code != authz.CodeInvalid || len(e.Problems) == 0 {
				t.Errorf("error is %#v", err)
			}
		})
	}
}

// TestModesNeedNoBundle holds data.modes to being readable with and without the
// bundle that sets it.
func TestModesNeedNoBundle(t *testing.T) {
	files := acme()
	files["guards/acme/x.rego"] = "package guards.acme\n\nmode := data.modes.acme\n"
	reads := member(t, "acme", files)
	for name, set := range map[string][]bundles.Member{
		"without":       {base(t), reads},
		"with":          {base(t), reads, modes(t, map[string]string{"acme": "off"})},
		"with an empty": {base(t), reads, modes(t, nil)},
	} {
		if _, err := bundles.CompileSet(set, bundles.Options{}); err != nil {
			t.Errorf("%s: got error %v; want no error", name, err)
		}
	}
}

// TestNoSets holds what is no set to being refused.
func TestNoSets(t *testing.T) {
	b, unverified := base(t), base(t)
	unverified.Verified = bundles.Verified{Package: b.Package}
	replaced := base(t)
	replaced.Package = member(t, "acme", acme()).Package
	renamed := func(name string) bundles.Member {
		m := b
		m.Name = name
		return m
	}
	for name, test := range map[string]struct {
		set  []bundles.Member
		want string
	}{
		"none":             {nil, "is empty"},
		"zero":             {[]bundles.Member{{Name: "base"}}, "was not verified"},
		"made by hand":     {[]bundles.Member{unverified}, "was not verified"},
		"replaced":         {[]bundles.Member{replaced}, "was not verified"},
		"twice":            {[]bundles.Member{b, b}, `"base" twice`},
		"no name":          {[]bundles.Member{renamed("")}, "name must be"},
		"a path as name":   {[]bundles.Member{renamed("../base")}, "name must be"},
		"only other rules": {[]bundles.Member{member(t, "acme", acme())}, "no package verdict.decision"},
	} {
		_, err := bundles.CompileSet(test.set, bundles.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) || authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf(`%s: got error %v; want an error, error with %q, code "invalid_request"`, name, err, test.want)
		}
	}
}

// TestCompileTakesTooLong holds compiling to its limit: policies come from
// outside.
func TestCompileTakesTooLong(t *testing.T) {
	start := time.Now()
	_, err := bundles.CompileSet([]bundles.Member{base(t)}, bundles.Options{Timeout: time.Nanosecond})
	wantRefused(t, err, "compiling the policies took longer than 1ns")
	if authz.CodeOf(err) != authz.CodeInvalid || time.Since(start) > 5*time.Second {
		t.Errorf("code %q after %v", authz.CodeOf(err), time.Since(start))
	}
}

func TestDefaults(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		want  []string
	}{
		"a default":                   {"default allow := false\n\nallow if input.x\n", nil},
		"a constant":                  {"allow := false\n", nil},
		"else":                        {"allow if { input.x } else := false\n", nil},
		"no default":                  {"allow if input.x\n", []string{"x.rego:3: verdict.decision.allow is undefined when it is not true; write: default allow := false"}},
		"false, sometimes":            {"allow := false if input.x\n", []string{"x.rego:3: verdict.decision.allow is undefined"}},
		"else, sometimes":             {"allow if { input.x } else := false if { input.y }\n", []string{"x.rego:3: verdict.decision.allow is undefined"}},
		"several":                     {"allow if input.x\n\nallow if input.y\n", []string{"x.rego:3: verdict.decision.allow is undefined"}},
		"another member":              {"default allow := false\n\nflagged if input.x\n", []string{"x.rego:5: verdict.decision.flagged is undefined"}},
		"a helper":                    {"default allow := false\n\n_ok if input.x\n", nil},
		"a function":                  {"default allow := false\n\nf(x) if x\n", nil},
		"a set":                       {"default allow := false\n\ns contains 1 if input.x\n", nil},
		"a member that is no boolean": {"default allow := false\n\nn := 1 if input.x\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(map[string]string{"verdict/decision/decision.rego": "", "x.rego": "package verdict.decision\n\n" + test.rules})
			if test.want != nil {
				wantProblems(t, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	_, err := load(map[string]string{"verdict/decision/decision.rego": "", "x.rego": "package verdict\n\ndecision.allow if input.x\n", "y.rego": "package verdict.decision\n\n_x := 1\n"})
	wantProblems(t, err, []string{"x.rego:3: verdict.decision.allow is undefined"})
}

func TestTestSet(t *testing.T) {
	set := []bundles.Member{base(t), member(t, "acme", acme())}
	got, err := bundles.TestSet(t.Context(), set, "acme", bundles.TestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := bundles.TestReport{
		Passed:   1,
		Results:  []bundles.TestResult{{File: "acme/guards/acme/acme_test.rego", Line: 5, Package: "guards.acme_test", Name: "test_open", Outcome: bundles.TestPassed}},
		Coverage: bundles.Coverage{Percent: 50, Covered: 1, NotCovered: 1, Files: []bundles.FileCoverage{{File: "acme/guards/acme/acme.rego", Percent: 50, Missing: []bundles.LineRange{{First: 9, Last: 9}}}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bundles.TestResult{}, "Duration")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got, err := bundles.TestSet(t.Context(), set, "base", bundles.TestOptions{}); err != nil || got.Failed != 1 || got.OK() {
		t.Errorf("the test of base: %+v, %v", got, err)
	}
	if _, err := bundles.TestSet(t.Context(), set, "other", bundles.TestOptions{}); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("a bundle that is not there: %v", err)
	}
}

// TestTestsTakeTooLong holds all tests together to their limit.
func TestTestsTakeTooLong(t *testing.T) {
	files := acme()
	files["guards/acme/acme_test.rego"] = "package guards.acme_test\n\ntest_loop if {\n\tsome x in numbers.range(1, 100000)\n\tsome y in numbers.range(1, 100000)\n\tx + y == -1\n}\n"
	set := []bundles.Member{base(t), member(t, "acme", files)}
	start := time.Now()
	_, err := bundles.TestSet(t.Context(), set, "acme", bundles.TestOptions{Timeout: time.Hour, Total: 200 * time.Millisecond})
	wantRefused(t, err, "testing the policies took longer than 200ms")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestDataPath: data is where OPA puts it, also below a folder whose name ends in a dot.
func TestDataPath(t *testing.T) {
	a := read(t, map[string]string{"guards/door/config./data.json": `{"limit": 3}`})
	s, err := bundles.Compile(a, bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Data().String(), `{"guards": {"door": {"config.": {"limit": 3}}}}`; got != want {
		t.Fatalf("data is %s, want %s", got, want)
	}
}
