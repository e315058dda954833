package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

var setType = map[string]any{"typ": "secevent+jwt"}

// transmitter is an issuer whose security events are accepted.
func transmitter(t testing.TB, s *token.Signer) *authz.Issuer {
	issuer := demoIssuer(t, s)
	issuer.Events = &authz.EventStream{Audience: "https://verdict.example/events"}
	return issuer
}

const revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"

// event is the claims of a good SET; changes change them, nil removing one.
func event(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": demoURL, "aud": "https://verdict.example/events", "iat": now.Unix(), "jti": "e-1",
		"sub_id": map[string]any{"format": "opaque", "id": "mu:user-svc"},
		"events": map[string]any{revoked: map[string]any{"event_timestamp": now.Unix()}},
	}
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func TestVerifyEvent(t *testing.T) {
	signer := newSigner(t, "RS256")
	issuer := transmitter(t, signer)
	v := newVerifier(t, token.Config{})
	got, err := v.VerifyEvent(t.Context(), registry{demoURL: issuer}, sign(t, signer, setType, event(map[string]any{"aud": []string{"x", "https://verdict.example/events"}, "toe": 1, "txn": "t"})), now)
	want := authz.SecurityEvent{
		Issuer: issuer, JTI: "e-1", IssuedAt: now, Type: revoked, SubjectID: json.RawMessage(`{"format":"opaque","id":"mu:user-svc"}`),
		Payload: json.RawMessage(fmt.Sprintf(`{"event_timestamp":%d}`, now.Unix())),
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(authz.Issuer{}), cmp.Comparer(func(a, b *authz.Issuer) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestVerifyEventRefuses(t *testing.T) {
	signer, stranger := newSigner(t, "ES256"), newSigner(t, "ES256")
	f := forgerOf(t, stranger)
	f.kid = signer.KeyID()
	v := newVerifier(t, token.Config{})
	good := registry{demoURL: transmitter(t, signer)}
	mute := registry{demoURL: demoIssuer(t, signer)}
	signed := func(changes map[string]any) string { return sign(t, signer, setType, event(changes)) }
	typed := func(typ any) string { return sign(t, signer, map[string]any{"typ": typ}, event(nil)) }
	tests := map[string]struct {
		d    registry
		text string
		err  string
	}{
		"access token":            {good, typed("at+jwt"), token.EventInvalidRequest},
		"typ JWT":                 {good, typed("JWT"), token.EventInvalidRequest},
		"no JWT":                  {good, "abc", token.EventInvalidRequest},
		"JSON":                    {good, mustJSON(t, event(nil)), token.EventInvalidRequest},
		"unsigned":                {good, forge.Part(`{"alg":"none","typ":"secevent+jwt"}`) + "." + forge.Part(mustJSON(t, event(nil))) + ".", token.EventInvalidRequest},
		"too large":               {good, signed(map[string]any{"x": strings.Repeat("x", 16<<10)}), token.EventInvalidRequest},
		"duplicate member":        {good, forgerOf(t, signer).token(`{"alg":"ES256","typ":"secevent+jwt"}`, `{"iss":"a","iss":"a"}`), token.EventInvalidRequest},
		"no iss":                  {good, signed(map[string]any{"iss": nil}), token.EventInvalidRequest},
		"unknown issuer":          {registry{}, signed(nil), token.EventInvalidIssuer},
		"issuer without events":   {mute, signed(nil), token.EventInvalidIssuer},
		"no aud":                  {good, signed(map[string]any{"aud": nil}), token.EventInvalidAudience},
		"another aud":             {good, signed(map[string]any{"aud": "brightfold"}), token.EventInvalidAudience},
		"aud a number":            {good, signed(map[string]any{"aud": 1}), token.EventInvalidRequest},
		"another key":             {good, f.token(fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"secevent+jwt"}`, f.kid), mustJSON(t, event(nil))), token.EventInvalidKey},
		"unknown kid":             {good, sign(t, stranger, setType, event(nil)), token.EventInvalidKey},
		"algorithm":               {good, sign(t, newSigner(t, "EdDSA"), setType, event(nil)), token.EventInvalidKey},
		"sub":                     {good, signed(map[string]any{"sub": "mu:user-svc"}), token.EventInvalidRequest},
		"exp":                     {good, signed(map[string]any{"exp": now.Unix() + 60}), token.EventInvalidRequest},
		"no jti":                  {good, signed(map[string]any{"jti": nil}), token.EventInvalidRequest},
		"jti a number":            {good, signed(map[string]any{"jti": 1}), token.EventInvalidRequest},
		"no iat":                  {good, signed(map[string]any{"iat": nil}), token.EventInvalidRequest},
		"no sub_id":               {good, signed(map[string]any{"sub_id": nil}), token.EventInvalidRequest},
		"sub_id a string":         {good, signed(map[string]any{"sub_id": "mu:a"}), token.EventInvalidRequest},
		"no events":               {good, signed(map[string]any{"events": nil}), token.EventInvalidRequest},
		"no event":                {good, signed(map[string]any{"events": map[string]any{}}), token.EventInvalidRequest},
		"two events":              {good, signed(map[string]any{"events": map[string]any{"a": map[string]any{}, "b": map[string]any{}}}), token.EventInvalidRequest},
		"an event that is a list": {good, signed(map[string]any{"events": map[string]any{"a": []int{}}}), token.EventInvalidRequest},
		"events a list":           {good, signed(map[string]any{"events": []string{"a"}}), token.EventInvalidRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := v.VerifyEvent(t.Context(), test.d, test.text, now)
			var refusal *authz.EventRefusal
			if !errors.As(err, &refusal) || refusal.Err != test.err || refusal.Description == "" || got.JTI != "" || got.Issuer != nil {
				t.Errorf("%v; want %s", err, test.err)
			}
		})
	}
}

// What may be better in a moment is no refusal.
func TestVerifyEventWhileTheIssuerIsOutOfReach(t *testing.T) {
	signer := newSigner(t, "ES256")
	issuer := transmitter(t, signer)
	issuer.Keys, issuer.JWKSURL = nil, "https://demo.example/keys"
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, setType, event(nil))
	for name, d := range map[string]authz.Directory{"no keys yet": registry{demoURL: issuer}, "no registry": brokenRegistry{}} {
		if _, err := v.VerifyEvent(t.Context(), d, text, now); authz.CodeOf(err) != authz.CodeUnavailable {
			t.Errorf("%s: error %v, want unavailable", name, err)
		}
	}
	// An issuer that is asked about its tokens may sign its events.
	asked := ledgerlink("demo", "")
	asked.URL, asked.Keys, asked.Algorithms, asked.Events = demoURL, publicSet(t, signer), []string{"ES256"}, &authz.EventStream{Audience: "https://verdict.example/events"}
	if err := token.CheckIssuer(asked); err != nil {
		t.Error(err)
	}
	if got, err := v.VerifyEvent(t.Context(), registry{demoURL: asked}, text, now); err != nil || got.JTI != "e-1" {
		t.Errorf("event %+v, error %v; want e-1", got, err)
	}
	asked.Algorithms = nil
	if err, ok := token.CheckIssuer(asked).(*authz.Error); !ok || err.Field != "algorithms" {
		t.Errorf("keys without algorithms: %v", err)
	}
}

// Every whole SET of the SSF and CAEP specifications is accepted, signed by its
// issuer, except those with more or fewer than one event.
func TestSharedSignalsExamples(t *testing.T) {
	var raw struct {
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(vectors.Read(t, "oauth/ssf-caep-examples.json"), &raw); err != nil {
		t.Fatal(err)
	}
	signer := newSigner(t, "RS256")
	v := newVerifier(t, token.Config{})
	whole := 0
	for _, block := range raw.Examples {
		var example struct {
			Doc  string         `json:"doc"`
			ID   string         `json:"id"`
			JSON map[string]any `json:"json"`
		}
		if err := json.Unmarshal(block, &example); err != nil {
			continue // a block that is no object
		}
		set := example.JSON
		iss, isSet := set["iss"].(string)
		events, hasEvents := set["events"].(map[string]any)
		if !isSet || !hasEvents || set["jti"] == nil {
			continue
		}
		whole++
		issuer := transmitter(t, signer)
		issuer.URL, issuer.Events.Audience = iss, audienceOf(set["aud"])
		text := sign(t, signer, setType, set)
		got, err := v.VerifyEvent(t.Context(), registry{iss: issuer}, text, now)
		if err != nil || got.JTI != set["jti"] || len(events) != 1 || events[got.Type] == nil || len(got.SubjectID) == 0 {
			t.Errorf("%s %s: event %+v, error %v; want the example's", example.Doc, example.ID, got, err)
		}
		wantFault(t, verify(v, registry{iss: issuer}, text), authz.TokenInvalid, "bad_type")
	}
	if whole != 20 {
		t.Errorf("%d whole SETs, want 20", whole)
	}
}

func audienceOf(aud any) string {
	if list, ok := aud.([]any); ok {
		aud = list[0]
	}
	audience, _ := aud.(string)
	return audience
}

// An event's parts are the caller's own.
func TestEventSharesNothing(t *testing.T) {
	signer := newSigner(t, "ES256")
	text := sign(t, signer, setType, event(nil))
	v := newVerifier(t, token.Config{})
	d := registry{demoURL: transmitter(t, signer)}
	first, err := v.VerifyEvent(t.Context(), d, text, now)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(first.Payload)
	second, err := v.VerifyEvent(t.Context(), d, text, now.Add(time.Second))
	if err != nil || !json.Valid(second.Payload) {
		t.Errorf("payload %s, error %v; want what the first caller did not change", second.Payload, err)
	}
}
