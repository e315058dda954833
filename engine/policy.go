package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Policy is one snapshot ready to be asked. It implements authz.Evaluator and
// is safe for concurrent use.
type Policy struct {
	ref    authz.PolicyRef
	config Config
	query  rego.PreparedEvalQuery
	facts  *decodedFacts
	shared []rego.EvalOption // the same for every evaluation
}

// builtinCaches bounds what built-ins keep between evaluations, such as
// compiled patterns: they may come from input.
const builtinCaches = `{
	"inter_query_builtin_cache": {"max_size_bytes": 4194304},
	"inter_query_builtin_value_cache": {"max_num_entries": 4096}
}`

// New prepares a snapshot for evaluation. The error is an *authz.Error.
func New(snapshot *bundles.Snapshot, config Config) (*Policy, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return prepare(snapshot.Ref(), snapshot.Compiler(), snapshot.Data(), config.withDefaults())
}

func prepare(ref authz.PolicyRef, compiler *ast.Compiler, data ast.Object, config Config) (*Policy, error) {
	facts, err := newDecodedFacts(config.DecodedFacts)
	if err != nil {
		return nil, internal("preparing the cache of facts", err)
	}
	shared, err := sharedOptions()
	if err != nil {
		return nil, internal("preparing the caches of built-ins", err)
	}
	query, err := prepareQuery(compiler, data)
	if err != nil {
		return nil, internal("preparing the policy", err)
	}
	return &Policy{ref: ref, config: config, query: query, facts: facts, shared: shared}, nil
}

func prepareQuery(compiler *ast.Compiler, data ast.Object) (rego.PreparedEvalQuery, error) {
	entrypoint, err := ast.ParseRef(bundles.Entrypoint)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	return rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(entrypoint)))),
		rego.Compiler(compiler),
		rego.Store(&store{data: data, names: namesIn(compiler)}),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(termValue),
	).PrepareForEval(context.Background())
}

// sharedOptions are the options that every evaluation of one policy shares.
func sharedOptions() ([]rego.EvalOption, error) {
	config, err := cache.ParseCachingConfig([]byte(builtinCaches))
	if err != nil {
		return nil, err
	}
	return []rego.EvalOption{
		// OPA's rule index asks for whole collections to look one key up. The one
		// that bundles.Compile gives rules instead works with this off.
		rego.EvalRuleIndexing(false),
		// Without its index, OPA 1.22.2 takes rules with constant keys such as
		// p["x"] := 1 and p["x"] := 2 for ones that cannot differ, and stops at
		// the first: the conflict would go unseen.
		rego.EvalEarlyExit(false),
		rego.EvalMetrics(metrics.NoOp()),
		rego.EvalInterQueryBuiltinCache(cache.NewInterQueryCache(config)),
		rego.EvalInterQueryBuiltinValueCache(cache.NewInterQueryValueCache(context.Background(), config)),
	}, nil
}

func internal(doing string, err error) error {
	return &authz.Error{Code: authz.CodeInternal, Message: "the policy could not be loaded", Cause: fmt.Errorf("%s: %w", doing, err)}
}

// termValue hands results over as they are, without the detour through JSON.
func termValue(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }

// Policy names the snapshot.
func (p *Policy) Policy() authz.PolicyRef {
	if p == nil {
		return authz.PolicyRef{}
	}
	return p.ref
}

// Evaluate judges q by the facts f. It always answers within about the time limit
// and always with a well-formed judgement; see the package comment.
func (p *Policy) Evaluate(ctx context.Context, q authz.Question, f authz.Facts) (j authz.Judgement) {
	if p == nil {
		return denied(missing())
	}
	v := newView(f, p.facts, p.config.MaxKeys)
	defer func() {
		if fault := recover(); fault != nil {
			p.config.Fault(ctx, fmt.Errorf("panic in an evaluation: %v\n%s", fault, debug.Stack()))
			j = denied(panicked())
		}
		j.KeysRead = v.keys
	}()
	value, err := p.evaluate(ctx, q, v)
	if err = v.first(err); err != nil {
		var facts *factsError
		if errors.As(err, &facts) {
			p.config.Fault(ctx, err)
		}
		return denied(failed(ctx, err, p.config))
	}
	return judgement(value)
}

// evaluate runs the query. The result is nil when the entrypoint is undefined.
func (p *Policy) evaluate(ctx context.Context, q authz.Question, v *view) (ast.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	input, err := questionValue(q)
	if err != nil {
		return nil, err
	}
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(p.config.Timeout, cancel.Cancel)
	defer timer.Stop()
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, cancel.Cancel)()
	}
	rules := newAnswers()
	results, err := p.query.Eval(ctx, append(p.shared[:len(p.shared):len(p.shared)],
		rego.EvalParsedInput(input),
		rego.EvalTransaction(v),
		rego.EvalVirtualCache(rules),
		rego.EvalTime(q.Time),
		rego.EvalExternalCancel(cancel),
	)...)
	rules.release() // not after a panic, which may leave it in use
	if err != nil || len(results) == 0 {
		return nil, err
	}
	return results[0].Expressions[0].Value.(ast.Value), nil
}
