package bundles

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// lint finds expressions of compiled policies that read a fact collection
// whole. Compiled, because then imports are resolved, every collection passed
// as an argument stands as a reference of its own, and the expressions of a
// body are in the order in which they bind variables.
type lint struct {
	compiler *ast.Compiler
	problems Problems
	here     *ast.Location // the last location seen, for generated terms
}

func wholeReads(compiler *ast.Compiler) Problems {
	l := lint{compiler: compiler}
	for _, m := range compiler.Modules {
		for _, rule := range m.Rules {
			l.rule(rule)
		}
	}
	return l.problems
}

func (l *lint) rule(rule *ast.Rule) {
	l.here = rule.Location
	bound := ast.ReservedVars.Copy()
	bound.Update(varsOf(rule.Head.Args))
	inside := l.body(rule.Body, bound)
	l.node(rule.Head.Ref(), inside)
	for _, term := range []*ast.Term{rule.Head.Key, rule.Head.Value} {
		if term != nil {
			l.node(term, inside)
		}
	}
	if rule.Else != nil {
		l.rule(rule.Else)
	}
}

// body checks expressions in order and returns what is bound after the last.
func (l *lint) body(body ast.Body, outer ast.VarSet) ast.VarSet {
	bound := outer.Copy()
	for _, expr := range body {
		l.node(expr, bound)
		bound.Update(ast.OutputVarsFromExpr(l.compiler, expr, bound))
	}
	return bound
}

// node checks every reference in x, entering nested bodies with their own
// bindings.
func (l *lint) node(x any, bound ast.VarSet) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			if x.Location != nil && x.Location.File != "" {
				l.here = x.Location
			}
		case *ast.With:
			l.node(x.Value, bound) // its target is replaced, not read
			return true
		case *ast.ArrayComprehension:
			l.node(x.Term, l.body(x.Body, bound))
			return true
		case *ast.SetComprehension:
			l.node(x.Term, l.body(x.Body, bound))
			return true
		case *ast.ObjectComprehension:
			inside := l.body(x.Body, bound)
			l.node(x.Key, inside)
			l.node(x.Value, inside)
			return true
		case *ast.Every:
			l.node(x.Domain, bound)
			inside := bound.Copy()
			inside.Update(x.KeyValueVars())
			l.body(x.Body, inside)
			return true
		case *ast.Term:
			if ref, ok := x.Value.(ast.Ref); ok {
				l.ref(ref, x.Location, bound)
			}
		}
		return false
	}).Walk(x)
}

// ref refuses a reference to data that a store can only answer by reading a
// collection whole.
func (l *lint) ref(ref ast.Ref, loc *ast.Location, bound ast.VarSet) {
	if !ref.HasPrefix(ast.DefaultRootRef) {
		return
	}
	if len(ref) == 1 {
		return // a rule that reads all data reads itself, which the compiler refuses
	}
	name, ok := ref[1].Value.(ast.String)
	if !ok {
		return // refused before it was compiled
	}
	collection := authz.Collection(name)
	if !collection.Fact() {
		return
	}
	if len(ref) == 2 {
		l.refuse(loc, "reads the whole collection data."+string(name), "read one entity by its key: "+example(collection))
		return
	}
	if unbound(ref[2], bound) {
		l.refuse(loc, "goes through the whole collection data."+string(name), "bind the key first, then read: "+example(collection))
	}
}

func (l *lint) refuse(loc *ast.Location, message, fix string) {
	if loc == nil || loc.File == "" {
		loc = l.here
	}
	l.problems = append(l.problems, at(loc, message, fix))
}

func example(c authz.Collection) string {
	if c.Pair() {
		return "data." + string(c) + "[first][second], where first is bound"
	}
	return "data." + string(c) + "[id]"
}

// unbound reports whether a part of a reference ranges over keys.
func unbound(part *ast.Term, bound ast.VarSet) bool {
	return len(varsOf(part).Diff(bound)) > 0
}

func varsOf(x any) ast.VarSet {
	vars := ast.VarSet{}
	ast.WalkVars(x, func(v ast.Var) bool {
		vars.Add(v)
		return false
	})
	return vars
}
