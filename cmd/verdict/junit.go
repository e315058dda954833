package main

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/decisiontable"
)

// junitReport is a test report in the XML that build servers read: a suite for each
// package of Rego tests and for each decision table.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Seconds string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *struct{}     `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes the report to the file that was asked for. One that is there is
// replaced, as each run of a build does.
func (t *policyTest) writeJUnit(all *testReport) error {
	if t.junit == "" {
		return nil
	}
	document, err := xml.MarshalIndent(junitOf(all), "", "  ")
	if err != nil {
		return err
	}
	out, err := createOut(t.junit, true)
	if err != nil {
		return err
	}
	return out.finish(xml.Header + string(document) + "\n")
}

func junitOf(all *testReport) *junitReport {
	report := &junitReport{}
	for _, one := range all.Results {
		report.add(one.Package, junitTest(one))
	}
	if all.Tables != nil {
		for _, one := range all.Tables.Cases {
			report.add(one.File, junitTableCase(one))
		}
	}
	return report
}

// add counts a case, in the suite of its name. Those of one suite come one after the
// other, or it is there twice, which readers take.
func (r *junitReport) add(suite string, c junitCase) {
	if last := len(r.Suites) - 1; last < 0 || r.Suites[last].Name != suite {
		r.Suites = append(r.Suites, junitSuite{Name: suite})
	}
	s := &r.Suites[len(r.Suites)-1]
	s.Cases = append(s.Cases, c)
	r.Tests, s.Tests = r.Tests+1, s.Tests+1
	switch {
	case c.Failure != nil:
		r.Failures, s.Failures = r.Failures+1, s.Failures+1
	case c.Error != nil:
		r.Errors, s.Errors = r.Errors+1, s.Errors+1
	case c.Skipped != nil:
		r.Skipped, s.Skipped = r.Skipped+1, s.Skipped+1
	}
}

func junitTest(one bundles.TestResult) junitCase {
	c := junitCase{
		Class: one.Package, Name: one.Name, File: one.File, Line: one.Line, Output: one.Output,
		Seconds: strconv.FormatFloat(one.Duration.Round(time.Microsecond).Seconds(), 'f', -1, 64),
	}
	switch one.Outcome {
	case bundles.TestFailed:
		c.Failure = &junitProblem{Message: "its body is not true", Text: junitPlace(one.File, one.Line)}
	case bundles.TestErrored:
		c.Error = &junitProblem{Message: "it could not be evaluated", Text: junitPlace(one.File, one.Line) + "\n" + one.Error}
	case bundles.TestSkipped:
		c.Skipped = &struct{}{}
	}
	return c
}

func junitTableCase(one decisiontable.Result) junitCase {
	c := junitCase{Class: one.File, Name: one.Name, File: one.File, Line: one.Line, Seconds: "0"}
	if one.Outcome == decisiontable.Pass {
		return c
	}
	problem := &junitProblem{Text: junitPlace(one.File, one.Line) + "\n" + strings.Join(one.Diff, "\n")}
	if len(one.Diff) > 0 {
		problem.Message = one.Diff[0]
	}
	if one.Outcome == decisiontable.Error {
		c.Error = problem
	} else {
		c.Failure = problem
	}
	return c
}

func junitPlace(file string, line int) string { return file + ":" + strconv.Itoa(line) }
