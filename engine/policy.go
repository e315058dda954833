package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Policy is one snapshot ready for evaluation. A caller that loads the active one once has
// its generation, its guards, their modes, its masks and its decisions from one and the
// same set. It implements authz.Evaluator,
// authz.Explainer and authz.Rejudger, and is safe for concurrent use.
type Policy struct {
	ref    authz.PolicyRef
	guards []bundles.Guard // by name
	modes  []guardModes    // of guards
	config Config
	query  rego.PreparedEvalQuery
	facts  *decodedFacts
	shared []rego.EvalOption // the same for every evaluation

	// What decisions do not need is prepared at its first use.
	masks        func() (maskQuery, error)
	explanations func() (*explanations, error)
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
	p, err := prepare(snapshot.Ref(), snapshot.Compiler(), snapshot.Data(), config.withDefaults())
	if err != nil {
		return nil, err
	}
	p.guards = snapshot.Guards()
	for _, guard := range p.guards {
		mode, own := snapshot.Mode(guard.Name)
		p.modes = append(p.modes, guardModes{mode, own})
	}
	return p, nil
}

// guardModes are the mode of a guard, and the one that the bundles give it.
type guardModes struct{ mode, own string }

func prepare(ref authz.PolicyRef, compiler *ast.Compiler, data ast.Object, config Config) (*Policy, error) {
	facts, err := newDecodedFacts(config.DecodedFacts)
	if err != nil {
		return nil, internal("preparing the cache of facts", err)
	}
	shared, err := sharedOptions()
	if err != nil {
		return nil, internal("preparing the caches of built-ins", err)
	}
	store := &store{data: data, names: namesIn(compiler)}
	query, err := prepareQuery(compiler, store, ast.NewExpr(ast.NewTerm(entrypoint)))
	if err != nil {
		return nil, internal("preparing the policy", err)
	}
	return &Policy{
		ref: ref, config: config, query: query, facts: facts, shared: shared,
		masks:        sync.OnceValues(func() (maskQuery, error) { return newMaskQuery(compiler, store) }),
		explanations: sync.OnceValues(func() (*explanations, error) { return newExplanations(compiler, store) }),
	}, nil
}

// entrypoint is bundles.Entrypoint as a reference.
var entrypoint = ast.MustParseRef(bundles.Entrypoint)

// prepareQuery prepares a copy of expr: OPA rewrites the terms of a query in place, and
// among them may be shared terms, such as OPA's own for input and data.
func prepareQuery(compiler *ast.Compiler, store *store, expr *ast.Expr) (rego.PreparedEvalQuery, error) {
	return rego.New(
		rego.ParsedQuery(ast.NewBody(expr.Copy())),
		rego.Compiler(compiler),
		rego.Store(store),
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

// Guards lists the guards of the snapshot by name. The list must not be changed.
func (p *Policy) Guards() []bundles.Guard {
	if p == nil {
		return nil
	}
	return p.guards
}

// Mode is the mode of a guard for calls of which no edge says another, and the one that
// the bundles give it themselves, see bundles.Snapshot.Mode; ok is false when there is
// no such guard.
func (p *Policy) Mode(guard string) (mode, own string, ok bool) {
	i, ok := slices.BinarySearchFunc(p.Guards(), guard, func(g bundles.Guard, name string) int { return strings.Compare(g.Name, name) })
	if !ok {
		return "", "", false
	}
	return p.modes[i].mode, p.modes[i].own, true
}

// GuardModes lists the guards with their modes and the evidence for the next one.
func (p *Policy) GuardModes(evidence func(guard string) authz.ModeEvidence) []authz.GuardMode {
	all := []authz.GuardMode{}
	for i, guard := range p.Guards() {
		mode, own := p.modes[i].mode, p.modes[i].own
		listed := authz.GuardMode{Name: guard.Name, Description: guard.Description, Mode: mode, Next: authz.NextMode(mode), Evidence: evidence(guard.Name)}
		if own != mode {
			listed.Bundle = own
		}
		all = append(all, listed)
	}
	return all
}

// Evaluate judges q by the facts f. It always answers within about the time limit
// and always with a well-formed judgement; see the package comment.
func (p *Policy) Evaluate(ctx context.Context, q authz.Question, f authz.Facts) authz.Judgement {
	return p.judge(ctx, func() (ast.Value, time.Time, error) { return readQuestion(q) }, f)
}

// EvaluateInput judges the question that input is the document of, as Input wrote
// it: the answer is that of Evaluate. What is no such document denies.
func (p *Policy) EvaluateInput(ctx context.Context, input []byte, f authz.Facts) authz.Judgement {
	return p.judge(ctx, func() (ast.Value, time.Time, error) { return readInput(input) }, f)
}

func (p *Policy) judge(ctx context.Context, read inputReader, f authz.Facts) (j authz.Judgement) {
	if p == nil {
		return denied(missing())
	}
	v := newView(f, p.facts, p.config.MaxKeys)
	defer func() {
		if fault := recover(); fault != nil {
			p.config.Fault(ctx, &panicError{fault, debug.Stack()})
			j = denied(panicked())
		}
		j.KeysRead = v.keys
	}()
	value, err := p.evaluate(ctx, read, v)
	return p.judgementOf(ctx, value, v.first(err))
}

// judgementOf makes a judgement of how an evaluation of the entrypoint ended.
func (p *Policy) judgementOf(ctx context.Context, value ast.Value, err error) authz.Judgement {
	if err == nil {
		return judgement(value)
	}
	var facts *factsError
	if errors.As(err, &facts) {
		p.config.Fault(ctx, err)
	}
	return denied(failed(ctx, err, p.config))
}

// evaluate evaluates the entrypoint. The result is nil when it is undefined.
func (p *Policy) evaluate(ctx context.Context, read inputReader, v *view) (ast.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	input, at, err := read()
	if err != nil {
		return nil, err
	}
	return p.run(ctx, evalArgs{query: &p.query, input: input, at: at, facts: v, limit: p.config.Timeout})
}

// evalArgs are a query and what it is evaluated with.
type evalArgs struct {
	query  *rego.PreparedEvalQuery
	input  ast.Value
	at     time.Time           // what time.now_ns returns
	facts  storage.Transaction // a view, or none
	limit  time.Duration
	tracer topdown.QueryTracer // may be nil
}

// run evaluates a query of one expression. The result is nil when it is undefined.
func (p *Policy) run(ctx context.Context, a evalArgs) (ast.Value, error) {
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(a.limit, cancel.Cancel)
	defer timer.Stop()
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, cancel.Cancel)()
	}
	rules := newRuleCache()
	results, err := a.query.Eval(ctx, append(p.shared[:len(p.shared):len(p.shared)], func(e *rego.EvalContext) {
		rego.EvalParsedInput(a.input)(e)
		rego.EvalTransaction(a.facts)(e)
		rego.EvalVirtualCache(rules)(e)
		rego.EvalTime(a.at)(e)
		rego.EvalExternalCancel(cancel)(e)
		if a.tracer != nil {
			rego.EvalQueryTracer(a.tracer)(e)
		}
	})...)
	rules.release() // not after a panic, which may leave it in use
	if err != nil || len(results) == 0 {
		return nil, err
	}
	return results[0].Expressions[0].Value.(ast.Value), nil
}

// catch, deferred, makes an error of a panic.
func catch(err *error) {
	if fault := recover(); fault != nil {
		*err = &panicError{fault, debug.Stack()}
	}
}

// panicError is a fault of the engine or of OPA, with where it happened.
type panicError struct {
	fault any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("panic in an evaluation: %v\n%s", e.fault, e.stack)
}
