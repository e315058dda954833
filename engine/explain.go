package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/verdict-pdp/verdict/authz"
)

// explanationLimit is how long an explanation may take beside the decision, in
// limits of one evaluation.
const explanationLimit = 10

// explanations is what explaining needs of a policy beside what deciding does. It
// is immutable.
type explanations struct {
	traced rego.PreparedEvalQuery // the entrypoint, by rules without an index
	guards []guardRules           // by name
	needs  needQueries
}

// guardRules are the rules of one guard that could deny.
type guardRules struct {
	name  string
	rules []*ast.Rule // by place
}

func newExplanations(compiler *ast.Compiler, store *store) (*explanations, error) {
	x := &explanations{guards: guardsIn(compiler)}
	var err error
	if x.traced, err = prepareQuery(unindexed(compiler), store, ast.NewExpr(ast.NewTerm(entrypoint))); err != nil {
		return nil, err
	}
	x.needs, err = newNeedQueries(compiler, store, x.guards)
	return x, err
}

// guardsIn finds what denies: the sets data.guards.<name>.deny.
func guardsIn(compiler *ast.Compiler) []guardRules {
	byName := map[string][]*ast.Rule{} // :: guard -> its rules that could deny
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			if name, ok := guardOf(rule); ok {
				byName[name] = append(byName[name], rule)
			}
		}
	}
	guards := make([]guardRules, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		slices.SortFunc(byName[name], byPlace)
		guards = append(guards, guardRules{name, byName[name]})
	}
	return guards
}

var guardsRoot = ast.MustParseRef("data.guards")

// denyOf is the set of denials of one guard.
func denyOf(guard string) ast.Ref {
	return guardsRoot.Append(ast.StringTerm(guard)).Append(ast.StringTerm("deny"))
}

func guardOf(rule *ast.Rule) (string, bool) {
	ref := rule.Ref()
	if len(ref) != 4 || rule.Head.RuleKind() != ast.MultiValue || len(rule.Head.Args) > 0 {
		return "", false
	}
	name, ok := ref[2].Value.(ast.String)
	return string(name), ok && ref.Equal(denyOf(string(name)))
}

// codeOf is the code that the METADATA of a rule gives.
func codeOf(rule *ast.Rule) string {
	for _, a := range rule.Annotations {
		if code, ok := a.Custom["code"].(string); ok && a.Scope == "rule" {
			return code
		}
	}
	return ""
}

// Explain judges q as Evaluate does and says how that came about. The judgement is
// that of an evaluation of its own, made first; what follows, which may take ten
// times the limit of one evaluation, cannot change it. An explanation that runs
// out of that time says what was found until then.
func (p *Policy) Explain(ctx context.Context, q authz.Question, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return p.explain(ctx, func() (ast.Value, time.Time, error) { return readQuestion(q) }, f)
}

// ExplainInput explains as Explain does what EvaluateInput judges.
func (p *Policy) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return p.explain(ctx, func() (ast.Value, time.Time, error) { return readInput(input) }, f)
}

func (p *Policy) explain(ctx context.Context, read inputReader, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	j := p.judge(ctx, read, f)
	e := &authz.Explanation{Guards: []authz.GuardTrace{}, Rules: []authz.RuleTrace{}, Facts: []authz.FactRead{}}
	if !j.Allow {
		e.Needs = [][]authz.Need{needsOf(j.Reasons)}
	}
	if p == nil {
		return j, e
	}
	ctx, cancel := context.WithTimeout(ctx, explanationLimit*p.config.Timeout)
	defer cancel()
	if err := p.fill(ctx, e, j, read, f); err != nil && !engineSays(j) {
		p.config.Fault(ctx, fmt.Errorf("explaining a decision: %w", err))
	}
	return j, e
}

// engineSays means that j is of an evaluation that failed, and says why.
func engineSays(j authz.Judgement) bool {
	return slices.ContainsFunc(j.Reasons, func(r authz.Reason) bool { return r.Guard == guardEngine })
}

// fill writes an explanation of the judgement j. The error is the first of what
// could not be found out.
func (p *Policy) fill(ctx context.Context, e *authz.Explanation, j authz.Judgement, read inputReader, f authz.Facts) (err error) {
	defer catch(&err)
	x, err := p.explanations()
	if err != nil {
		return err
	}
	input, at, err := read()
	if err != nil {
		return err
	}
	i := evaluator{policy: p, facts: f, input: input, at: at}
	if err := x.trace(ctx, i, e); err != nil {
		return err
	}
	if j.Allow {
		return nil
	}
	needs, err := x.needs.find(ctx, i, j)
	if needs != nil {
		e.Needs = needs
	}
	return err
}

// trace evaluates the entrypoint and notes what happens, up to where it fails.
func (x *explanations) trace(ctx context.Context, i evaluator, e *authz.Explanation) error {
	facts, t := newFactRecorder(i.facts), newTracer()
	i.facts = facts
	_, err := i.run(ctx, evalArgs{query: &x.traced, input: i.input, tracer: t})
	e.Facts = facts.reads()
	denials := map[*ast.Rule]bool{}
	for _, g := range x.guards {
		e.Guards = append(e.Guards, g.trace(t))
		for _, rule := range g.rules {
			denials[rule] = true
		}
	}
	e.Rules = t.others(denials)
	return err
}

func (g guardRules) trace(t *tracer) authz.GuardTrace {
	guard := authz.GuardTrace{Guard: g.name, Rules: make([]authz.RuleTrace, len(g.rules))}
	for n, rule := range g.rules {
		guard.Rules[n] = t.trace(rule)
		guard.Rules[n].Code = codeOf(rule)
	}
	return guard
}

// evaluator evaluates queries for one question that is being explained.
type evaluator struct {
	policy *Policy
	facts  authz.Facts
	input  ast.Value
	at     time.Time
}

// run evaluates with a view of its own until ctx ends.
func (i evaluator) run(ctx context.Context, a evalArgs) (value ast.Value, err error) {
	defer catch(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := newView(i.facts, i.policy.facts, i.policy.config.MaxKeys)
	a.at, a.facts, a.limit = i.at, v, explanationLimit*i.policy.config.Timeout
	value, err = i.policy.run(ctx, a)
	return value, v.first(err)
}
