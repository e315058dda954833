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

// secretsFunc compares secrets as a test says.
type secretsFunc func(clientID, source, secret string, candidates []authz.SecretCandidate) (int, error)

func (f secretsFunc) CheckSecret(_ context.Context, clientID, source, secret string, candidates []authz.SecretCandidate) (int, error) {
	return f(clientID, source, secret, candidates)
}

// plain finds the candidate whose hash is the secret itself.
func plain(_, _, secret string, candidates []authz.SecretCandidate) (int, error) {
	for i, c := range candidates {
		if c.Hash == secret {
			return i, nil
		}
	}
	return 0, authz.ErrSecretMismatch
}

func secretOf(id, hash, state string, generation int) authz.Credential {
	return authz.Credential{
		Header: authz.Header{ID: id, CreatedAt: now}, MachineUser: "mu:billing", Kind: authz.KindSharedSecret,
		SecretHash: hash, State: state, Generation: generation,
	}
}

func TestClientSecret(t *testing.T) {
	d := &directory{}
	d.add(secretOf("gen-2", "s2", authz.CredentialRetiring, 2))
	d.add(secretOf("gen-3", "s3", authz.CredentialActive, 3))
	d.add(secretOf("gen-1", "s1", authz.CredentialRetired, 1))
	v := newVerifier(t, token.Config{Secrets: secretsFunc(plain)})
	sent := func(id, secret string) authz.Principal {
		return present(v, d, authz.Evidence{ClientID: id, ClientSecret: secret})
	}
	for secret, want := range map[string]authz.Proved{
		"s3": {ID: "gen-3", State: authz.CredentialActive, Generation: 3},
		"s2": {ID: "gen-2", State: authz.CredentialRetiring, Generation: 2},
		"s1": {ID: "gen-1", State: authz.CredentialRetired, Generation: 1}, // for policies to say so
	} {
		want.Type, want.MadeAt = authz.KindSharedSecret, now
		whole := authz.Principal{Subject: "mu:billing", Evidence: authz.EvidenceSecret, Credential: &want, Level: 1, Freshness: authz.Fresh}
		if diff := cmp.Diff(whole, sent("mu:billing", secret)); diff != "" {
			t.Error(diff)
		}
	}
	wrong, nobody := sent("mu:billing", "x"), sent("mu:nobody", "s3")
	wantFault(t, wrong, authz.CredentialUnknown, "secret_mismatch")
	if diff := cmp.Diff(wrong, nobody); diff != "" {
		t.Errorf("a guesser is told who exists: %s", diff)
	}
	if said := fmt.Sprintf("%+v", *wrong.Fault); strings.Contains(said, "s3") {
		t.Error(said)
	}
	wantFault(t, sent("", "s3"), authz.CredentialMissing, "no_client_id")
	wantFault(t, present(v, brokenRegistry{}, authz.Evidence{ClientID: "mu:billing", ClientSecret: "s3"}), authz.IssuerUnavailable, "credential_lookup")
	off := newVerifier(t, token.Config{})
	wantFault(t, present(off, d, authz.Evidence{ClientID: "mu:billing", ClientSecret: "s3"}), authz.CredentialUnknown, "secret_mismatch")
}

