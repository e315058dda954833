package token_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// An operator is told why an issuer cannot be asked, once an outage, and never sees
// a token.
func TestIntrospectionOutageIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	clock, introspector := newClock(), &asked{}
	v := newVerifier(t, token.Config{Introspector: introspector, Now: clock.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	d := registry{"l": ledgerlink("ledgerlink", "")}
	const text = "2YotnFZFEjr1zCsicMWpAA"
	lines := func() int {
		return strings.Count(log.String(), "level=WARN msg=\"issuer cannot be asked about opaque tokens\" issuer=ledgerlink")
	}
	fails := func(want int, cause string) {
		t.Helper()
		introspector.err = fmt.Errorf("%w: %s", authz.ErrUnavailable, cause)
		for range 3 {
			wantFault(t, present(v, d, authz.Evidence{Token: text}), authz.IssuerUnavailable, "introspection_unavailable")
		}
		if got := lines(); got != want || !strings.Contains(log.String(), "no answer") {
			t.Errorf("%d lines, want %d: %s", got, want, log.String())
		}
	}
	answers := func(at time.Time) {
		t.Helper()
		introspector.err, introspector.answer = nil, active("")
		introspector.answer.At = at
		if p := present(v, d, authz.Evidence{Token: text}); p.Fault != nil {
			t.Fatalf("fault %+v, want none: the issuer answers again", p.Fault)
		}
	}
	fails(1, "no answer")
	fails(2, "refused "+text)
	fails(2, "no answer")
	answers(clock.Now().Add(-time.Second)) // remembered
	fails(2, "no answer")
	clock.advance(time.Second)
	answers(clock.Now())
	fails(3, "no answer")
	for i := range 20 { // causes that never repeat
		introspector.err = fmt.Errorf("cause %d", i)
		present(v, d, authz.Evidence{Token: text})
	}
	if got := lines(); got > 10 {
		t.Errorf("%d lines of one outage", got)
	}
	if strings.Contains(log.String(), text) {
		t.Error("the log has the token")
	}
	// A caller who gave up says nothing about the issuer.
	before := lines()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := ledgerlink("other", "")
	v.Verify(ctx, authz.Presentation{Evidence: authz.Evidence{Token: text, Issuer: "other"}, Directory: registry{"o": other}, Now: now})
	if got := lines(); got != before || strings.Contains(log.String(), "issuer=other") {
		t.Errorf("%d lines: %s", got-before, log.String())
	}
}

// A directory that cannot be read is one line in the log for as long as that lasts,
// whatever the evidence.
func TestUnreadableDirectoryIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	signer := newSigner(t, "ES256")
	v := newVerifier(t, token.Config{Identifiers: []string{ourURL}, Secrets: secretsFunc(plain), Now: newClock().Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	assertion := authz.Evidence{Assertion: newClient(t, "ES256", "k1").sign(nil)}
	secret := authz.Evidence{ClientID: "mu:billing", ClientSecret: "s"}
	text := authz.Evidence{Token: sign(t, signer, nil, good())}
	logged := func(want int) {
		t.Helper()
		if got := strings.Count(log.String(), "level=ERROR msg=\"the directory cannot be read\""); got != want {
			t.Errorf("%d lines, want %d: %s", got, want, log.String())
		}
	}
	wantFault(t, present(v, brokenRegistry{}, assertion), authz.IssuerUnavailable, "credential_lookup")
	logged(1)
	if !strings.Contains(log.String(), errDisk.Error()) || !strings.Contains(log.String(), "lookup=credential_lookup") {
		t.Error(log.String())
	}
	for _, e := range []authz.Evidence{assertion, secret, text, assertion} {
		if p := present(v, brokenRegistry{}, e); p.Fault == nil || p.Fault.Code != authz.IssuerUnavailable {
			t.Errorf("fault %+v, want that the directory is unavailable", p.Fault)
		}
	}
	logged(1)
	if p := present(v, registry{demoURL: demoIssuer(t, signer)}, text); p.Fault != nil {
		t.Fatalf("fault %+v, want none: the directory can be read again", p.Fault)
	}
	present(v, brokenRegistry{}, secret)
	logged(2)
}
