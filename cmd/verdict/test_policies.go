package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/decisiontable"
)

func newTest(c *cli) *cobra.Command {
	var t policyTest
	cmd := &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Run the tests and decision tables of a policy folder",
		Long: `Load a policy folder exactly as the server would, with the same built-in functions
and checks, and run what tests it: rules test_... in files *_test.rego, and the cases of
decision tables in files *_table.yaml. A folder that does not decide itself, because it
only has guards or settings, is tested beside the base policies in this binary. Without
a folder those are tested. No server is needed.

Exits with 0 when everything passed, with 1 when something failed, nothing ran or the
folder cannot be loaded, and with 2 when the command line cannot be understood.`,
		Example: `  verdict test ./policies
  verdict test ./policies --run guards.network --verbose
  verdict test ./acme --junit report.xml`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.testPolicies(cmd.Context(), &t, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.options.Filter, "run", "", "only tests whose data.<package>.<name>, and cases whose <file>/<name>, match this regular expression")
	f.DurationVar(&t.options.Timeout, "timeout", 5*time.Second, "longest run of one test")
	f.Float64Var(&t.coverage, "coverage", 0, "fail when less than this percentage of policy lines is evaluated")
	f.StringVar(&t.junit, "junit", "", "also write the results to this file, as JUnit XML")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "print tests that pass, and lines not evaluated")
	for _, name := range []string{"run", "timeout", "coverage"} {
		complete(cmd, name)
	}
	return cmd
}

// policyTest is which tests to run and what to ask of them.
type policyTest struct {
	options  bundles.TestOptions
	coverage float64 // least percentage
	junit    string  // file; empty is none
	verbose  bool
}

// testReport is what the tests of a folder said. In JSON the Rego tests stand at the
// top, and the decision tables beside them when there are any.
type testReport struct {
	bundles.TestReport
	Tables *decisiontable.Report `json:"tables,omitempty"`
}

func (c *cli) testPolicies(ctx context.Context, t *policyTest, args []string) error {
	filter, err := regexp.Compile(t.options.Filter)
	if err != nil {
		return usage("--run is not a regular expression: "+err.Error(), "Write a part of a name, such as guards.network.")
	}
	set, err := openPolicySet(args)
	if err != nil {
		return err
	}
	var all testReport
	if all.TestReport, err = set.test(ctx, t.options); err != nil {
		return err
	}
	if all.Tables, err = set.testTables(ctx, filter, t.options.Timeout); err != nil {
		return err
	}
	if err := t.writeJUnit(&all); err != nil {
		return err
	}
	document, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := c.print(document, func(w io.Writer) error { return t.write(w, set.files, &all) }); err != nil {
		return err
	}
	return t.verdict(set.name, &all)
}

// notLoaded is why a folder cannot be used, with the lines at fault.
func notLoaded(name string, files fs.FS, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &failure{status: exitError, code: authz.CodeInvalid, message: name + ": " + err.Error(), frames: framesOf(files, problemsOf(err)),
		fix: "Change what is named above; the server would refuse the folder too.", cause: err}
}

// lacks reports whether less was evaluated than asked for.
func (t *policyTest) lacks(all *testReport) bool { return all.Coverage.Percent < t.coverage }

// counts are how many tests and cases there were, and how many of them failed.
func (all *testReport) counts() (ran, passed, failed int) {
	ran, passed, failed = len(all.Results), all.Passed, all.Failed
	if all.Tables != nil {
		ran, passed, failed = ran+len(all.Tables.Cases), passed+all.Tables.Passed, failed+all.Tables.Failed
	}
	return ran, passed, failed
}

// verdict is nil when everything passed, there was something, and coverage suffices.
func (t *policyTest) verdict(name string, all *testReport) error {
	ran, passed, failed := all.counts()
	switch {
	case failed > 0:
		return &failure{status: exitError, code: authz.CodeInvalid, message: fmt.Sprintf("%s: %d of %d tests failed", name, failed, ran),
			fix: "`verdict test --run NAME --verbose` runs one and shows what it prints."}
	case passed == 0:
		return &failure{status: exitError, code: authz.CodeInvalid, message: name + ": no test ran",
			fix: "Tests are rules named test_... in files named *_test.rego, and cases in files named *_table.yaml; --run may match none of them."}
	case t.lacks(all):
		return &failure{status: exitError, code: authz.CodeInvalid, message: fmt.Sprintf("%s: %.1f %% of policy lines are evaluated, %.1f %% are asked for", name, all.Coverage.Percent, t.coverage),
			fix: "Write tests that reach the lines listed as not evaluated."}
	}
	return nil
}

// below stands before what belongs to the test of the line above.
const below = "        "

// write prints what failed, each with the lines of files around it, and the counts.
func (t *policyTest) write(w io.Writer, files fs.FS, all *testReport) error {
	r := &report{w: w}
	for _, one := range all.Results {
		if one.Outcome != bundles.TestPassed || t.verbose {
			r.test(files, one)
		}
	}
	if all.Tables != nil {
		r.tables(files, all.Tables, t.verbose)
	}
	if t.options.Filter == "" && t.verbose || t.lacks(all) {
		r.missing(all.Coverage)
	}
	r.line("%d passed, %d failed, %d skipped; %.1f %% of policy lines evaluated", all.Passed, all.Failed, all.Skipped, all.Coverage.Percent)
	if all.Tables != nil {
		r.line("%s of decision tables passed, %d failed", plural(uint64(all.Tables.Passed), "case", "cases"), all.Tables.Failed)
	}
	return r.err
}

func (r *report) test(files fs.FS, one bundles.TestResult) {
	r.line("%-7s %s:%d %s.%s (%s)", one.Outcome, one.File, one.Line, one.Package, one.Name, one.Duration.Round(time.Microsecond))
	r.lines(below, one.Error)
	r.lines(below, one.Output)
	if one.Outcome == bundles.TestFailed || one.Outcome == bundles.TestErrored {
		r.lines(below, codeFrame(files, one.File, one.Line))
	}
}

func (r *report) tables(files fs.FS, tables *decisiontable.Report, passed bool) {
	for _, one := range tables.Cases {
		if one.Outcome == decisiontable.Pass && !passed {
			continue
		}
		r.line("%-7s %s:%d %s", one.Outcome, one.File, one.Line, one.Name)
		for _, line := range one.Diff {
			r.lines(below, line)
		}
		if one.Outcome != decisiontable.Pass {
			r.lines(below, codeFrame(files, one.File, one.Line))
		}
	}
}

func (r *report) missing(coverage bundles.Coverage) {
	for _, file := range coverage.Files {
		for _, at := range file.Missing {
			r.line("not evaluated: %s:%s", file.File, at)
		}
	}
}
