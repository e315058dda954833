package bundles

import (
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxNesting is how deep comprehensions, every and template strings may stand in
// each other. OPA's compiler takes twice as long, and as much memory, for each level:
// thirty of them, a line of text, would keep it busy for hours.
const maxNesting = 6

// maxElse is how many else a rule may have. The compiler's time grows with their square.
const maxElse = 1000

// checkNesting refuses what would take the compiler out of any bound.
func checkNesting(m *ast.Module) Problems {
	var problems Problems
	var walk func(outer any, depth int)
	walk = func(outer any, depth int) {
		ast.NewGenericVisitor(func(x any) bool {
			location, nests := nesting(x)
			switch {
			case !nests || x == outer:
				return false
			case depth == maxNesting:
				problems = append(problems, at(location, "nests comprehensions, every or template strings more than "+strconv.Itoa(maxNesting)+" deep", "give the inner ones names, as rules of their own"))
			default:
				walk(x, depth+1)
			}
			return true
		}).Walk(outer)
	}
	for _, rule := range m.Rules {
		walk(rule, 0)
		if elses(rule) > maxElse {
			problems = append(problems, at(rule.Location, "has more than "+strconv.Itoa(maxElse)+" else", "look the value up in an object instead"))
		}
	}
	return problems
}

func elses(rule *ast.Rule) (n int) {
	for ; rule.Else != nil; rule = rule.Else {
		n++
	}
	return n
}

// nesting reports whether x has a body of its own within a rule, and where that is.
func nesting(x any) (location *ast.Location, nests bool) {
	switch x := x.(type) {
	case *ast.ArrayComprehension:
		return x.Term.Location, true
	case *ast.SetComprehension:
		return x.Term.Location, true
	case *ast.ObjectComprehension:
		return x.Key.Location, true
	case *ast.Every:
		return x.Location, true
	case *ast.TemplateString:
		if len(x.Parts) == 0 {
			return nil, false
		}
		return x.Parts[0].Loc(), true
	case *ast.Not:
		return x.Location, x.ExplicitBody
	}
	return nil, false
}
