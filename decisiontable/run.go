package decisiontable

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Outcomes of a case.
const (
	Pass  = "pass"
	Fail  = "fail"
	Error = "error" // the policy could not judge it
)

// Report is what became of the cases, in their order.
type Report struct {
	Cases  []Result `json:"cases"`
	Passed int      `json:"passed"`
	Failed int      `json:"failed"` // all others
}

// Result is what became of one case.
type Result struct {
	Table   string `json:"table"` // its file, without the folder and the suffix
	Name    string `json:"name"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Outcome string `json:"outcome"` // one of the constants above
	Want    Answer `json:"want"`
	Got     Answer `json:"got"`
	// Diff says what is wrong, one thing a line; empty when the case passed.
	Diff []string `json:"diff,omitempty"`
}

// Run asks a policy every question of the tables. Cases do not know of each other.
// When ctx ends, those that are left are errors.
func Run(ctx context.Context, policy authz.Rejudger, tables []Table) Report {
	report := Report{Cases: []Result{}}
	for _, t := range tables {
		for i := range t.Cases {
			result := t.run(ctx, policy, &t.Cases[i])
			if result.Outcome == Pass {
				report.Passed++
			} else {
				report.Failed++
			}
			report.Cases = append(report.Cases, result)
		}
	}
	return report
}

func (t *Table) run(ctx context.Context, policy authz.Rejudger, c *Case) Result {
	r := Result{Table: t.name(), Name: c.Name, File: t.File, Line: c.Line, Want: c.Want}
	judgement := authz.Judgement{}
	if ctx.Err() == nil {
		judgement = policy.EvaluateInput(ctx, c.Input, c.facts)
	}
	if err := ctx.Err(); err != nil { // an evaluation that was cut short denies
		r.Outcome, r.Diff = Error, []string{"not judged: " + err.Error()}
		return r
	}
	r.Got = answerOf(&judgement)
	r.Diff = differences(c.Want, r.Got, &judgement)
	switch {
	case len(r.Diff) == 0:
		r.Outcome = Pass
	case unjudged(c.Want, &judgement):
		r.Outcome = Error
	default:
		r.Outcome = Fail
	}
	return r
}

func (t *Table) name() string {
	name := strings.TrimSuffix(t.File, Suffix)
	return name[strings.LastIndexByte(name, '/')+1:]
}

// unjudged reports whether the engine denied in place of the policy, and not because
// the case wants it to.
func unjudged(want Answer, j *authz.Judgement) bool {
	return slices.ContainsFunc(j.Reasons, func(r authz.Reason) bool {
		return r.Guard == "engine" && !slices.Contains(want.Reasons, string(r.Code))
	})
}

// answerOf is a judgement as the pipeline would answer it: an allow has no reasons,
// and a deny no obligations.
func answerOf(j *authz.Judgement) Answer {
	a := Answer{Reasons: codes(j.Reasons), WouldDeny: codes(j.WouldDeny), Advice: ids(j.Advice)}
	if j.Allow && len(j.Reasons) == 0 {
		a.Outcome, a.Obligations = authz.Allow, ids(j.Obligations)
	}
	return a
}

func codes(reasons []authz.Reason) []string {
	all := make([]string, len(reasons))
	for i, r := range reasons {
		all[i] = string(r.Code)
	}
	return sorted(all)
}

func ids(duties []authz.Duty) []string {
	all := make([]string, len(duties))
	for i, d := range duties {
		all[i] = fmt.Sprint(d["id"])
	}
	return sorted(all)
}

// differences lists, a line each, how got is not what is wanted.
func differences(want, got Answer, j *authz.Judgement) []string {
	var lines []string
	if want.Outcome != got.Outcome {
		lines = append(lines, fmt.Sprintf("want %s, got %s", want.Outcome, got.Outcome))
	}
	said := func(reasons []authz.Reason) func(string) string {
		return func(code string) string { return saidWith(reasons, code) }
	}
	lines = append(lines, between("reasons", want.Reasons, got.Reasons, said(j.Reasons))...)
	lines = append(lines, between("would_deny", want.WouldDeny, got.WouldDeny, said(j.WouldDeny))...)
	lines = append(lines, between("obligations", want.Obligations, got.Obligations, nil)...)
	return append(lines, between("advice", want.Advice, got.Advice, nil)...)
}

// between lists what one list lacks and what it has too many. More, if given, explains
// what is too many.
func between(what string, want, got []string, more func(string) string) []string {
	var lines []string
	for _, name := range want {
		if !slices.Contains(got, name) {
			lines = append(lines, fmt.Sprintf("%s: %s is missing", what, name))
		}
	}
	for _, name := range got {
		if slices.Contains(want, name) {
			continue
		}
		line := fmt.Sprintf("%s: %s is not wanted", what, name)
		if more != nil {
			line += more(name)
		}
		lines = append(lines, line)
	}
	return lines
}

// saidWith is what the guard said with a code, to be put behind it.
func saidWith(reasons []authz.Reason, code string) string {
	for _, r := range reasons {
		if string(r.Code) == code {
			return fmt.Sprintf(" (%s: %s)", r.Guard, r.Message)
		}
	}
	return ""
}
