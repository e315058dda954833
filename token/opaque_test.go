package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// asked is an introspector that answers as it is told and notes whom it asked.
type asked struct {
	answer authz.IntrospectionAnswer
	err    error
	who    []string
}

func (a *asked) Introspect(_ context.Context, issuer *authz.Issuer, _, source string) (authz.IntrospectionAnswer, error) {
	a.who = append(a.who, issuer.ID+" from "+source)
	return a.answer, a.err
}

// Report says that the issuer is not asked now.
func (a *asked) Report(issuer *authz.Issuer, status *authz.IssuerStatus) {
	status.Breaker = "open"
}

// ledgerlink is an issuer that is asked about its tokens: row 18 of the stories.
func ledgerlink(id, prefix string) *authz.Issuer {
	issuer := &authz.Issuer{
		Header: authz.Header{ID: id}, URL: "https://" + id + ".example", Kind: authz.IssuerIntrospection, FreshForS: 60, UsableForS: 600,
		UsableForSByTier: map[string]int{"0": 60},
		Introspection:    &authz.Introspection{URL: "https://" + id + ".example/introspect", Secret: "s", ClientID: "us", TokenPrefix: prefix},
	}
	issuer.Normalize()
	return issuer
}

func active(more string) authz.IntrospectionAnswer {
	return authz.IntrospectionAnswer{
		Claims:    fmt.Appendf(nil, `{"active":true,"sub":"mx:ledgerlink","exp":%d%s}`, now.Unix()+600, more),
		Freshness: authz.Fresh,
	}
}

func TestOpaqueTokenIsShownToItsIssuerOnly(t *testing.T) {
	one := registry{"a": ledgerlink("a", "")}
	prefixed := registry{"a": ledgerlink("a", "a_"), "b": ledgerlink("b", "a_b_"), "c": ledgerlink("c", "")}
	twins := registry{"a": ledgerlink("a", "x_"), "b": ledgerlink("b", "x_")}
	lone := registry{"a": ledgerlink("a", "a_")}
	signing := registry{demoURL: demoIssuer(t, newSigner(t, "ES256"))}
	tests := map[string]struct {
		d           authz.Directory
		token, hint string
		asks        string
		code        authz.ReasonCode
		cause       string
	}{
		"the only one":               {one, "abc", "", "a from 10.4.2.19", "", ""},
		"every byte of RFC 6750":     {one, "aZ9-._~+/==", "", "a from 10.4.2.19", "", ""},
		"the only one, other prefix": {lone, "b_c", "", "", authz.IssuerUntrusted, "issuer_unknown"},
		"prefix":                     {prefixed, "a_c", "", "a from 10.4.2.19", "", ""},
		"longest prefix":             {prefixed, "a_b_c", "", "b from 10.4.2.19", "", ""},
		"no prefix among many":       {prefixed, "zzz", "", "", authz.IssuerUntrusted, "issuer_unknown"},
		"hint":                       {prefixed, "zzz", "c", "c from 10.4.2.19", "", ""},
		"hint before prefix":         {prefixed, "a_b_c", "a", "a from 10.4.2.19", "", ""},
		"hint and two dots":          {prefixed, "a.b.c", "c", "c from 10.4.2.19", "", ""},
		"two dots are a JWT":         {one, "a.b.c", "", "", authz.TokenInvalid, "bad_base64"},
		"two dots and a tilde":       {one, "a.b.c~", "", "", authz.TokenInvalid, "not_compact"},
		"one prefix of two":          {twins, "x_1", "", "", authz.IssuerUntrusted, "issuer_ambiguous"},
		"hint of nobody":             {one, "abc", "z", "", authz.IssuerUntrusted, "issuer_unknown"},
		"hint of a signer":           {signing, "abc", "demo", "", authz.IssuerUntrusted, "issuer_kind"},
		"JWT with a signer's hint":   {signing, "a.b.c", "demo", "", authz.IssuerUntrusted, "issuer_kind"},
		"nobody is asked":            {registry{}, "abc", "", "", authz.IssuerUntrusted, "issuer_unknown"},
		"4 kB":                       {one, strings.Repeat("a", 4096), "", "a from 10.4.2.19", "", ""},
		"more than 4 kB":             {one, strings.Repeat("a", 4097), "", "", authz.TokenInvalid, "too_large"},
		"a space":                    {one, "a b", "", "", authz.TokenInvalid, "not_compact"},
		"a line break":               {one, "ab\n", "", "", authz.TokenInvalid, "not_compact"},
		"padding inside":             {one, "a=b", "", "", authz.TokenInvalid, "not_compact"},
		"padding only":               {one, "==", "", "", authz.TokenInvalid, "not_compact"},
		"not ASCII":                  {one, "aé", "", "", authz.TokenInvalid, "not_compact"},
		"registry broken":            {brokenRegistry{}, "abc", "", "", authz.IssuerUnavailable, "issuer_lookup"},
		"registry broken, hint":      {brokenRegistry{}, "abc", "a", "", authz.IssuerUnavailable, "issuer_lookup"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			who := &asked{answer: active("")}
			v := newVerifier(t, token.Config{Introspector: who})
			p := present(v, test.d, authz.Evidence{Token: test.token, Issuer: test.hint})
			if got := strings.Join(who.who, ", "); got != test.asks {
				t.Errorf("asked %q, want %q", got, test.asks)
			}
			if test.code != "" {
				wantFault(t, p, test.code, test.cause)
			} else if p.Fault != nil || p.Subject != "mx:ledgerlink" || p.Evidence != authz.EvidenceOpaque {
				t.Errorf("principal %+v, fault %+v; want mx:ledgerlink by an opaque token", p, p.Fault)
			}
		})
	}
}

