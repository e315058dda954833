package decisiontable

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// maxProblems is how many are reported at once.
const maxProblems = 50

// problems is what is wrong with the tables.
type problems []authz.Problem

func (p *problems) add(file string, line int, message, fix string) {
	*p = append(*p, authz.Problem{File: file, Line: line, Message: message, Fix: fix})
}

// err is nil when there are none, and else the error that lists them.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b authz.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	p = slices.Compact(p)
	p = p[:min(len(p), maxProblems)]
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return &authz.Error{Code: authz.CodeInvalid, Message: "the decision tables cannot be read:\n" + strings.Join(lines, "\n"), Problems: p}
}

// said is what an error of another room says.
func said(err error) string {
	var e *authz.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}
