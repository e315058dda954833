package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// maskRule is what a policy set may define to keep parts of decisions out of their
// records.
var maskRule = ast.MustParseRef("data.verdict.log.mask")

// Mask asks the policy what to hide of the record of a decision: of input, as Input
// wrote it, and result, the decision as JSON. The policy sees both as
// {"input": .., "result": ..} and no facts. data.verdict.log.mask is a set or a
// list, of JSON pointers such as "/input/context/note", which are removed, or of
// objects {"op": "remove" | "upsert", "path": "..", "value": ..}, as OPA's decision
// log masks are; pointers lie below /input or /result. There are no masks when no
// policy defines it. An error, after the time limit at the latest, means that it is
// not known what to hide.
func (p *Policy) Mask(ctx context.Context, input, result []byte) ([]authz.Mask, error) {
	if p == nil {
		return nil, maskError(errors.New("no policy is active"))
	}
	value, err := p.mask(ctx, input, result)
	if err != nil {
		return nil, maskError(err)
	}
	masks, err := masksIn(value)
	if err != nil {
		return nil, maskError(err)
	}
	return masks, nil
}

// maskError keeps the values in a failure out of what callers see.
func maskError(cause error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: "the policy could not say what to mask", Cause: cause}
}

// maskQuery is the query for masks, and what it can read of its input.
type maskQuery struct {
	none          bool // the policy defines no masks: there is nothing to ask
	query         rego.PreparedEvalQuery
	input, result *parts // the rest of a record is not decoded
	known         names
}

func newMaskQuery(compiler *ast.Compiler, store *store) (maskQuery, error) {
	if undefinedIn(compiler, store.data, maskRule) {
		return maskQuery{none: true}, nil
	}
	asked := partsAsked(compiler, maskRule)
	asked.add(ast.StringTerm("input"), ast.StringTerm("time"))
	query, err := prepareQuery(compiler, store, ast.NewExpr(ast.NewTerm(maskRule)))
	return maskQuery{query: query, input: asked.of([]byte("input")), result: asked.of([]byte("result")), known: store.names}, err
}

// mask is nil when the policy defines none.
func (p *Policy) mask(ctx context.Context, input, result []byte) (value ast.Value, err error) {
	defer catch(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q, err := p.masks()
	if err != nil {
		return nil, err
	}
	if q.none {
		return nil, nil
	}
	asked, err := decodeParts(input, q.input, q.known)
	if err != nil {
		return nil, err
	}
	at, err := timeOf(asked)
	if err != nil {
		return nil, err
	}
	answered, err := decodeParts(result, q.result, q.known)
	if err != nil {
		return nil, err
	}
	both := make(object, 0, 2).with("input", ast.NewTerm(asked)).with("result", ast.NewTerm(answered)).term()
	return p.run(ctx, evalArgs{query: &q.query, input: both.Value, at: at, facts: none{}, limit: p.config.Timeout})
}

// undefinedIn reports whether ref, a constant path of data, can have no value: no rule
// gives it or a part of it one, no package lies there, and it is not among the data of
// the policy set.
func undefinedIn(compiler *ast.Compiler, data ast.Object, ref ast.Ref) bool {
	if compiler.RuleTree.Find(ref) != nil || len(compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true})) > 0 {
		return false
	}
	_, err := data.Find(ref[1:])
	return err != nil
}

// masksIn reads the masks a policy gave, in their order; those of a set have that
// of OPA's comparison.
func masksIn(value ast.Value) ([]authz.Mask, error) {
	var terms []*ast.Term
	switch v := value.(type) {
	case nil:
	case ast.Set:
		terms = v.Slice()
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { terms = append(terms, t) })
	default:
		return nil, fmt.Errorf("the mask is %s, not a set or a list", kind(value))
	}
	masks := make([]authz.Mask, len(terms))
	for n, term := range terms {
		var err error
		if masks[n], err = maskOf(term.Value); err != nil {
			return nil, err
		}
	}
	return masks, nil
}

func maskOf(value ast.Value) (authz.Mask, error) {
	switch v := value.(type) {
	case ast.String:
		return authz.Mask{Op: authz.MaskRemove, Path: string(v)}, checkMaskPath(string(v))
	case ast.Object:
		return maskObject(v)
	}
	return authz.Mask{}, fmt.Errorf("a mask is %s, neither a string nor an object", kind(value))
}

func maskObject(o ast.Object) (authz.Mask, error) {
	m, ok := jsonValue(o).(map[string]any)
	if !ok {
		return authz.Mask{}, errors.New("a mask has a member whose name is not a string")
	}
	op, path, upserted := m["op"], m["path"], m["value"]
	mask := authz.Mask{}
	if mask.Op, ok = op.(string); !ok || mask.Op != authz.MaskRemove && mask.Op != authz.MaskUpsert {
		return mask, errors.New("the op of a mask is neither remove nor upsert")
	}
	if mask.Path, ok = path.(string); !ok {
		return mask, errors.New("a mask has no path")
	}
	if mask.Op == authz.MaskUpsert {
		mask.Value = upserted
	}
	return mask, checkMaskPath(mask.Path)
}

// checkMaskPath refuses what is not a JSON pointer below one of the two parts of a record.
func checkMaskPath(path string) error {
	p, err := ijson.ParsePointer(path)
	switch {
	case err != nil:
		return fmt.Errorf("the path of a mask %w", err)
	case len(p) < 2 || len(p) == 2 && p[1] == "" || p[0] != "input" && p[0] != "result":
		return errors.New("the path of a mask lies neither below /input nor below /result")
	}
	return nil
}
