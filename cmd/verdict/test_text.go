package main

import (
	"io"
	"io/fs"
	"time"

	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/decisiontable"
)

// below stands before what belongs to the test of the line above.
const below = "        "

// tell prints what failed, each with the lines of files around it, and the counts.
func (t *policyTest) tell(w io.Writer, files fs.FS, all *testReport) error {
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
