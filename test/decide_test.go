package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// sunday is a time the demo data is at its best.
var sunday = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// invoiceToAna is the README's first question: may the user service send this
// e-mail to this user?
func invoiceToAna(token string) map[string]any {
	return map[string]any{
		"credential": map[string]any{"token": token},
		"action":     map[string]any{"name": "email.send"},
		"resource": map[string]any{"type": "service", "id": "svc:email", "properties": map[string]any{
			"recipient": "u-ana", "message_class": "invoice.issued",
		}},
		"context": map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
	}
}

func withRecipient(question map[string]any, user, class string) {
	question["resource"].(map[string]any)["properties"] = map[string]any{"recipient": user, "message_class": class}
}

func TestAllowNamesTheAddressToUse(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	d := p.Ask(invoiceToAna(p.Token("mu:user-svc")))
	if d.Outcome != api.Allow {
		t.Fatalf("got %+v; want Outcome Allow", d)
	}
	want := []api.Duty{{"id": "use_address", "address_id": "addr-ana-billing"}}
	if diff := cmp.Diff(want, d.Obligations); diff != "" {
		t.Error(diff)
	}
	if d.DataRevision == 0 || d.Policy.Generation != 1 || !strings.HasPrefix(d.Policy.Digest, "sha256:") {
		t.Errorf("what answered is not named: %+v", d)
	}
}

// TestEachRefusalHasItsOwnCode spoils one thing at a time of a question that is
// allowed, over HTTP with a real token.
func TestEachRefusalHasItsOwnCode(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	claims := func(change func(map[string]any)) string {
		c := p.Claims("mu:user-svc")
		change(c)
		return p.Sign(c)
	}
	tests := map[string]struct {
		spoil func(q map[string]any)
		want  string
		cause string // details.cause, when the code is shared
	}{
		"unknown caller":     {spoil: withToken(p.Token("mu:nobody")), want: "SUBJECT_UNKNOWN"},
		"expired token":      {spoil: withToken(claims(func(c map[string]any) { c["exp"] = sunday.Add(-time.Second).Unix() })), want: "TOKEN_EXPIRED"},
		"wrongly signed":     {spoil: withToken(tampered(p.Token("mu:user-svc"))), want: "TOKEN_INVALID", cause: "bad_signature"},
		"alg none":           {spoil: withToken(unsigned(p)), want: "TOKEN_INVALID", cause: "alg_none"},
		"wrong audience":     {spoil: withToken(claims(func(c map[string]any) { c["aud"] = "elsewhere" })), want: "TOKEN_AUDIENCE_MISMATCH"},
		"unknown issuer":     {spoil: withToken(claims(func(c map[string]any) { c["iss"] = "https://other.example" })), want: "ISSUER_UNTRUSTED"},
		"no credential":      {spoil: func(q map[string]any) { delete(q, "credential") }, want: "CREDENTIAL_MISSING"},
		"no edge":            {spoil: func(q map[string]any) { withEdge(q, "svc:ledger", "ledger.read") }, want: "EDGE_NOT_DECLARED"},
		"wrong network":      {spoil: func(q map[string]any) { contextOf(q)["source_ip"] = "10.9.9.9" }, want: "SOURCE_IP_NOT_ALLOWED"},
		"no source address":  {spoil: func(q map[string]any) { delete(contextOf(q), "source_ip") }, want: "INPUT_INCOMPLETE"},
		"not entitled":       {spoil: func(q map[string]any) { withRecipient(q, "u-ana", "report.monthly") }, want: "MESSAGE_CLASS_NOT_ENTITLED"},
		"opted out":          {spoil: func(q map[string]any) { withRecipient(q, "u-ana", "marketing.news") }, want: "RECIPIENT_OPTED_OUT"},
		"unverified address": {spoil: func(q map[string]any) { withRecipient(q, "u-cleo", "security.alert") }, want: "ADDRESS_UNVERIFIED"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			q := invoiceToAna(p.Token("mu:user-svc"))
			test.spoil(q)
			d := p.Ask(q)
			if d.Outcome != api.Deny {
				t.Fatalf("allowed: %+v", d)
			}
			if diff := cmp.Diff([]string{test.want}, pdptest.Codes(d.Reasons)); diff != "" {
				t.Fatalf("(-want +got):\n%s\ngot %+v", diff, d.Reasons)
			}
			r := d.Reasons[0]
			if test.cause != "" && r.Details["cause"] != test.cause {
				t.Errorf("cause %v, want %s", r.Details["cause"], test.cause)
			}
			if r.Message == "" || r.Fix == "" || r.Status < 400 {
				t.Errorf("a reason tells what, how to mend it and which status to answer with: %+v", r)
			}
		})
	}
}

