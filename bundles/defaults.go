package bundles

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// checkDefaults refuses rules of the entrypoint that are true, or else undefined,
// such as an allow without a default: what asks for them would have to guess.
// Names that start with _ are helpers and may be so.
func checkDefaults(modules []*ast.Module) Problems {
	boolean := map[string]*ast.Rule{} // :: member of the decision -> its first rule that is true or false
	defaulted := map[string]bool{}    // :: member -> it always has a value
	for _, m := range modules {
		for _, rule := range m.Rules {
			member := decisionMember(rule)
			switch {
			case member == "":
			case always(rule):
				defaulted[member] = true
			case isBoolean(rule) && boolean[member] == nil:
				boolean[member] = rule
			}
		}
	}
	var problems Problems
	for member, rule := range boolean {
		if !defaulted[member] {
			problems = append(problems, at(rule.Location, "verdict.decision."+member+" is undefined when it is not true", "write: default "+member+" := false"))
		}
	}
	return problems
}

// decisionMember is the member of the decision that a rule gives a value to;
// empty when it gives none.
func decisionMember(rule *ast.Rule) string {
	path := names(rule.Ref()[1:])
	if len(path) != 3 || path[0] != "verdict" || path[1] != "decision" || path[2] == "" || path[2][0] == '_' || len(rule.Head.Args) > 0 {
		return ""
	}
	return path[2]
}

// always reports whether a rule, or the last of its else branches, holds whatever is
// asked.
func always(rule *ast.Rule) bool {
	for rule.Else != nil {
		rule = rule.Else
	}
	return rule.Default || len(rule.Body) == 1 && rule.Body[0].Equal(ast.NewExpr(ast.BooleanTerm(true)))
}

func isBoolean(rule *ast.Rule) bool {
	if rule.Head.RuleKind() != ast.SingleValue || rule.Head.Value == nil {
		return false
	}
	_, ok := rule.Head.Value.Value.(ast.Boolean)
	return ok
}