func TestOpaqueTokenAnswers(t *testing.T) {
	issuer := ledgerlink("a", "")
	answered := func(answer authz.IntrospectionAnswer, err error) authz.Principal {
		return present(newVerifier(t, token.Config{Introspector: &asked{answer: answer, err: err}}), registry{"a": issuer}, authz.Evidence{Token: "abc"})
	}
	full := active(fmt.Sprintf(`,"iss":"https://a.example","jti":"j","aud":"brightfold","iat":%d,"scope":"x y","status":"enabled"`, now.Unix()))
	full.Freshness, full.Age, full.KnownSource = authz.Stale, 4*time.Minute, true
	want := authz.Principal{
		Subject: "mx:ledgerlink", Evidence: authz.EvidenceOpaque, Level: 2, Freshness: authz.Stale, Age: 4 * time.Minute,
		UsableFor: [authz.Tiers]time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute, 10 * time.Minute},
		Supports:  []string{authz.SupportKnownSource},
		Token: &authz.Token{
			ID: authz.TokenID("https://a.example", "j"), Issuer: "a", IssuerURL: "https://a.example", Subject: "mx:ledgerlink",
			Audiences: []string{"brightfold"}, IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), Scopes: []string{"x", "y"},
		},
	}
	if diff := cmp.Diff(want, answered(full, nil)); diff != "" {
		t.Error(diff)
	}
	plain := answered(active(""), nil)
	if plain.Fault != nil || plain.Level != 2 || !plain.Token.IssuedAt.IsZero() || plain.Token.ID == "" || plain.Supports != nil {
		t.Errorf("principal %+v, fault %+v; want level 2, and an id for a token without one", plain, plain.Fault)
	}
	if p := answered(authz.IntrospectionAnswer{Claims: []byte(`{"active":true,"sub":"mx:a"}`)}, nil); p.Fault != nil || !p.Token.ExpiresAt.IsZero() || p.Freshness != authz.Stale {
		t.Errorf("without exp and freshness: %+v %+v", p, p.Fault)
	}
	for name, test := range map[string]struct {
		answer authz.IntrospectionAnswer
		err    error
		code   authz.ReasonCode
		cause  string
	}{
		"inactive":         {authz.IntrospectionAnswer{}, fmt.Errorf("x: %w", authz.ErrInactive), authz.TokenInvalid, "inactive"},
		"unavailable":      {authz.IntrospectionAnswer{}, authz.ErrUnavailable, authz.IssuerUnavailable, "introspection_unavailable"},
		"another error":    {authz.IntrospectionAnswer{}, errors.New("x"), authz.IssuerUnavailable, "introspection_unavailable"},
		"zero answer":      {authz.IntrospectionAnswer{}, nil, authz.TokenInvalid, "malformed"},
		"not active":       {authz.IntrospectionAnswer{Claims: []byte(`{"active":false,"sub":"mx:a"}`)}, nil, authz.TokenInvalid, "inactive"},
		"active a string":  {authz.IntrospectionAnswer{Claims: []byte(`{"active":"true","sub":"mx:a"}`)}, nil, authz.TokenInvalid, "inactive"},
		"active missing":   {authz.IntrospectionAnswer{Claims: []byte(`{"sub":"mx:a"}`)}, nil, authz.TokenInvalid, "inactive"},
		"another issuer":   {active(`,"iss":"https://b.example"`), nil, authz.TokenInvalid, "issuer_mismatch"},
		"iss no string":    {active(`,"iss":1`), nil, authz.TokenInvalid, "claim_type"},
		"no subject":       {authz.IntrospectionAnswer{Claims: []byte(`{"active":true}`)}, nil, authz.TokenInvalid, "missing_sub"},
		"exp null":         {authz.IntrospectionAnswer{Claims: []byte(`{"active":true,"sub":"mx:a","exp":null}`)}, nil, authz.TokenInvalid, "claim_type"},
		"bound, no proof":  {active(`,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`), nil, authz.TokenBindingMismatch, "proof_missing"},
		"bound, unknown":   {active(`,"cnf":{"jwk":{}}`), nil, authz.TokenBindingMismatch, "unsupported_binding"},
		"got with another": {active(`,"credential_id":"c"`), nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := answered(test.answer, test.err)
			if test.code == "" {
				if p.Fault != nil {
					t.Errorf("fault %+v, want none", p.Fault)
				}
				return
			}
			wantFault(t, p, test.code, test.cause)
		})
	}
	nobody := newVerifier(t, token.Config{})
	wantFault(t, present(nobody, registry{"a": issuer}, authz.Evidence{Token: "abc"}), authz.IssuerUnavailable, "introspection_unavailable")
}

