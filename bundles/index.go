package bundles

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// replaceIndexes gives every rule of compiled policies an index of ours. OPA's
// may ask the store for whole collections to look one key up, hides errors in
// the rules it leaves out, and makes much garbage when told to leave none out.
func replaceIndexes(compiler *ast.Compiler) error {
	var failed error
	compiler.RuleTree.DepthFirst(func(node *ast.TreeNode) bool {
		if node.Index == nil {
			return false
		}
		all, err := node.Index.AllRules(nil)
		if err != nil {
			failed = err
			return true
		}
		node.Index = newRuleIndex(all)
		return false
	})
	return failed
}

// ruleIndex implements ast.RuleIndex. It leaves a rule out only when evaluating
// it would end at once: when something its body asks of the question, before
// anything that could read a fact or fail, is not so. What a decision is, which
// facts it reads and how it fails is the same as without an index. It is
// immutable.
type ruleIndex struct {
	all      ast.IndexResult
	openings []opening // of all.Rules, in their order
}

func newRuleIndex(all *ast.IndexResult) *ruleIndex {
	x := &ruleIndex{all: *all, openings: make([]opening, len(all.Rules))}
	for i, rule := range all.Rules {
		// An else may hold where its rule does not, and the rules of a function
		// tell OPA how many arguments it takes.
		if rule.Else == nil && len(rule.Head.Args) == 0 {
			x.openings[i] = openingOf(rule.Body)
		}
	}
	return x
}

// Build implements ast.RuleIndex: it was built by newRuleIndex.
func (*ruleIndex) Build([]*ast.Rule) bool { return false }

// Lookup implements ast.RuleIndex. The result is the caller's, who gives it back
// to OPA's pool: nothing in it may be shared but the rules.
func (x *ruleIndex) Lookup(question ast.ValueResolver) (*ast.IndexResult, error) {
	result := ast.IndexResultPool.Get()
	result.Kind, result.Default, result.OnlyGroundRefs = x.all.Kind, x.all.Default, x.all.OnlyGroundRefs
	result.EarlyExit = false
	result.Rules = result.Rules[:0]
	for i, rule := range x.all.Rules {
		if x.openings[i].mayHold(question) {
			result.Rules = append(result.Rules, rule)
		}
	}
	clear(result.Else)
	if len(x.all.Else) > 0 {
		if result.Else == nil {
			result.Else = make(map[*ast.Rule][]*ast.Rule, len(x.all.Else))
		}
		maps.Copy(result.Else, x.all.Else)
	}
	return result, nil
}

// AllRules implements ast.RuleIndex as Lookup does: no rule that it leaves out
// could be missed.
func (x *ruleIndex) AllRules(question ast.ValueResolver) (*ast.IndexResult, error) {
	return x.Lookup(question)
}

// opening is what the body of a rule asks of the question first.
type opening []condition

// condition is one expression about a member of the question.
type condition struct {
	member ast.Ref
	asks   asks
	value  ast.Value // for equals
}

type asks int

const (
	defined asks = iota // x := input.member
	holds               // input.member
	absent              // not input.member
	equals              // input.member == value
)

func (o opening) mayHold(question ast.ValueResolver) bool {
	for _, c := range o {
		if !c.mayHold(question) {
			return false
		}
	}
	return true
}

// mayHold is true when it cannot tell.
func (c condition) mayHold(question ast.ValueResolver) bool {
	value, err := question.Resolve(c.member)
	if err != nil {
		return true
	}
	holding := value != nil && value != ast.Value(ast.Boolean(false))
	switch c.asks {
	case holds:
		return holding
	case absent:
		return !holding
	case equals:
		return value != nil && value.Compare(c.value) == 0
	}
	return value != nil
}

// openingOf collects conditions up to the first expression that is neither one
// nor the naming of a constant.
func openingOf(body ast.Body) opening {
	var o opening
	for _, expr := range body {
		if len(expr.With) > 0 {
			return o
		}
		c, known := conditionOf(expr)
		switch {
		case !known:
			return o
		case c.member != nil:
			o = append(o, c)
		}
	}
	return o
}

// conditionOf is the condition that expr is. It has no member when expr holds
// whatever the question is.
func conditionOf(expr *ast.Expr) (condition, bool) {
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		if member, ok := memberOf(terms); ok {
			if expr.Negated {
				return condition{member: member, asks: absent}, true
			}
			return condition{member: member, asks: holds}, true
		}
		return condition{}, !expr.Negated && ast.Boolean(true).Equal(terms.Value)
	case []*ast.Term:
		if expr.Negated || len(terms) != 3 || !expr.IsEquality() {
			return condition{}, false
		}
		return equality(terms[1], terms[2])
	}
	return condition{}, false
}

// equality is the condition that a = b is.
func equality(a, b *ast.Term) (condition, bool) {
	if _, ok := memberOf(a); !ok {
		a, b = b, a
	}
	member, ok := memberOf(a)
	if !ok {
		return condition{}, isNaming(a, b) || isNaming(b, a)
	}
	switch b.Value.(type) {
	case ast.String, ast.Boolean:
		return condition{member: member, asks: equals, value: b.Value}, true
	case ast.Var:
		return condition{member: member, asks: defined}, true
	}
	return condition{}, false
}

// memberOf is term as a reference to a member of the question, every part of it
// constant.
func memberOf(term *ast.Term) (ast.Ref, bool) {
	ref, ok := term.Value.(ast.Ref)
	if !ok || !ref.HasPrefix(ast.InputRootRef) {
		return nil, false
	}
	for _, part := range ref[1:] {
		if _, ok := part.Value.(ast.String); !ok {
			return nil, false
		}
	}
	return ref, true
}

func isNaming(name, constant *ast.Term) bool {
	_, ok := name.Value.(ast.Var)
	return ok && ast.IsConstant(constant.Value)
}