func withToken(text string) func(map[string]any) {
	return func(q map[string]any) { q["credential"] = map[string]any{"token": text} }
}

func contextOf(q map[string]any) map[string]any { return q["context"].(map[string]any) }

func withEdge(q map[string]any, service, action string) {
	q["action"] = map[string]any{"name": action}
	q["resource"] = map[string]any{"type": "service", "id": service}
}

// tampered changes a token's payload and keeps its signature.
func tampered(token string) string {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "mu:user-svc", "mu:user-svd", 1)))
	return strings.Join(parts, ".")
}

func unsigned(p *pdptest.PDP) string {
	payload, err := json.Marshal(p.Claims("mu:user-svc"))
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + encode(payload) + "."
}

// TestNextDecisionSeesTheWrite is invariant 5 of docs/design.md section 8.
func TestNextDecisionSeesTheWrite(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	const grant = "plan:business/email.invoice.issued"
	q := invoiceToAna(p.Token("mu:user-svc"))
	if d := p.Ask(q); d.Outcome != api.Allow {
		t.Fatalf("got %+v; want Outcome Allow", d)
	}

	removed := p.Delete(authz.Entitlements, grant)
	d := p.Ask(q)
	if diff := cmp.Diff([]string{"MESSAGE_CLASS_NOT_ENTITLED"}, pdptest.Codes(d.Reasons)); diff != "" {
		t.Error(diff)
	}
	if d.DataRevision != removed {
		t.Errorf("the answer is of revision %d, the write made %d", d.DataRevision, removed)
	}

	granted := p.Put(&authz.Entitlement{Holder: "user:u-ana", Feature: "email.invoice.issued"})
	q["at_least"] = granted
	if d := p.Ask(q); d.Outcome != api.Allow || d.DataRevision != granted {
		t.Errorf("got %+v; want Outcome Allow, DataRevision %d", d, granted)
	}

	p.Put(&authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:user-svc"}})
	if diff := cmp.Diff([]string{"TOKEN_REVOKED"}, pdptest.Codes(p.Ask(q).Reasons)); diff != "" {
		t.Error(diff)
	}
}

func TestAtLeastBeyondTheDataIsAnError(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	q := invoiceToAna(p.Token("mu:user-svc"))
	q["at_least"] = 1 << 40
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, p.PEP(), body)
	if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Fatalf(`got status %d, body %s; want status 503, answer.Header.Get("Retry-After") other than ""`, answer.Status, answer.Body)
	}
	var problem api.Problem
	if err := json.Unmarshal(answer.Body, &problem); err != nil {
		t.Fatal(err)
	}
	if problem.Code != string(authz.CodeBehind) || !strings.Contains(problem.Detail, "revision") {
		t.Errorf(`got %+v; want Code "data_behind", Detail with "revision"`, problem)
	}
}