// What is compared: accepted credentials first and newest first, a bounded number
// of them, and one that is over; for nobody we know nothing, but a comparison is asked for.
func TestClientSecretCandidates(t *testing.T) {
	d := &directory{}
	for i := range 6 {
		d.add(secretOf(fmt.Sprintf("active-%d", i), fmt.Sprintf("a%d", i), authz.CredentialActive, 10+i))
	}
	for i := range 6 {
		d.add(secretOf(fmt.Sprintf("retired-%d", i), fmt.Sprintf("r%d", i), authz.CredentialRetired, 20+i))
	}
	d.add(secretOf("no-hash", "", authz.CredentialActive, 99))
	other := secretOf("a-key", "", authz.CredentialActive, 98)
	other.Kind = authz.KindPublicKey
	d.add(other)
	type call struct {
		ClientID, Source string
		Candidates       []authz.SecretCandidate
	}
	var got call
	v := newVerifier(t, token.Config{Secrets: secretsFunc(func(clientID, source, _ string, candidates []authz.SecretCandidate) (int, error) {
		got = call{clientID, source, candidates}
		return 0, authz.ErrSecretMismatch
	})})
	present(v, d, authz.Evidence{ClientID: "mu:billing", ClientSecret: "x"})
	want := call{"mu:billing", "pep-1|10.4.2.19", []authz.SecretCandidate{
		{ID: "active-5", Version: 15, Hash: "a5"}, {ID: "active-4", Version: 14, Hash: "a4"}, {ID: "active-3", Version: 13, Hash: "a3"}, {ID: "active-2", Version: 12, Hash: "a2"},
		{ID: "retired-5", Version: 25, Hash: "r5", Spent: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// One whose time is yet to come waits behind those that are accepted now.
	timed := &directory{}
	for id, c := range map[string]authz.Credential{
		"early": {NotBefore: now.Add(time.Hour), Generation: 4}, "over": {NotAfter: now, Generation: 3},
		"now": {Generation: 2}, "revoked": {State: authz.CredentialRevoked, Generation: 1},
	} {
		c.Header, c.MachineUser, c.Kind, c.SecretHash = authz.Header{ID: id}, "mu:billing", authz.KindSharedSecret, id
		timed.add(c)
	}
	present(v, timed, authz.Evidence{ClientID: "mu:billing", ClientSecret: "x"})
	want.Candidates = []authz.SecretCandidate{{ID: "now", Version: 2, Hash: "now"}, {ID: "early", Version: 4, Hash: "early", Spent: true}, {ID: "over", Version: 3, Hash: "over", Spent: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	present(v, d, authz.Evidence{ClientID: "mu:nobody", ClientSecret: "x"})
	if got.ClientID != "mu:nobody" || len(got.Candidates) != 0 {
		t.Errorf("attempt %+v, want mu:nobody without candidates", got)
	}
	for address, source := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "pep-1|2001:db8:1:2::/64", "::ffff:192.0.2.1": "pep-1|::ffff:192.0.2.1", "": "pep-1|", "nonsense": "pep-1|nonsense",
	} {
		v.Verify(t.Context(), authz.Presentation{Evidence: authz.Evidence{ClientID: "mu:billing", ClientSecret: "x"}, Directory: d, Now: now, Source: address, Caller: "pep-1"})
		if got.Source != source {
			t.Errorf("guesser %q, want %q", got.Source, source)
		}
	}
}

func TestClientSecretRefusals(t *testing.T) {
	d := &directory{}
	d.add(secretOf("gen-1", "s1", authz.CredentialActive, 1))
	for _, test := range []struct {
		index int
		err   error
		code  authz.ReasonCode
		cause string
	}{
		{0, fmt.Errorf("x: %w", authz.ErrSecretThrottled), authz.RateLimited, "secret_throttled"},
		{0, fmt.Errorf("x: %w", authz.ErrSecretBusy), authz.RateLimited, "secret_busy"},
		{0, authz.ErrSecretMismatch, authz.CredentialUnknown, "secret_mismatch"},
		{0, errors.New("out of memory"), authz.CredentialUnknown, "secret_mismatch"},
		{1, nil, authz.CredentialUnknown, "secret_mismatch"},
		{-1, nil, authz.CredentialUnknown, "secret_mismatch"},
	} {
		v := newVerifier(t, token.Config{Secrets: secretsFunc(func(string, string, string, []authz.SecretCandidate) (int, error) { return test.index, test.err })})
		wantFault(t, present(v, d, authz.Evidence{ClientID: "mu:billing", ClientSecret: "s1"}), test.code, test.cause)
	}
}

// A client assertion is verified once, for us, by a registered key.
func TestClientAssertionProvesItsSubject(t *testing.T) {
	signer := newSigner(t, "ES256")
	d := &directory{}
	d.add(authz.Credential{Header: authz.Header{ID: "key-1", CreatedAt: now}, MachineUser: "mx:acme-erp", Kind: authz.KindPublicKey, Keys: publicSet(t, signer)})
	v := newVerifier(t, token.Config{Identifiers: []string{"https://verdict.example"}, Now: newClock().Now})
	made := func(jti string) authz.Evidence {
		return authz.Evidence{Assertion: sign(t, signer, map[string]any{"typ": "client-authentication+jwt"}, map[string]any{
			"iss": "mx:acme-erp", "sub": "mx:acme-erp", "aud": "https://verdict.example", "jti": jti, "iat": now.Unix(), "exp": now.Unix() + 60,
		})}
	}
	want := authz.Principal{
		Subject: "mx:acme-erp", Evidence: authz.EvidenceAssertion, Level: 3, Freshness: authz.Fresh,
		Credential: &authz.Proved{ID: "key-1", Type: authz.KindPublicKey, State: authz.CredentialActive, Generation: 1, MadeAt: now},
	}
	if diff := cmp.Diff(want, v.Verify(t.Context(), authz.Presentation{Evidence: made("1"), Directory: d, Now: now, Rehearsal: true})); diff != "" {
		t.Errorf("rehearsal: %s", diff)
	}
	if diff := cmp.Diff(want, present(v, d, made("1"))); diff != "" {
		t.Error(diff)
	}
	wantFault(t, present(v, d, made("1")), authz.TokenInvalid, "assertion_replayed")
	named := made("2")
	named.ClientID = "mx:other"
	wantFault(t, present(v, d, named), authz.TokenInvalid, "assertion_subject")
	wantFault(t, present(newVerifier(t, token.Config{Now: newClock().Now}), d, made("3")), authz.TokenInvalid, "assertion_audience")
}
