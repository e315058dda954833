package question_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/question"
)

var pep = question.Sender{Caller: authz.Caller{ID: "pep", Roles: []authz.Role{authz.RoleDecide}}}

// body is a question, changed by edit.
func body(edit func(*api.DecideRequest)) *api.DecideRequest {
	b := &api.DecideRequest{
		Credential: &api.Credential{Token: "eyJ.e.s"},
		Action:     &api.Action{Name: "email.send"},
		Resource:   &api.Resource{Type: authz.ResourceService, ID: "svc:email"},
		Context:    map[string]any{"source_ip": "10.4.2.19"},
		AtLeast:    7,
		Explain:    api.ExplainNone,
	}
	edit(b)
	return b
}

func TestOf(t *testing.T) {
	got, err := question.Of(body(func(b *api.DecideRequest) {
		b.Subject = &api.Subject{Type: authz.SubjectMachineUser, ID: "mu:a", Properties: map[string]any{"p": true}}
	}), pep)
	if err != nil {
		t.Fatal(err)
	}
	want := authz.Request{
		Caller:   pep.Caller,
		Evidence: authz.Evidence{Token: "eyJ.e.s"},
		Subject:  &authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:a", Properties: map[string]any{"p": true}},
		Action:   authz.Action{Name: "email.send"},
		Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"},
		Context:  map[string]any{"source_ip": "10.4.2.19"},
		AtLeast:  7,
		Explain:  authz.ExplainNone,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// Roles are the pipeline's: what needs one is read all the same.
func TestRolesAreNotLookedAt(t *testing.T) {
	nobody := question.Sender{}
	for _, credential := range []*api.Credential{{Claims: json.RawMessage(`{"sub":"mu:a"}`)}, {Certificate: "AAAA"}} {
		if _, err := question.Of(body(func(b *api.DecideRequest) { b.Credential = credential }), nobody); err != nil {
			t.Errorf("%+v: got error %v; want no error", credential, err)
		}
	}
}

func TestSimulation(t *testing.T) {
	tests := map[string]struct {
		context map[string]any
		at      time.Time
		left    map[string]any
		field   string // of the refusal
	}{
		"now":             {map[string]any{"env": "prod"}, time.Time{}, map[string]any{"env": "prod"}, ""},
		"no context":      {nil, time.Time{}, nil, ""},
		"then":            {map[string]any{"time": "2027-03-01T12:00:00+02:00", "env": "prod"}, time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC), map[string]any{"env": "prod"}, ""},
		"a number":        {map[string]any{"time": 1.0}, time.Time{}, nil, "context.time"},
		"null":            {map[string]any{"time": nil}, time.Time{}, nil, "context.time"},
		"words":           {map[string]any{"time": "tomorrow"}, time.Time{}, nil, "context.time"},
		"before policies": {map[string]any{"time": "1969-12-31T23:59:59Z"}, time.Time{}, nil, "context.time"},
		"first":           {map[string]any{"time": "1970-01-01T00:00:00Z"}, time.Unix(0, 0).UTC(), map[string]any{}, ""},
		"after policies":  {map[string]any{"time": "2262-01-01T00:00:00Z"}, time.Time{}, nil, "context.time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := question.Simulation(body(func(b *api.DecideRequest) { b.Context = test.context }), pep)
			refusedFor(t, err, test.field)
			if err != nil {
				return
			}
			if !got.Simulated || !got.At.Equal(test.at) {
				t.Errorf("simulated %v at %v, want true at %v", got.Simulated, got.At, test.at)
			}
			if diff := cmp.Diff(test.left, got.Context); diff != "" {
				t.Errorf("context (-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("the pipeline refuses it: %v", err)
			}
		})
	}
	if _, err := question.Of(body(func(b *api.DecideRequest) { b.Context["time"] = "2027-03-01T12:00:00Z" }), pep); err == nil {
		t.Error("a question that is meant takes a time")
	}
}

// refusedFor holds err to be about field, or to be nil when field is empty.
func refusedFor(t *testing.T, err error, field string) {
	t.Helper()
	var ours *authz.Error
	switch {
	case field == "" && err != nil:
		t.Errorf("refused: %v", err)
	case field != "" && (!errors.As(err, &ours) || ours.Field != field):
		t.Errorf("error %v, want one of %s", err, field)
	}
}

func chain(blocks ...string) string {
	var text strings.Builder
	for _, der := range blocks {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(der)}))
	}
	return text.String()
}

