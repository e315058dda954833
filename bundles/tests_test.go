package bundles_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

const people = `package lib.people

active(id) if data.users[id].state == "active"

named(id) := data.users[id].name
`

func TestTests(t *testing.T) {
	a := read(t, map[string]string{
		"lib/people.rego":      people,
		"lib/config/data.json": `{"limit": 3}`,
		"lib/people_test.rego": `package lib.people_test

import data.lib.people

test_active if people.active("u") with data.users as {"u": {"state": "active"}}

test_limit if data.lib.config.limit == 3

test_wrong if {
	print("looking at", input)
	people.active("u") with data.users as {"u": {"state": "left"}}
}

test_conflict if {
	x := {k: v | k := "a"; some v in [1, 2]}
	x.a == 1
}

todo_test_later if false
`,
	})
	got, err := bundles.Test(t.Context(), a, bundles.TestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.OK() {
		t.Error("a report with failures is OK")
	}
	file := func(line int, name, outcome string) bundles.TestResult {
		return bundles.TestResult{File: "lib/people_test.rego", Line: line, Package: "lib.people_test", Name: name, Outcome: outcome}
	}
	want := bundles.TestReport{
		Passed: 2, Failed: 2, Skipped: 1,
		Results: []bundles.TestResult{
			file(5, "test_active", bundles.TestPassed),
			file(7, "test_limit", bundles.TestPassed),
			file(9, "test_wrong", bundles.TestFailed),
			file(14, "test_conflict", bundles.TestErrored),
			file(19, "todo_test_later", bundles.TestSkipped),
		},
	}
	opts := cmp.Options{cmpopts.IgnoreFields(bundles.TestReport{}, "Coverage"), cmpopts.IgnoreFields(bundles.TestResult{}, "Duration", "Error", "Output")}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if out := got.Results[2].Output; !strings.Contains(out, "looking at") {
		t.Errorf("output is %q", out)
	}
	if text := got.Results[3].Error; !strings.Contains(text, "eval_conflict_error") {
		t.Errorf("error is %q", text)
	}
	covered := map[string]bundles.FileCoverage{}
	for _, f := range got.Coverage.Files {
		covered[f.File] = f
	}
	if _, ok := covered["lib/people_test.rego"]; ok {
		t.Error("coverage counts a test")
	}
	if diff := cmp.Diff(bundles.FileCoverage{File: "lib/people.rego", Percent: 50, Missing: []bundles.LineRange{{First: 5, Last: 5}}}, covered["lib/people.rego"]); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}

func TestTestsFilter(t *testing.T) {
	a := read(t, map[string]string{"x_test.rego": "package x_test\n\ntest_a if true\n\ntest_b if false\n"})
	got, err := bundles.Test(t.Context(), a, bundles.TestOptions{Filter: `test_a$`})
	if err != nil || got.Passed != 1 || !got.OK() {
		t.Errorf("report %+v, error %v", got, err)
	}
	if _, err := bundles.Test(t.Context(), a, bundles.TestOptions{Filter: "("}); authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("error is %v", err)
	}
}

// TestTestsAreLoadedStrictly holds tests to the rules policies are loaded by.
func TestTestsAreLoadedStrictly(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"x_test.rego:3: http.send is refused":      {"x_test.rego": "package x_test\n\ntest_a if http.send({}) with http.send as {}\n"},
		"x_test.rego:4: assigned var x unused":     {"x_test.rego": "package x_test\n\ntest_a if {\n\tx := 1\n}\n"},
		"x_test.rego:4: unexpected eof":            {"x_test.rego": "package x_test\n\ntest_a if {{\n"},
		"guards/g.rego:3: deny has no METADATA":    {"guards/g.rego": "package guards.g\n\ndeny contains 1 if true\n"},
		"lib/x.rego:3: reads the whole collection": {"lib/x.rego": "package lib.x\n\nr := data.users\n"},
	} {
		_, err := bundles.Test(t.Context(), read(t, files), bundles.TestOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// TestSilentTests print nothing, and say the same otherwise.
func TestSilentTests(t *testing.T) {
	a := read(t, map[string]string{"guards/door/door_test.rego": "package guards.door_test\n\ntest_told if {\n\tprint(\"looking at\", input)\n\tfalse\n}\n"})
	for _, silent := range []bool{false, true} {
		got, err := bundles.Test(t.Context(), a, bundles.TestOptions{Silent: silent})
		if err != nil || got.Failed != 1 || strings.Contains(got.Results[0].Output, "looking at") == silent {
			t.Errorf("silent %v: %+v, %v", silent, got, err)
		}
	}
}
