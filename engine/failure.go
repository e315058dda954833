package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-pdp/verdict/authz"
)

// guardEngine is the guard named in reasons that no policy gave.
const guardEngine = "engine"

// denied is the judgement of an evaluation that did not end in a decision.
func denied(r authz.Reason) authz.Judgement {
	return authz.Judgement{Reasons: []authz.Reason{r}}
}

func reason(code authz.ReasonCode, message, fix string, details map[string]any) authz.Reason {
	return authz.Reason{Code: code, Guard: guardEngine, Message: message, Fix: fix, Status: code.Status(), Details: details}
}

func missing() authz.Reason {
	return reason(authz.PolicyMissing, "No policy is active.", "Load a policy set.", nil)
}

func panicked() authz.Reason {
	return reason(authz.PolicyError, "Evaluation ended by a fault of the engine.", "Report this with the policy set and the question.", map[string]any{"cause": "panic"})
}

func undefined() authz.Reason {
	return reason(authz.PolicyUndefined, "The policy gave no decision for this question.", "Give allow a default: default allow := false.", nil)
}

func malformed(wrong string) authz.Reason {
	return reason(authz.PolicyMalformed, "The policy's result is not a decision.", "Return the decision object that the documentation describes.", map[string]any{"wrong": wrong})
}

// failed is the reason for an evaluation that ended with err. It never carries
// the text of OPA's errors, which may hold values of the question.
func failed(ctx context.Context, err error, c Config) authz.Reason {
	var budget *overBudgetError
	var facts *factsError
	var eval *topdown.Error
	switch {
	case errors.As(err, &budget):
		return overBudget(budget)
	case errors.As(err, &facts):
		return reason(authz.PolicyError, "A fact the policy needed could not be read.", "Look at the log of the store.", map[string]any{"collection": string(facts.collection)})
	case topdown.IsCancel(err) && ctx.Err() == nil:
		return reason(authz.PolicyTimeout, "Evaluation took longer than its limit.", "Make the policy cheaper, or raise the limit.", map[string]any{"timeout_ms": int(c.Timeout.Milliseconds())})
	case ctx.Err() != nil:
		return reason(authz.PolicyTimeout, "The caller went away, or its deadline passed, before the evaluation ended.", "Ask again with more time.", nil)
	case errors.As(err, &eval):
		return evaluationFailed(eval)
	}
	return reason(authz.PolicyError, "The question could not be evaluated.", "Send a time, and properties and context as plain JSON.", nil)
}

func overBudget(e *overBudgetError) authz.Reason {
	details := map[string]any{"collection": e.collection, "max_keys": e.max}
	if e.whole {
		details["whole"] = true
		return reason(authz.PolicyOverBudget, "The policy read a whole collection of facts.", "Read one entity by its key.", details)
	}
	return reason(authz.PolicyOverBudget, "The policy read more store keys than one decision may.", "Read fewer entities, or raise the limit.", details)
}

func evaluationFailed(e *topdown.Error) authz.Reason {
	switch e.Code {
	case topdown.ConflictErr, topdown.WithMergeErr:
		return reason(authz.PolicyConflict, "Rules of the policy gave different values for one thing.", "Make the rules exclude each other.", place(e.Location))
	}
	details := place(e.Location)
	details["error"] = e.Code
	return reason(authz.PolicyError, "A rule of the policy failed.", "Correct the rule; it must hold for every question.", details)
}

// place says where in the policy set, when OPA knows.
func place(loc *ast.Location) map[string]any {
	details := map[string]any{}
	if loc != nil && loc.File != "" {
		details["at"] = fmt.Sprintf("%s:%d", loc.File, loc.Row)
	}
	return details
}
