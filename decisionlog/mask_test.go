package decisionlog_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// jws is a token as one would be sent by mistake.
var jws = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"mu:user-svc"}`)) + ".c2lnbmF0dXJl"

var apiKey = "vk_pep-1_" + strings.Repeat("k", 43)

// at is the value in doc that the parts lead to.
func at(t *testing.T, doc []byte, parts ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if list, ok := v.([]any); ok {
			v = list[int(part[0]-'0')]
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is in nothing", part)
		}
		v = object[part]
	}
	return v
}

// TestMask has masks that are applied, and are listed in what is verified.
func TestMask(t *testing.T) {
	c := inMemory()
	c.Mask = func(_ context.Context, r *authz.Record) ([]authz.Mask, error) {
		if len(r.Input) == 0 || len(r.Result) == 0 {
			t.Error("asked for masks without input or result")
		}
		return []authz.Mask{{Op: authz.MaskRemove, Path: "/input/context/env"}, {Op: authz.MaskUpsert, Path: "/result/reasons/0/fix", Value: "-"}}, nil
	}
	l := open(t, c)
	record(t, l, denied("d-1"))
	r := get(t, l, "d-1")
	if diff := cmp.Diff([]string{"/input/context/env", "/result/reasons/0/fix"}, r.Masked); diff != "" || r.InputError != "" {
		t.Errorf("input error %q, masked (-want +got):\n%s", r.InputError, diff)
	}
	if fix := at(t, r.Result, "reasons", "0", "fix"); fix != "-" || strings.Contains(string(r.Input), "env") {
		t.Errorf("fix = %v, want -; input without env: %s", fix, r.Input)
	}
	verify(t, l)
}

// withheld checks that r, of denied, has what a record without its input has.
func withheld(t *testing.T, l *decisionlog.Log, r authz.Record) {
	t.Helper()
	if len(r.Input) > 0 || r.InputError == "" || r.Masked != nil || l.Stats().Unmaskable != 1 {
		t.Errorf("input %s, error %q, masked %v", r.Input, r.InputError, r.Masked)
	}
	var d authz.Decision
	if err := json.Unmarshal(r.Result, &d); err != nil {
		t.Fatal(err)
	}
	want := []authz.Reason{{Code: "NO_EDGE", Guard: "edges"}, {Code: "TRUST_TOO_LOW", Guard: "trust", Mode: "observe"}}
	if diff := cmp.Diff(want, slices.Concat(d.Reasons, d.WouldDeny)); diff != "" || d.Advice != nil || d.Obligations != nil {
		t.Errorf("reasons (-want +got): %s; advice %v, obligations %v, want none", diff, d.Advice, d.Obligations)
	}
	if r.Decision != authz.Deny || r.Subject != "mu:user-svc" || r.Policy.Generation != 4 {
		t.Errorf("%+v; want the outcome, subject and policy of the decision", r)
	}
	list, err := l.List(t.Context(), authz.RecordFilter{Code: "NO_EDGE", Guard: "trust"}, "", 0)
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%d records found by code and guard, %v", len(list.Items), err)
	}
}

func TestUnmaskable(t *testing.T) {
	for name, change := range map[string]func(*decisionlog.Config, *authz.Entry){
		"the policy fails": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { return nil, errors.New("boom") }
		},
		"the policy panics": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { panic("boom") }
		},
		"the policy is too slow": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(ctx context.Context, _ *authz.Record) ([]authz.Mask, error) {
				<-ctx.Done()
				return nil, nil
			}
		},
		"a mask cannot be applied": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) {
				return []authz.Mask{{Op: authz.MaskRemove, Path: "/input/time"}}, nil
			}
		},
		"there is no input": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return nil, errors.New("boom") }
		},
		"the input is no JSON": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return []byte(`{"a":1,"a":2}`), nil }
		},
		"the input is no JSON and suspect": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return []byte(`{"password":1,"password":2}`), nil }
		},
		"the result is no JSON": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Decision.Reasons[0].Details = map[string]any{"x": func() {}}
		},
		"its result is too large": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Decision.Reasons[0].Message = strings.Repeat("x", 1<<20)
		},
		"its input is too large": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Question.Context = map[string]any{"x": strings.Repeat("x", 1<<20)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, e := inMemory(), denied("d-1")
			change(&c, &e)
			l := open(t, c)
			record(t, l, e)
			withheld(t, l, get(t, l, "d-1"))
			verify(t, l)
		})
	}
}

func TestMaskGetsACopy(t *testing.T) {
	c := inMemory()
	c.Mask = func(_ context.Context, r *authz.Record) ([]authz.Mask, error) {
		r.Subject, r.Input = "mu:other", nil
		return nil, nil
	}
	l := open(t, c)
	record(t, l, entry("d-1"))
	if r := get(t, l, "d-1"); r.Subject != "mu:user-svc" || len(r.Input) == 0 {
		t.Errorf("%+v; want its subject and input", r)
	}
}

// TestBackstop puts secrets everywhere a caller or a policy can, with a mask policy
// that asks for nothing.
func TestBackstop(t *testing.T) {
	c := inMemory()
	c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { return nil, nil }
	l := open(t, c)
	e := denied("d-1")
	e.Question.Context = map[string]any{
		"env": "prod", "Authorization": "Basic dXNlcg==", "note": "sent\nBearer " + jws + ", thanks",
		"list": []any{"a", map[string]any{"set-cookie": []any{"a"}}}, jws: 1, "key": apiKey, "pin": "vs_short",
	}
	e.Question.Action = authz.Action{Name: jws}
	e.Question.Resource.ID = apiKey
	e.Decision.Reasons[0].Message = "the token " + jws + " is old"
	e.Decision.Obligations = []authz.Duty{{"id": "call", "client_secret": "x"}}
	record(t, l, e)
	r := get(t, l, "d-1")
	if diff := cmp.Diff([]string{
		"/action", "/input/action/name", "/input/context/Authorization", "/input/context/[masked]", "/input/context/key", "/input/context/list/1/set-cookie",
		"/input/context/note", "/input/context/pin", "/input/resource/id", "/result/obligations/0/client_secret", "/result/reasons/0/message", "/service",
	}, r.Masked); diff != "" {
		t.Error(diff)
	}
	whole, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"eyJ", "vk_", "vs_", "dXNlcg"} {
		if strings.Contains(string(whole), secret) {
			t.Errorf("%s is in %s", secret, whole)
		}
	}
	if got := at(t, r.Input, "context", "env"); got != "prod" || l.Stats().Backstop != 1 {
		t.Errorf("env is %v, stats %+v", got, l.Stats())
	}
	verify(t, l)
}

// TestBackstopOfHeaders has headers listed by name, which members are not named by.
func TestBackstopOfHeaders(t *testing.T) {
	l := open(t, inMemory())
	e := entry("d-1")
	e.Question.Context = map[string]any{"headers": []any{
		map[string]any{"name": "X-Api-Key", "value": "opaque"},
		map[string]any{"name": "accept", "value": "text/html"},
	}}
	record(t, l, e)
	if diff := cmp.Diff([]string{"/input/context/headers/0/value"}, get(t, l, "d-1").Masked); diff != "" {
		t.Error(diff)
	}
}

// TestWordsStay has a policy whose guard is named as if it were a secret: the chain
// must be whole, and the record be found by it.
func TestWordsStay(t *testing.T) {
	l := open(t, inMemory())
	e := denied("d-1")
	e.Decision.Reasons[0].Guard, e.Decision.Reasons[0].Code = "vs_relay", "vk_CLOSED"
	record(t, l, e)
	verify(t, l)
	if r := get(t, l, "d-1"); at(t, r.Result, "reasons", "0", "guard") != "vs_relay" || r.Masked != nil {
		t.Errorf("%s, masked %q; want the guard vs_relay and nothing masked", r.Result, r.Masked)
	}
}
