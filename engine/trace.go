package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-pdp/verdict/authz"
)

// tracer notes what became of each rule of one evaluation. It implements
// topdown.QueryTracer and is used by one goroutine.
type tracer struct {
	rules   map[*ast.Rule]*attempts
	running map[uint64]*attempts // :: id of a query -> the rule whose body it is
}

// attempts is what became of one rule, which may have been tried with many
// arguments.
type attempts struct {
	rule     *ast.Rule
	held     bool
	furthest int // of the expressions of its body, -1 when none was tried
}

func newTracer() *tracer {
	return &tracer{rules: map[*ast.Rule]*attempts{}, running: map[uint64]*attempts{}}
}

// Enabled implements topdown.QueryTracer.
func (*tracer) Enabled() bool { return true }

// Config implements topdown.QueryTracer: values of variables are not needed.
func (*tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *tracer) TraceEvent(e topdown.Event) {
	switch node := e.Node.(type) {
	case *ast.Rule:
		switch e.Op {
		case topdown.EnterOp:
			t.running[e.QueryID] = t.of(node)
		case topdown.ExitOp:
			t.of(node).held = true
		}
	case *ast.Expr:
		if a := t.running[e.QueryID]; a != nil && e.Op == topdown.EvalOp {
			a.furthest = max(a.furthest, slices.Index(a.rule.Body, node))
		}
	}
}

func (t *tracer) of(rule *ast.Rule) *attempts {
	a := t.rules[rule]
	if a == nil {
		a = &attempts{rule: rule, furthest: -1}
		t.rules[rule] = a
	}
	return a
}

// trace is what became of rule.
func (t *tracer) trace(rule *ast.Rule) authz.RuleTrace {
	r := authz.RuleTrace{
		Name: rule.Ref().GroundPrefix().String(),
		File: rule.Location.File, Line: rule.Location.Row,
		Outcome: authz.RuleNotTried,
	}
	switch a := t.rules[rule]; {
	case a == nil:
	case a.held:
		r.Outcome = authz.RuleHeld
	default:
		r.Outcome, r.Stopped = authz.RuleNotHeld, a.stop()
	}
	return r
}

// stop is where a rule that did not hold got to. An expression that was tried and
// had none tried after it did not hold; where none was tried, the arguments are
// not those of the rule, which its head shows.
func (a *attempts) stop() *authz.Stop {
	if a.furthest >= 0 {
		// OPA splits an expression that refers to something within something; the
		// one it was made of is the one that is written.
		if at := a.rule.Body[a.furthest].BaseCogeneratedExpr().Location; at != nil {
			return &authz.Stop{File: at.File, Line: at.Row, Expression: string(at.Text)}
		}
	}
	at := a.rule.Location
	return &authz.Stop{File: at.File, Line: at.Row, Expression: writtenHead(a.rule.Head)}
}

// writtenHead is the name of a rule with its arguments, without its value.
func writtenHead(head *ast.Head) string {
	if len(head.Args) == 0 {
		return head.Ref().String()
	}
	args := make([]string, len(head.Args))
	for n, arg := range head.Args {
		args[n] = string(arg.Location.Text)
	}
	return head.Ref().String() + "(" + strings.Join(args, ", ") + ")"
}

// others are the rules that were tried and are not among known, by place.
func (t *tracer) others(known map[*ast.Rule]bool) []authz.RuleTrace {
	rules := make([]authz.RuleTrace, 0, len(t.rules))
	for _, rule := range slices.SortedFunc(maps.Keys(t.rules), byPlace) {
		if !known[rule] {
			rules = append(rules, t.trace(rule))
		}
	}
	return rules
}

func byPlace(a, b *ast.Rule) int {
	return cmp.Or(
		cmp.Compare(a.Location.File, b.Location.File),
		cmp.Compare(a.Location.Row, b.Location.Row),
		cmp.Compare(a.Location.Col, b.Location.Col),
	)
}
