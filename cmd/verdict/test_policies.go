package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/policies"
)

func newTest(c *cli) *cobra.Command {
	var t policyTest
	cmd := &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Run the tests of a policy folder",
		Long: `Load a policy folder exactly as the server would, with the same built-in functions
and checks, and run its tests (rules test_... in files *_test.rego). Without a folder
the base policies in this binary are tested. Exits with 1 when a test fails or the
folder cannot be loaded. No server is needed.`,
		Example: `  verdict test ./policies
  verdict test ./policies --run guards.network --verbose`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.testPolicies(cmd.Context(), &t, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.options.Filter, "run", "", "only the tests whose data.<package>.<name> matches this regular expression")
	f.DurationVar(&t.options.Timeout, "timeout", 5*time.Second, "longest run of one test")
	f.Float64Var(&t.coverage, "coverage", 0, "fail when less than this percentage of policy lines is evaluated")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "print tests that pass, and lines not evaluated")
	return cmd
}

// policyTest is which tests to run and what to ask of them.
type policyTest struct {
	options  bundles.TestOptions
	coverage float64 // least percentage
	verbose  bool
}

func (c *cli) testPolicies(ctx context.Context, t *policyTest, args []string) error {
	files, name, err := policyFiles(args)
	if err != nil {
		return err
	}
	archive, err := bundles.Read(files)
	if err != nil {
		return notLoaded(name, err)
	}
	report, err := bundles.Test(ctx, archive, t.options)
	if err != nil {
		return notLoaded(name, err)
	}
	document, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if err := c.print(document, func(w io.Writer) error { return t.tell(w, report) }); err != nil {
		return err
	}
	return t.verdict(name, report)
}

// policyFiles opens the folder of args, or the base policies.
func policyFiles(args []string) (files fs.FS, name string, err error) {
	if len(args) == 0 {
		return policies.Bundle, "the base policies", nil
	}
	if info, err := os.Stat(args[0]); err != nil {
		return nil, "", usage("opening "+inputName(args[0])+": "+reason(err), "Name the folder that holds .manifest.")
	} else if !info.IsDir() {
		return nil, "", usage(args[0]+" is not a folder", "Name the folder that holds .manifest.")
	}
	return os.DirFS(args[0]), args[0], nil
}

func notLoaded(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &failure{status: exitError, code: authz.CodeInvalid, message: name + ": " + err.Error(),
		fix: "Change what is named above; the server would refuse the folder too.", cause: err}
}

func (t *policyTest) tell(w io.Writer, all bundles.TestReport) error {
	r := &report{w: w}
	for _, one := range all.Results {
		if one.Outcome == bundles.TestPassed && !t.verbose {
			continue
		}
		r.line("%-7s %s:%d %s.%s (%s)", one.Outcome, one.File, one.Line, one.Package, one.Name, one.Duration.Round(time.Microsecond))
		if one.Error != "" {
			r.lines("        ", one.Error)
		}
		if one.Output != "" {
			r.lines("        ", one.Output)
		}
	}
	if t.options.Filter == "" && t.verbose || t.lacks(all) {
		r.missing(all.Coverage)
	}
	r.line("%d passed, %d failed, %d skipped; %.1f %% of policy lines evaluated", all.Passed, all.Failed, all.Skipped, all.Coverage.Percent)
	return r.err
}

func (r *report) missing(coverage bundles.Coverage) {
	for _, file := range coverage.Files {
		for _, at := range file.Missing {
			r.line("not evaluated: %s:%s", file.File, at)
		}
	}
}

// lacks says whether less was evaluated than asked for.
func (t *policyTest) lacks(all bundles.TestReport) bool { return all.Coverage.Percent < t.coverage }

// verdict is nil when every test passed, there was one, and coverage suffices.
func (t *policyTest) verdict(name string, all bundles.TestReport) error {
	switch {
	case !all.OK():
		return &failure{status: exitError, code: authz.CodeInvalid, message: fmt.Sprintf("%s: %d of %d tests failed", name, all.Failed, len(all.Results)),
			fix: "`verdict test --run NAME --verbose` runs one and shows what it prints."}
	case all.Passed == 0:
		return &failure{status: exitError, code: authz.CodeInvalid, message: name + ": no test ran",
			fix: "Tests are rules named test_... in files named *_test.rego; --run may match none of them."}
	case t.lacks(all):
		return &failure{status: exitError, code: authz.CodeInvalid, message: fmt.Sprintf("%s: %.1f %% of policy lines are evaluated, %.1f %% are asked for", name, all.Coverage.Percent, t.coverage),
			fix: "Write tests that reach the lines listed as not evaluated."}
	}
	return nil
}