// Row 18: ledgerlink is down. What it said 40 s ago is fresh, 4 minutes ago stale
// and of use to all tiers but 0, 20 minutes ago of no use.
func TestIntrospectionOutage(t *testing.T) {
	issuer := ledgerlink("ledgerlink", "")
	for _, step := range []struct {
		answer    authz.IntrospectionAnswer
		err       error
		freshness string
		tiers     int // for which it is usable
	}{
		{authz.IntrospectionAnswer{Age: 40 * time.Second, Freshness: authz.Fresh}, nil, authz.Fresh, 4},
		{authz.IntrospectionAnswer{Age: 4 * time.Minute, Freshness: authz.Stale, KnownSource: true}, nil, authz.Stale, 3},
		{authz.IntrospectionAnswer{}, authz.ErrUnavailable, "", 0},
	} {
		step.answer.Claims = active("").Claims
		p := present(newVerifier(t, token.Config{Introspector: &asked{answer: step.answer, err: step.err}}), registry{"l": issuer}, authz.Evidence{Token: "abc"})
		if step.err != nil {
			wantFault(t, p, authz.IssuerUnavailable, "introspection_unavailable")
			continue
		}
		tiers := 0
		for _, usable := range p.UsableFor {
			if p.Age <= usable {
				tiers++
			}
		}
		if p.Freshness != step.freshness || tiers != step.tiers || len(p.Supports) == 1 != step.answer.KnownSource {
			t.Errorf("%+v: usable for %d tiers", p, tiers)
		}
	}
}

// Caps on the level hold for opaque tokens too.
func TestOpaqueTokenLevel(t *testing.T) {
	for amr, level := range map[string]int{"pwd": 1, "client_secret": 2, "client_assertion": 2} {
		v := newVerifier(t, token.Config{Introspector: &asked{answer: active(`,"amr":["` + amr + `"]`)}})
		if p := present(v, registry{"a": ledgerlink("a", "")}, authz.Evidence{Token: "abc"}); p.Level != level {
			t.Errorf("%s: level %d, want %d", amr, p.Level, level)
		}
	}
}
