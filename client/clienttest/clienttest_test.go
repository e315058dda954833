package clienttest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/client/clienttest"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server/servertest"
	"github.com/verdict-pdp/verdict/server/wire"
)

// byAction allows "read", denies "write" and fails for the rest.
func byAction(_ context.Context, q api.DecideRequest) (api.Decision, error) {
	switch q.Action.Name {
	case "read":
		return clienttest.Allow(), nil
	case "write":
		return clienttest.Deny("EDGE_NOT_DECLARED"), nil
	}
	return api.Decision{}, authz.Invalid("action.name", "is not one of the test")
}

func action(name string) *api.Action { return &api.Action{Name: name} }

func TestAnswers(t *testing.T) {
	c := clienttest.New(t, byAction)
	for name, want := range map[string]api.Decision{"read": clienttest.Allow(), "write": clienttest.Deny("EDGE_NOT_DECLARED")} {
		for _, ask := range []func(context.Context, api.DecideRequest) (api.Decision, error){c.Decide, c.Simulate} {
			got, err := ask(t.Context(), api.DecideRequest{Action: action(name)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	_, err := c.Decide(t.Context(), api.DecideRequest{Action: action("other")})
	var failed *client.Error
	if !errors.As(err, &failed) || failed.Code != authz.CodeInvalid || failed.Field != "action.name" {
		t.Errorf("got %v, want invalid_request of action.name", err)
	}
	if _, err := c.Status(t.Context()); !errors.As(err, &failed) || failed.Code != authz.CodeNotFound {
		t.Errorf("got %v, want not_found of what is not served", err)
	}
}

func TestBatches(t *testing.T) {
	c := clienttest.New(t, byAction)
	batch := api.BatchRequest{Action: action("read"), Semantics: api.DenyOnFirstDeny, Items: []api.BatchItem{{}, {Action: action("write")}, {}}}
	answer, err := c.DecideBatch(t.Context(), batch)
	if err != nil || len(answer.Decisions) != 2 || answer.Decisions[0].Outcome != api.Allow || answer.Decisions[1].Outcome != api.Deny {
		t.Errorf("got %v and %v, want an allow and a deny", answer, err)
	}
	batch.Items[0].Action = action("other")
	_, err = c.DecideBatch(t.Context(), batch)
	var failed *client.Error
	if !errors.As(err, &failed) || failed.Field != "items[0].action.name" {
		t.Errorf("got %v, want the item at fault", err)
	}
}

// TestAsDocumented: what it answers is what the real server could.
func TestAsDocumented(t *testing.T) {
	for _, d := range []api.Decision{clienttest.Allow(), clienttest.Deny("EDGE_NOT_DECLARED", "TOKEN_EXPIRED")} {
		text, err := ijson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := servertest.ValidateAs("Decision", text); err != nil {
			t.Errorf("%s: got error %v; want no error", text, err)
		}
	}
	for _, code := range []authz.ErrorCode{
		authz.CodeInvalid, authz.CodeTooLarge, authz.CodeUnauthenticated, authz.CodeForbidden, authz.CodeNotFound,
		authz.CodeConflict, authz.CodeBehind, authz.CodeUnavailable, authz.CodeInternal,
	} {
		c := clienttest.New(t, func(context.Context, api.DecideRequest) (api.Decision, error) {
			return api.Decision{}, authz.Errorf(code, "no")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		_, err := c.Decide(ctx, api.DecideRequest{})
		cancel()
		var failed *client.Error
		if !errors.As(err, &failed) || failed.Code != code || failed.Status != wire.Status(code) {
			t.Errorf("%s: got %v, want status %d", code, err, wire.Status(code))
			continue
		}
		if err := servertest.ValidateAs("Problem", failed.Document); err != nil {
			t.Errorf("%s: got error %v; want no error", failed.Document, err)
		}
	}
}
