package bundles

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// Problem is one thing a policy set must change before it can be loaded.
type Problem = authz.Problem

// Problems is everything wrong with a policy set, by file and line. It is the
// cause of the *authz.Error that Read, Compile and Test return, for errors.As.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// err is nil when there are no problems, and else the error that says them.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	p = slices.Compact(p)
	return &authz.Error{Code: authz.CodeInvalid, Message: "the policy set cannot be loaded:\n" + p.Error(), Problems: p, Cause: p}
}

// at makes a problem of a place in a policy.
func at(loc *ast.Location, message, fix string) Problem {
	if loc == nil {
		return Problem{Message: message, Fix: fix}
	}
	return Problem{File: loc.File, Line: loc.Row, Message: message, Fix: fix}
}

// fromOPA translates what OPA's parser or compiler reports. file is named when
// the error has no location.
func fromOPA(file string, err error) Problems {
	var errs ast.Errors
	if errors.As(err, &errs) {
		problems := make(Problems, 0, len(errs))
		for _, e := range errs {
			problems = append(problems, fromOPA(file, e)...)
		}
		return problems
	}
	var one *ast.Error
	if errors.As(err, &one) {
		p := at(one.Location, one.Message, "")
		if p.File == "" {
			p.File = file
		}
		return Problems{p}
	}
	return Problems{{File: file, Message: err.Error()}}
}

// explained turns the error of another room into a message for a problem.
func explained(err error) string {
	var e *authz.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}
