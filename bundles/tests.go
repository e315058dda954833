package bundles

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/verdict-pdp/verdict/authz"
)

// Outcomes of one test.
const (
	TestPassed  = "pass"
	TestFailed  = "fail"    // its body was not true
	TestErrored = "error"   // evaluating it failed
	TestSkipped = "skipped" // named todo_test_...
)

// TestOptions say which tests to run.
type TestOptions struct {
	// Filter is a regular expression over "data.<package>.<test>"; empty runs all.
	Filter string
	// Timeout bounds each test; 0 means 5 s.
	Timeout time.Duration
	// Total bounds compiling and all tests together; 0 means 60 s.
	Total time.Duration
	// Silent leaves print out. What tests print is kept in memory until all of them
	// are done, and nothing else bounds it.
	Silent bool
}

// TestReport is what the tests of a policy set said, in file and line order.
type TestReport struct {
	Results  []TestResult `json:"results"`
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"` // with those that errored
	Skipped  int          `json:"skipped"`
	Coverage Coverage     `json:"coverage"`
}

// OK reports whether no test failed.
func (r TestReport) OK() bool { return r.Failed == 0 }

// TestResult is what one test said.
type TestResult struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Package  string        `json:"package"`
	Name     string        `json:"name"`
	Outcome  string        `json:"outcome"`
	Error    string        `json:"error,omitempty"`
	Output   string        `json:"output,omitempty"` // what it printed
	Duration time.Duration `json:"duration_ns"`
}

// Coverage is how much of the policies, tests not counted, the tests evaluated.
type Coverage struct {
	Percent    float64        `json:"percent"` // of lines; 100 when there are none
	Covered    int            `json:"covered_lines"`
	NotCovered int            `json:"not_covered_lines"`
	Files      []FileCoverage `json:"files"`
}

// FileCoverage is the coverage of one policy.
type FileCoverage struct {
	File    string      `json:"file"`
	Percent float64     `json:"percent"`
	Missing []LineRange `json:"missing,omitempty"`
}

