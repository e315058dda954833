package api

import (
	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// explanationOf is an explanation as it is sent, nil when there is none. Its
// lists are never null.
func explanationOf(e *authz.Explanation) *api.Explanation {
	if e == nil {
		return nil
	}
	return &api.Explanation{
		Guards: guardTraces(e.Guards),
		Rules:  ruleTraces(e.Rules),
		Facts:  factsRead(e.Facts),
		Needs:  needs(e.Needs),
	}
}

func guardTraces(traces []authz.GuardTrace) []api.GuardTrace {
	sent := make([]api.GuardTrace, len(traces))
	for i, t := range traces {
		sent[i] = api.GuardTrace{Guard: t.Guard, Rules: ruleTraces(t.Rules)}
	}
	return sent
}

func ruleTraces(traces []authz.RuleTrace) []api.RuleTrace {
	sent := make([]api.RuleTrace, len(traces))
	for i, t := range traces {
		sent[i] = api.RuleTrace{Name: t.Name, Code: t.Code, File: t.File, Line: t.Line, Outcome: t.Outcome, Stopped: (*api.Stop)(t.Stopped)}
	}
	return sent
}

func factsRead(facts []authz.FactRead) []api.FactRead {
	sent := make([]api.FactRead, len(facts))
	for i, f := range facts {
		sent[i] = api.FactRead{Collection: string(f.Collection), Key: f.Key, Revision: f.Revision}
	}
	return sent
}

func needs(sets [][]authz.Need) [][]api.Need {
	sent := make([][]api.Need, len(sets))
	for i, set := range sets {
		sent[i] = make([]api.Need, len(set))
		for j, n := range set {
			sent[i][j] = api.Need{Code: string(n.Code), Guard: n.Guard, Message: n.Message, Fix: n.Fix, Details: n.Details}
		}
	}
	return sent
}