func TestEvidence(t *testing.T) {
	over := question.SenderOf(pep.Caller, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("leaf")}, {Raw: []byte("ca")}}})
	leaf64 := base64.StdEncoding.EncodeToString([]byte("leaf"))
	tests := map[string]struct {
		credential *api.Credential
		from       question.Sender
		want       authz.Evidence
		field      string // of the refusal
	}{
		"none":                {nil, pep, authz.Evidence{}, ""},
		"a token":             {&api.Credential{Token: "t", Issuer: "i"}, pep, authz.Evidence{Token: "t", Issuer: "i"}, ""},
		"claims":              {&api.Credential{Claims: json.RawMessage(`{"sub":"a"}`)}, pep, authz.Evidence{Claims: json.RawMessage(`{"sub":"a"}`)}, ""},
		"null claims":         {&api.Credential{Token: "t", Claims: json.RawMessage(`null`)}, pep, authz.Evidence{Token: "t"}, ""},
		"claims as a list":    {&api.Credential{Claims: json.RawMessage(`[]`)}, pep, authz.Evidence{}, "credential.claims"},
		"a secret":            {&api.Credential{ClientID: "mu:a", ClientSecret: "s"}, pep, authz.Evidence{ClientID: "mu:a", ClientSecret: "s"}, ""},
		"an assertion":        {&api.Credential{ClientAssertion: "a"}, pep, authz.Evidence{Assertion: "a"}, ""},
		"a proof":             {&api.Credential{Token: "t", DPoP: &api.DPoP{Proof: "p", Method: "GET", URL: "https://a"}}, pep, authz.Evidence{Token: "t", Proof: &authz.Proof{JWT: "p", Method: "GET", URL: "https://a"}}, ""},
		"a proof of no URL":   {&api.Credential{Token: "t", DPoP: &api.DPoP{Proof: "p", Method: "GET"}}, pep, authz.Evidence{}, "credential.dpop.url"},
		"nothing":             {&api.Credential{}, pep, authz.Evidence{}, "credential"},
		"of the connection":   {&api.Credential{Connection: true}, over, authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{[]byte("leaf"), []byte("ca")}}}, ""},
		"of no connection":    {&api.Credential{Connection: true}, pep, authz.Evidence{}, "credential.connection"},
		"asserted, and ours":  {&api.Credential{Connection: true, Certificate: leaf64}, over, authz.Evidence{}, "credential"},
		"a thumbprint":        {&api.Credential{Token: "t", CertificateThumbprint: "x"}, pep, authz.Evidence{Token: "t", Certificate: &authz.Certificate{Thumbprint: "x", Asserted: true}}, ""},
		"a certificate":       {&api.Credential{Certificate: leaf64}, over, authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{[]byte("leaf")}, Asserted: true}}, ""},
		"no certificate":      {&api.Credential{Certificate: "?"}, pep, authz.Evidence{}, "credential.certificate"},
		"connection, no word": {&api.Credential{Token: "t"}, over, authz.Evidence{Token: "t"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := question.Evidence(test.credential, test.from)
			refusedFor(t, err, test.field)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadChain(t *testing.T) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("k")}))
	ten := chain("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	tests := map[string]struct {
		text string
		want []string // nil: refused
	}{
		"base64":           {"bGVhZg==", []string{"leaf"}},
		"between colons":   {":bGVhZg==:", []string{"leaf"}},
		"PEM":              {chain("leaf", "ca"), []string{"leaf", "ca"}},
		"ten":              {ten, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
		"eleven":           {ten + chain("10"), nil},
		"a key":            {key, nil},
		"a key beside it":  {chain("leaf") + key, nil},
		"text after it":    {chain("leaf") + "x", nil},
		"a broken block":   {"-----BEGIN CERTIFICATE-----\n", nil},
		"nothing":          {"", nil},
		"colons":           {"::", nil},
		"base64 of a URL":  {"bGVhZg", nil},
		"base64, and more": {"bGVhZg==x", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := question.ReadChain(test.text)
			if (err == nil) != (test.want != nil) {
				t.Fatalf("read %q, error %v; want %q", got, err, test.want)
			}
			if err != nil {
				refusedFor(t, err, "credential.certificate")
				return
			}
			var texts []string
			for _, der := range got {
				texts = append(texts, string(der))
			}
			if diff := cmp.Diff(test.want, texts); diff != "" {
				t.Errorf("chain (-want +got):\n%s", diff)
			}
		})
	}
}

// Each decision of a batch tells as much as its own item asked for.
func TestAnswers(t *testing.T) {
	denied := authz.Decision{
		Reasons:     []authz.Reason{{Code: "C", Guard: "g", Message: "m", Status: 403}},
		Explanation: &authz.Explanation{},
	}
	items := []authz.Request{{Explain: authz.ExplainNone}, {}, {Explain: authz.ExplainFull}}
	got, err := question.Answers([]authz.Decision{denied, denied, denied}, items)
	if err != nil {
		t.Fatal(err)
	}
	bare, said := denied, denied
	bare.Reasons, bare.Explanation = []authz.Reason{{Code: "C", Guard: "g", Status: 403}}, nil
	said.Explanation = nil
	if diff := cmp.Diff(api.BatchResponse{Decisions: []api.Decision{bare, said, denied}}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if short, err := question.Answers([]authz.Decision{denied}, items); err != nil || len(short.Decisions) != 1 {
		t.Errorf("a batch that stopped early has %d answers, error %v; want 1", len(short.Decisions), err)
	}
	if _, err := question.Answers(make([]authz.Decision, 4), items); authz.CodeOf(err) != authz.CodeInternal {
		t.Errorf("4 decisions for 3 questions: error %v, want %s", err, authz.CodeInternal)
	}
}