// LineRange is from line First to line Last, both included.
type LineRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// String is "7", or "7-9".
func (r LineRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// Bounds of tests, when TestOptions say nothing.
const (
	defaultTestTimeout = 5 * time.Second
	defaultTestTotal   = time.Minute
)

// Test compiles a policy set as Compile does and runs its tests with OPA's own
// test runner, under the same capabilities and strictness; facts are mocked
// with "with data.users as ...". A failing test is not an error: see
// TestReport.OK. The error says why the tests could not run, or not all of them
// in time.
func Test(ctx context.Context, a Archive, o TestOptions) (TestReport, error) {
	alone := part{Archive: a}
	return test(ctx, []part{alone}, alone, o)
}

// test is Test of what is tested among parts.
func test(ctx context.Context, parts []part, tested part, o TestOptions) (TestReport, error) {
	if _, err := regexp.Compile(o.Filter); err != nil {
		return TestReport{}, authz.Invalid("filter", "is not a regular expression: "+err.Error())
	}
	limit := cmp.Or(o.Total, defaultTestTotal)
	return bounded(ctx, limit, "testing the policies", func(ctx context.Context) (TestReport, error) {
		set, err := check(parts)
		if err != nil {
			return TestReport{}, err
		}
		if _, err := set.compile(Options{}); err != nil {
			return TestReport{}, err
		}
		tests, err := parseTests(tested)
		if err != nil {
			return TestReport{}, err
		}
		run := testRun{set: set, tested: tested, modules: byPath(slices.Concat(set.policies, tests)), coverage: cover.New()}
		results, err := run.results(ctx, o)
		if err != nil {
			return TestReport{}, err
		}
		return report(results, run.covered()), nil
	})
}

func parseTests(p part) ([]*ast.Module, error) {
	tests, problems := parse(p, p.Tests)
	for _, m := range tests {
		problems = append(problems, refusedCalls(m)...)
	}
	return tests, problems.err()
}

// testRun is one run of the tests of a policy set.
type testRun struct {
	set      checked
	tested   part
	modules  map[string]*ast.Module
	coverage *cover.Cover
}

func (r *testRun) results(ctx context.Context, o TestOptions) ([]*tester.Result, error) {
	store := inmem.NewFromObject(r.set.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing the data of the tests: %w", err)
	}
	defer store.Abort(ctx, txn)
	running, err := tester.NewRunner().
		SetCompiler(newCompiler(r.set.data).WithEnablePrintStatements(!o.Silent)).
		SetModules(r.modules).
		SetStore(store).
		SetTimeout(cmp.Or(o.Timeout, defaultTestTimeout)).
		SetCoverageQueryTracer(r.coverage).
		CapturePrintOutput(!o.Silent).
		Filter(o.Filter).
		RunTests(ctx, txn)
	if err != nil {
		var errs ast.Errors
		if errors.As(err, &errs) {
			return nil, fromOPA("", errs).err()
		}
		return nil, fmt.Errorf("running the tests: %w", err)
	}
	var results []*tester.Result
	for result := range running {
		results = append(results, result)
	}
	return results, ctx.Err()
}

// covered is the coverage of the policies.
func (r *testRun) covered() Coverage {
	full := r.coverage.Report(byPath(r.set.policies))
	c := Coverage{Percent: 100}
	for _, policy := range r.tested.Policies {
		file := r.tested.shown(policy.Path)
		f := full.Files[file]
		c.Covered += f.CoveredLines
		c.NotCovered += f.NotCoveredLines
		c.Files = append(c.Files, fileCoverage(file, f))
	}
	if lines := c.Covered + c.NotCovered; lines > 0 {
		c.Percent = 100 * float64(c.Covered) / float64(lines)
	}
	return c
}

func fileCoverage(file string, f *cover.FileReport) FileCoverage {
	c := FileCoverage{File: file, Percent: 100}
	if lines := f.CoveredLines + f.NotCoveredLines; lines > 0 {
		c.Percent = 100 * float64(f.CoveredLines) / float64(lines)
	}
	for _, missing := range f.NotCovered {
		c.Missing = append(c.Missing, LineRange{First: missing.Start.Row, Last: missing.End.Row})
	}
	c.Missing = joined(c.Missing)
	return c
}

// joined makes one range of those that touch or overlap, as a head and its body do.
func joined(ranges []LineRange) []LineRange {
	slices.SortFunc(ranges, func(a, b LineRange) int { return cmp.Compare(a.First, b.First) })
	var all []LineRange
	for _, r := range ranges {
		if last := len(all) - 1; last >= 0 && r.First <= all[last].Last+1 {
			all[last].Last = max(all[last].Last, r.Last)
			continue
		}
		all = append(all, r)
	}
	return all
}

func report(results []*tester.Result, coverage Coverage) TestReport {
	r := TestReport{Coverage: coverage}
	for _, result := range results {
		one := testResult(result)
		switch one.Outcome {
		case TestPassed:
			r.Passed++
		case TestSkipped:
			r.Skipped++
		default:
			r.Failed++
		}
		r.Results = append(r.Results, one)
	}
	slices.SortFunc(r.Results, func(a, b TestResult) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	return r
}

func testResult(result *tester.Result) TestResult {
	r := TestResult{
		Package:  strings.TrimPrefix(result.Package, "data."),
		Name:     result.Name,
		Output:   string(bytes.TrimRight(result.Output, "\n")),
		Duration: result.Duration,
	}
	if result.Location != nil {
		r.File, r.Line = result.Location.File, result.Location.Row
	}
	switch {
	case result.Skip:
		r.Outcome = TestSkipped
	case result.Error != nil:
		r.Outcome, r.Error = TestErrored, result.Error.Error()
	case result.Fail:
		r.Outcome = TestFailed
	default:
		r.Outcome = TestPassed
	}
	return r
}
