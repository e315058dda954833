package question

import (
	"cmp"
	"strconv"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// maxExplained bounds the items of a batch with explain full: each costs a
// multiple of a decision.
const maxExplained = 10

// Batch reads several questions, none of them simulated. Items with the same default share
// it: the maps of a request must not be changed.
func Batch(body *api.BatchRequest, from Sender) (authz.Batch, error) {
	if len(body.Items) == 0 {
		return authz.Batch{}, authz.Invalid("items", "is required: the questions, 1 to "+strconv.Itoa(authz.MaxBatch))
	}
	if len(body.Items) > authz.MaxBatch {
		return authz.Batch{}, &authz.Error{
			Code:    authz.CodeTooLarge,
			Field:   "items",
			Message: "has " + strconv.Itoa(len(body.Items)) + " questions; a batch has at most " + strconv.Itoa(authz.MaxBatch),
		}
	}
	if err := body.Semantics.Validate(); err != nil {
		return authz.Batch{}, err
	}
	batch := authz.Batch{Items: make([]authz.Request, len(body.Items)), Semantics: body.Semantics, AtLeast: body.AtLeast}
	explained := 0
	for i := range body.Items {
		whole := withDefaults(&body.Items[i], body)
		request, err := Of(&whole, from)
		if err != nil {
			return authz.Batch{}, authz.InItem(i, err)
		}
		if request.Explain == authz.ExplainFull {
			explained++
		}
		if explained > maxExplained {
			return authz.Batch{}, authz.InItem(i, &authz.Error{
				Code:    authz.CodeTooLarge,
				Field:   "explain",
				Message: "is full in more than " + strconv.Itoa(maxExplained) + " items; a batch explains at most so many, ask about the others in another one",
			})
		}
		batch.Items[i] = request
	}
	return batch, nil
}

func withDefaults(item *api.BatchItem, defaults *api.BatchRequest) api.DecideRequest {
	whole := api.DecideRequest{
		Credential: cmp.Or(item.Credential, defaults.Credential),
		Subject:    cmp.Or(item.Subject, defaults.Subject),
		Action:     cmp.Or(item.Action, defaults.Action),
		Resource:   cmp.Or(item.Resource, defaults.Resource),
		Context:    item.Context,
		Explain:    cmp.Or(item.Explain, defaults.Explain),
	}
	if whole.Context == nil {
		whole.Context = defaults.Context
	}
	return whole
}

// Answers returns the decisions of a batch as they are sent, each with the detail that its
// item asks for. There may be fewer of them than items, never more.
func Answers(decisions []authz.Decision, items []authz.Request) (api.BatchResponse, error) {
	if len(decisions) > len(items) {
		return api.BatchResponse{}, authz.Errorf(authz.CodeInternal, "%d decisions for %d questions", len(decisions), len(items))
	}
	sent := make([]api.Decision, len(decisions))
	for i := range decisions {
		sent[i] = decisions[i].Explained(items[i].Explain)
	}
	return api.BatchResponse{Decisions: sent}, nil
}
