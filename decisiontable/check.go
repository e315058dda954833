package decisiontable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of what Check takes.
const (
	MaxCheckedBytes = 16 << 20 // that are read; a file that is included counts each time
	MaxCheckedRows  = 10_000
)

// Check runs every decision table among files, path -> content, by policy, and returns
// how many rows passed. Files that no table includes are not looked at.
//
// The error is an *authz.Error of CodeInvalid whose Problems are what is wrong with the
// tables, or the rows that policy answers otherwise, by file and line; CodeTooLarge when
// a bound was passed; or why ctx ended.
func Check(ctx context.Context, policy authz.Rejudger, files map[string][]byte) (rows int, err error) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return !strings.HasSuffix(name, Suffix) })
	budget := budget{files: files, left: MaxCheckedBytes}
	tables, err := load(ctx, names, MaxCheckedRows, budget.read)
	if budget.left < 0 {
		return 0, &authz.Error{Code: authz.CodeTooLarge, Message: fmt.Sprintf("the decision tables, with what they include, are larger than %d bytes", MaxCheckedBytes)}
	}
	if err != nil {
		return 0, err
	}
	report := Run(ctx, policy, tables)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return report.Passed, report.failing()
}

// budget reads files as long as they are not too large together.
type budget struct {
	files map[string][]byte
	left  int64
}

func (b *budget) read(name string) ([]byte, error) {
	content, ok := b.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if len(content) > maxBytes {
		return nil, fmt.Errorf("it is larger than %d bytes", maxBytes)
	}
	if b.left -= int64(len(content)); b.left < 0 {
		b.left = -1 // for good
		return nil, errors.New("what was read before it is too large")
	}
	return content, nil
}

// failing is the error for rows that did not pass, nil when all did.
func (r *Report) failing() error {
	if r.Failed == 0 {
		return nil
	}
	e := &authz.Error{Code: authz.CodeInvalid, Message: fmt.Sprintf("%d of %d rows of the bundle's decision tables do not pass", r.Failed, r.Failed+r.Passed)}
	for _, one := range r.Cases {
		if one.Outcome == Pass {
			continue
		}
		if len(e.Problems) == maxProblems {
			e.Message += "\nand others"
			break
		}
		p := authz.Problem{File: one.File, Line: one.Line, Message: one.Name + ": " + strings.Join(one.Diff, "; "), Fix: "make the policy or the row right; verdict test shows more"}
		e.Problems = append(e.Problems, p)
		e.Message += "\n" + p.String()
	}
	return e
}
