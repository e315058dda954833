package introspection_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
)

// registered is an issuer that is asked at url, with our secret in the file ledgerlink.
func registered(url string) *authz.Issuer {
	return &authz.Issuer{
		Header: authz.Header{ID: "ledgerlink", Revision: 3}, URL: "https://ledgerlink.example", Kind: authz.IssuerIntrospection,
		FreshForS: 60, UsableForS: 600, UsableForSByTier: map[string]int{"0": 120},
		Introspection: &authz.Introspection{URL: url, ClientID: "verdict:pdp", Secret: "ledgerlink"},
	}
}

func putSecret(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsOfIssuersAreReadAgain: a secret that is put in place, or replaced, is used
// some seconds later without a restart, and without a file being read for each token.
func TestSecretsOfIssuersAreReadAgain(t *testing.T) {
	s, clock, dir := startServer(t, active), newClock(), t.TempDir()
	var password string
	s.does(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ = r.BasicAuth()
		says(active)(w, r)
	})
	client := introspection.New(introspection.Config{Now: clock.now, Secrets: dir})
	fails := func(token, want string) {
		t.Helper()
		_, err := client.Introspect(t.Context(), registered(s.URL), token, "")
		if !errors.Is(err, authz.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("asked without a secret: %v, want authz.ErrUnavailable with %q", err, want)
		}
	}
	proves := func(token, want string) {
		t.Helper()
		if _, err := client.Introspect(t.Context(), registered(s.URL), token, ""); err != nil {
			t.Errorf("the issuer was not asked: %v", err)
		}
		if password != want {
			t.Errorf("proved ourselves with %q, want %q", password, want)
		}
	}
	file := filepath.Join(dir, "ledgerlink")
	fails("one", "the file "+file+" does not exist")
	putSecret(t, dir, "ledgerlink", "hunter2\r\n")
	fails("one", "does not exist") // not looked at again at once: every decision would
	clock.pass(time.Minute)
	proves("one", "hunter2")
	putSecret(t, dir, "ledgerlink", "\n")
	proves("two", "hunter2")
	clock.pass(time.Minute)
	fails("three", "the file "+file+" is empty")
	putSecret(t, dir, "ledgerlink", "hunter3")
	clock.pass(-time.Hour) // a clock set back does not keep the old one for ever
	proves("four", "hunter3")
}

// TestReport: how an issuer stands that is asked, by what it said last.
func TestReport(t *testing.T) {
	s, clock, dir := startServer(t, active), newClock(), t.TempDir()
	putSecret(t, dir, "ledgerlink", secret)
	client := introspection.New(introspection.Config{Now: clock.now, Secrets: dir, CacheSize: 10})
	issuer := registered(s.URL)
	reports := func(when string, want authz.IssuerStatus) {
		t.Helper()
		got := authz.IssuerStatus{State: authz.Fresh}
		client.Report(issuer, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	ask := func(token string) { client.Introspect(t.Context(), issuer, token, "") } //nolint:errcheck // its status is what is looked at
	seconds := func(n int) *int { return &n }

	reports("never asked", authz.IssuerStatus{State: authz.Fresh, Breaker: "closed"})
	s.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	ask("one")
	reports("it never answered", authz.IssuerStatus{
		State: authz.Missing, Breaker: "closed", ChangesInS: seconds(0),
		LastError: "the authority answered 500, not 200", LastErrorAt: clock.now(),
	})
	clock.pass(time.Second)
	s.says(active)
	ask("one")
	answered := clock.now()
	reports("it answers", authz.IssuerStatus{State: authz.Fresh, Breaker: "closed"})

	s.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for _, step := range []struct {
		age   time.Duration
		state string
		left  int
	}{
		{30 * time.Second, authz.Fresh, 90},
		{60 * time.Second, authz.Stale, 60},
		{599 * time.Second, authz.Stale, 0}, // decisions of tier 0 have changed
		{600 * time.Second, authz.TooStale, 0},
	} {
		clock.pass(answered.Add(step.age).Sub(clock.now()))
		ask(step.age.String())
		end := func(d time.Duration) time.Time { return answered.Add(d) }
		reports("it is down for "+step.age.String(), authz.IssuerStatus{
			State: step.state, Breaker: "closed", ChangesInS: seconds(step.left),
			FetchedAt: answered, FreshUntil: end(time.Minute), UsableUntil: end(10 * time.Minute),
			UsableUntilByTier: map[string]time.Time{"0": end(2 * time.Minute), "1": end(10 * time.Minute), "2": end(10 * time.Minute), "3": end(10 * time.Minute)},
			LastError:         "the authority answered 500, not 200", LastErrorAt: clock.now(),
		})
	}
}