// TestBadBodiesMakeNoDecision: each is a problem that names what is wrong.
func TestBadBodiesMakeNoDecision(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	tests := map[string]struct {
		body   string
		status int
		field  string
	}{
		"broken":        {`{"action":`, 400, ""},
		"duplicate":     {`{"action":{"name":"a"},"action":{"name":"b"}}`, 400, "action"},
		"unknown field": {`{"action":{"name":"a"},"acton":{}}`, 400, "acton"},
		"bad id":        {`{"action":{"name":"a b"},"resource":{"type":"service","id":"s"}}`, 400, "action.name"},
		"own time":      {`{"action":{"name":"a"},"resource":{"type":"service","id":"s"},"context":{"time":"2026-01-01T00:00:00Z"}}`, 400, "context.time"},
		"oversized":     {`{"context":{"x":"` + strings.Repeat("a", 2<<20) + `"}}`, 413, ""},
		"nested":        {`{"context":{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, 413, ""},
		"not an object": {`[]`, 400, ""},
		"empty":         {``, 400, ""},
		"null":          {`null`, 400, ""},
		"many values":   {`{"action":{"name":"a"},"resource":{"type":"service","id":"s"},"context":{"x":[0` + strings.Repeat(",0", authz.MaxValues) + `]}}`, 413, "context"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, p.PEP(), []byte(test.body), "Content-Type", "application/json")
			if answer.Status != test.status {
				t.Fatalf("got status %d, body %s; want status %d", answer.Status, answer.Body, test.status)
			}
			if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			var problem api.Problem
			if err := json.Unmarshal(answer.Body, &problem); err != nil {
				t.Fatal(err)
			}
			if problem.Field != test.field && test.field != "" {
				t.Errorf("names %q, want %q: %s", problem.Field, test.field, answer.Body)
			}
			if strings.Contains(string(answer.Body), `"decision"`) {
				t.Errorf("an error that looks like a decision: %s", answer.Body)
			}
		})
	}
}

// TestWhatAKeyMayNotSay: the same words as ever, by every path, although the pipeline
// and not the surface speaks them.
func TestWhatAKeyMayNotSay(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	const rest = `"action":{"name":"a"},"resource":{"type":"service","id":"s"}`
	const claims, certificate = `{"credential":{"claims":{"sub":"mu:a"}},` + rest + `}`, `{"credential":{"certificate":"AAAA"},` + rest + `}`
	tests := map[string]struct {
		path, body    string
		field, detail string // of the 403; field is empty when it is about no member
	}{
		"claims":               {api.PathDecide, claims, "credential.claims", "needs the role assert-claims, which API key %s does not have; send the token"},
		"a certificate":        {api.PathDecide, certificate, "credential.certificate", "needs the role assert-certificates, which API key %s does not have; ask with a key that has it"},
		"claims of an item":    {api.PathBatch, `{"items":[` + `{` + rest + `},` + claims + `]}`, "items[1].credential.claims", "needs the role assert-claims, which API key %s does not have; send the token"},
		"certificates by item": {api.PathBatch, `{"items":[` + certificate + `]}`, "items[0].credential.certificate", "needs the role assert-certificates, which API key %s does not have; ask with a key that has it"},
		"a simulation":         {api.PathSimulate, claims, "", "this needs the role simulate, which API key %s does not have"},
	}
	key := p.NewKey(authz.RoleDecide)
	id, ok := apikey.ID(key)
	if !ok {
		t.Fatal("no id in the key")
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := p.Call(http.MethodPost, p.DecisionsURL()+test.path, key, []byte(test.body), "Content-Type", "application/json")
			var problem api.Problem
			pdptest.Decode(t, answer.Body, &problem)
			detail := fmt.Sprintf(test.detail, id)
			if test.field != "" {
				detail = test.field + " " + detail
			}
			want := api.Problem{
				Type: "about:blank", Title: "Forbidden", Status: http.StatusForbidden, Detail: detail, Instance: test.path,
				Code: string(authz.CodeForbidden), Field: test.field, RequestID: problem.RequestID,
			}
			if diff := cmp.Diff(want, problem); diff != "" || answer.Status != want.Status {
				t.Errorf("status %d, problem (-want +got):\n%s", answer.Status, diff)
			}
		})
	}
}
