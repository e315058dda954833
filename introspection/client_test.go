package introspection_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/introspection"
)

func TestAsksAsRFC7662Says(t *testing.T) {
	s := startServer(t, "")
	var got http.Header
	var form url.Values
	s.does(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
			t.Errorf("method %s, form error %v; want a POST with a form", r.Method, err)
		}
		got, form = r.Header.Clone(), r.PostForm
		id, password, _ := r.BasicAuth()
		if id != "verdict%3Apdp" || password != url.QueryEscape(secret) {
			t.Errorf("authenticated as %q, %q", id, password)
		}
		says(active)(w, r)
	})
	clock := newClock()
	q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
	answer := q.gets(authz.Fresh)
	want := authz.IntrospectionAnswer{Claims: []byte(active), At: clock.now(), Freshness: authz.Fresh}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(url.Values{"token": {token}, "token_type_hint": {"access_token"}}, form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if got.Get("Accept") != "application/json" || got.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("header %v", got)
	}
	if _, sent := got["Idempotency-Key"]; sent {
		t.Error("sent an empty Idempotency-Key")
	}
}

// The last positive answer is 40 s, 4 min and 20 min old when the authority is down.
func TestAuthorityDown(t *testing.T) {
	tests := map[string]struct {
		age       time.Duration
		freshness string
	}{
		"40 s":                    {40 * time.Second, authz.Fresh},
		"just before fresh_for":   {time.Minute - 1, authz.Fresh},
		"fresh_for":               {time.Minute, authz.Stale},
		"4 min":                   {4 * time.Minute, authz.Stale},
		"just before usable_for":  {10*time.Minute - 1, authz.Stale},
		"usable_for":              {10 * time.Minute, ""},
		"20 min":                  {20 * time.Minute, ""},
		"the clock was set back":  {-time.Second, ""},
		"it was set back by days": {-72 * time.Hour, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, clock := startServer(t, active), newClock()
			q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
			q.gets(authz.Fresh)
			at := clock.now()
			s.Close()
			clock.pass(test.age)
			if test.freshness == "" {
				if err := q.fails(authz.ErrUnavailable); !strings.Contains(err.Error(), "refused") {
					t.Errorf("%v does not name the cause", err)
				}
				return
			}
			answer := q.gets(test.freshness)
			want := authz.IntrospectionAnswer{Claims: []byte(active), At: at, Age: test.age, Freshness: test.freshness}
			if diff := cmp.Diff(want, answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingRememberedAndDown(t *testing.T) {
	s := startServer(t, active)
	s.Close()
	q := asker{t, introspection.New(introspection.Config{}), authority(s.URL)}
	if err := q.fails(authz.ErrUnavailable); errors.Is(err, authz.ErrInactive) {
		t.Error("a missing authority looks like a bad token")
	}
}

func TestZeroLimitsRememberNothing(t *testing.T) {
	tests := map[string]struct{ freshFor, usableFor time.Duration }{
		"both":       {0, 0},
		"usable_for": {time.Hour, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, clock := startServer(t, active), newClock()
			q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
			q.a.FreshFor, q.a.UsableFor = test.freshFor, test.usableFor
			q.gets(authz.Fresh)
			q.gets(authz.Fresh)
			s.wasAsked(t, 2)
			s.Close()
			q.fails(authz.ErrUnavailable)
		})
	}
}

func TestRevokedAtTheAuthority(t *testing.T) {
	s, clock := startServer(t, active), newClock()
	q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
	q.gets(authz.Fresh)
	s.says(`{"active":false}`)
	clock.pass(59 * time.Second)
	q.gets(authz.Fresh)
	s.wasAsked(t, 1)
	clock.pass(time.Second)
	q.fails(authz.ErrInactive)
	s.wasAsked(t, 2)

	// Nothing is left to fall back on.
	clock.pass(introspection.DefaultNegativeFor)
	s.Close()
	q.fails(authz.ErrUnavailable)
}

func TestNegativeAnswersAreRepeated(t *testing.T) {
	s, clock := startServer(t, `{"active":false}`), newClock()
	q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
	q.fails(authz.ErrInactive)
	clock.pass(introspection.DefaultNegativeFor - 1)
	q.fails(authz.ErrInactive)
	s.wasAsked(t, 1)
	s.says(active)
	clock.pass(1)
	q.gets(authz.Fresh)
	s.wasAsked(t, 2)
	if got := q.client.Status("ledgerlink"); got.Positive != 1 || got.Negative != 0 {
		t.Errorf("status %+v, want one positive answer and no negative one", got)
	}
}

func TestNeverBeyondExp(t *testing.T) {
	clock := newClock()
	exp := func(seconds int64) string {
		return `{"active":true,"exp":` + strconv.FormatInt(clock.now().Unix()+seconds, 10) + `}`
	}
	t.Run("fresh", func(t *testing.T) {
		s := startServer(t, exp(30))
		q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
		q.gets(authz.Fresh)
		clock.pass(30*time.Second - 1)
		q.gets(authz.Fresh)
		clock.pass(1)
		q.fails(authz.ErrInactive)
		s.wasAsked(t, 1)
	})
	t.Run("stale", func(t *testing.T) {
		s := startServer(t, exp(300))
		q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
		q.gets(authz.Fresh)
		s.Close()
		clock.pass(300*time.Second - 1)
		q.gets(authz.Stale)
		clock.pass(1)
		q.fails(authz.ErrInactive)
	})
	t.Run("active but over", func(t *testing.T) {
		s := startServer(t, exp(0))
		q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
		q.fails(authz.ErrInactive)
		q.fails(authz.ErrInactive)
		s.wasAsked(t, 1)
		if got := q.client.Status("ledgerlink"); got.LastError != "" {
			t.Errorf("counted as a failure: %+v", got)
		}
	})
	t.Run("prolonged", func(t *testing.T) {
		s := startServer(t, exp(30))
		q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
		q.gets(authz.Fresh)
		clock.pass(30 * time.Second)
		q.fails(authz.ErrInactive)
		s.says(exp(30))
		clock.pass(introspection.DefaultNegativeFor)
		q.gets(authz.Fresh)
	})
}

func TestMalformedAnswersAreFailures(t *testing.T) {
	body := func(text string) http.HandlerFunc { return says(text) }
	typed := func(mediaType string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			if _, err := w.Write([]byte(active)); err != nil {
				t.Error(err)
			}
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			if _, err := w.Write([]byte(`{"active":false}`)); err != nil {
				t.Error(err)
			}
		}
	}
	tests := map[string]struct {
		does http.HandlerFunc
		says string
	}{
		"500":                  {status(500), "500"},
		"201":                  {status(201), "201"},
		"400":                  {status(400), "400"},
		"401":                  {status(401), "client id and secret"},
		"403":                  {status(403), "client id and secret"},
		"429":                  {status(429), "429"},
		"no content type":      {typed(""), "application/json"},
		"JWT response":         {typed("application/token-introspection+jwt"), "application/json"},
		"HTML":                 {typed("text/html"), "application/json"},
		"empty":                {body(``), "malformed"},
		"not JSON":             {body(`active=true`), "malformed"},
		"cut":                  {body(`{"active":true`), "malformed"},
		"null":                 {body(`null`), "lacks active"},
		"array":                {body(`[{"active":true}]`), "malformed"},
		"true":                 {body(`true`), "malformed"},
		"followed by more":     {body(`{"active":true}{}`), "malformed"},
		"active missing":       {body(`{"sub":"a"}`), "lacks active"},
		"active null":          {body(`{"active":null}`), "lacks active"},
		"active a string":      {body(`{"active":"true"}`), "active"},
		"active a number":      {body(`{"active":1}`), "active"},
		"Active":               {body(`{"Active":true}`), "lacks active"},
		"active twice":         {body(`{"active":false,"active":true}`), "twice"},
		"escaped active twice": {body(`{"active":false,"\u0061ctive":true}`), "twice"},
		"sub twice":            {body(`{"active":true,"sub":"a","sub":"b"}`), "twice"},
		"twice within":         {body(`{"active":true,"cnf":{"jkt":"a","jkt":"b"}}`), "twice"},
		"invalid UTF-8":        {body("{\"active\":true,\"sub\":\"\xff\"}"), "malformed"},
		"exp null":             {body(`{"active":true,"exp":null}`), "exp"},
		"exp a string":         {body(`{"active":true,"exp":"1799999999"}`), "exp"},
		"exp negative":         {body(`{"active":true,"exp":-1}`), "exp"},
		"exp too large":        {body(`{"active":true,"exp":9007199254740993}`), "exp"},
		"exp infinite":         {body(`{"active":true,"exp":1e999}`), "exp"},
		"exp a list":           {body(`{"active":true,"exp":[1799999999]}`), "exp"},
		"inactive, exp broken": {body(`{"active":false,"exp":"x"}`), "exp"},
		"too deep":             {body(`{"active":true,"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`), "malformed"},
		"too long":             {body(`{"active":true,"sub":"` + strings.Repeat("a", 64<<10) + `"}`), "longer than 65536"},
		"aborted":              {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "connection broke"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, clock := startServer(t, active), newClock()
			q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
			q.gets(authz.Fresh)
			s.does(test.does)
			clock.pass(4 * time.Minute)
			q.gets(authz.Stale)
			clock.pass(6 * time.Minute)
			err := q.fails(authz.ErrUnavailable)
			if errors.Is(err, authz.ErrInactive) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v does not say %q", err, test.says)
			}
			got := q.client.Status("ledgerlink")
			if !got.LastFailure.Equal(clock.now()) || !strings.Contains(got.LastError, test.says) || got.Negative != 0 {
				t.Errorf("status %+v, want a failure now that says %q, and no negative answer", got, test.says)
			}
		})
	}
}

func TestWellFormedAnswers(t *testing.T) {
	for _, body := range []string{
		`{"active":true}`, ` {"active" : true} `, `{"active":true,"exp":1799999999.5}`, `{"active":true,"exp":2e9}`,
		`{"active":true,"exp":9007199254740992}`, `{"active":true,"unknown":{"active":false}}`,
	} {
		s := startServer(t, body)
		q := asker{t, introspection.New(introspection.Config{Now: newClock().now}), authority(s.URL)}
		if answer := q.gets(authz.Fresh); string(answer.Claims) != body {
			t.Errorf("%s, want %s", answer.Claims, body)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		elsewhere, s := startServer(t, active), startServer(t, "")
		for _, to := range []string{elsewhere.URL, s.URL + "/other"} {
			s.does(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) })
			q := asker{t, introspection.New(introspection.Config{}), authority(s.URL)}
			if err := q.fails(authz.ErrUnavailable); !strings.Contains(err.Error(), strconv.Itoa(code)) {
				t.Errorf("%v does not name %d", err, code)
			}
		}
		s.wasAsked(t, 2)
		elsewhere.wasAsked(t, 0)
	}
}

func TestKeptConnectionThatBrokeIsNoFailure(t *testing.T) {
	s, clock := startServer(t, active), newClock()
	q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
	q.gets(authz.Fresh)
	s.does(func(w http.ResponseWriter, r *http.Request) {
		if s.asked.Load() == 2 {
			panic(http.ErrAbortHandler)
		}
		says(active)(w, r)
	})
	clock.pass(time.Minute)
	q.gets(authz.Fresh)
	s.wasAsked(t, 3)
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(says(active))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	q := asker{t, introspection.New(introspection.Config{}), authority(s.URL)}
	if err := q.fails(authz.ErrUnavailable); !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v does not name the cause", err)
	}
	q.client = introspection.New(introspection.Config{Transport: s.Client().Transport})
	q.gets(authz.Fresh)
}

func TestOnlyWhereAuthoritiesMayBe(t *testing.T) {
	tests := map[string]func(*introspection.Authority){
		"http elsewhere": func(a *introspection.Authority) { a.URL = "http://192.0.2.1/introspect" },
		"no URL":         func(a *introspection.Authority) { a.URL = "" },
		"user in URL":    func(a *introspection.Authority) { a.URL = strings.Replace(a.URL, "//", "//a:b@", 1) },
		"file":           func(a *introspection.Authority) { a.URL = "file:///etc/passwd" },
		"no issuer":      func(a *introspection.Authority) { a.Issuer = "" },
		"no client":      func(a *introspection.Authority) { a.ClientID = "" },
		"zero":           func(a *introspection.Authority) { *a = introspection.Authority{} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, active)
			q := asker{t, introspection.New(introspection.Config{}), authority(s.URL)}
			change(&q.a)
			q.fails(authz.ErrUnavailable)
			s.wasAsked(t, 0)
		})
	}
}

func TestTokensNobodyIssuedAreNotAskedAbout(t *testing.T) {
	s := startServer(t, active)
	client := introspection.New(introspection.Config{})
	for name, text := range map[string]string{
		"empty": "", "line break": "a\nb", "not ASCII": "é", "NUL": "a\x00", "too long": strings.Repeat("a", 16<<10+1),
	} {
		if _, err := client.Ask(t.Context(), authority(s.URL), text, ""); !errors.Is(err, authz.ErrInactive) {
			t.Errorf("%s: error %v, want authz.ErrInactive", name, err)
		}
	}
	s.wasAsked(t, 0)
}

func TestKnownSource(t *testing.T) {
	s, clock := startServer(t, active), newClock()
	q := asker{t, introspection.New(introspection.Config{Now: clock.now}), authority(s.URL)}
	known := func(source string, want bool) {
		t.Helper()
		answer, err := q.ask(source)
		if err != nil || answer.KnownSource != want {
			t.Errorf("%q is known: %v (%v), want %v", source, answer.KnownSource, err, want)
		}
	}
	long := strings.Repeat("1", 257)
	for _, source := range []string{"a", "b", "c", "d", "e", "", long} {
		known(source, false)
	}
	known("b", true) // and the latest again: c is the oldest now
	known("", false)
	known(long, false)
	known("f", false) // puts c out

	clock.pass(time.Minute)
	known("b", true) // asked anew, the sources stay
	s.wasAsked(t, 2)

	s.Close()
	clock.pass(4 * time.Minute)
	for _, source := range []string{"b", "d", "e", "f"} {
		known(source, true)
	}
	for range 2 { // a stale answer makes nobody known
		known("c", false)
		known("z", false)
	}
}

func TestRevisionAndForget(t *testing.T) {
	s, clock := startServer(t, active), newClock()
	client := introspection.New(introspection.Config{Now: clock.now})
	q := asker{t, client, authority(s.URL)}
	other := asker{t, client, authority(s.URL)}
	other.a.Issuer = "other"
	q.gets(authz.Fresh)
	other.gets(authz.Fresh)
	s.wasAsked(t, 2) // what one issuer said is not another's word

	newer := q
	newer.a.Revision++
	newer.gets(authz.Fresh)
	s.wasAsked(t, 3)
	q.gets(authz.Fresh)
	s.wasAsked(t, 3)

	client.Forget("ledgerlink")
	s.Close()
	q.fails(authz.ErrUnavailable)
	newer.fails(authz.ErrUnavailable)
	other.gets(authz.Fresh)
	client.Forget("ledgerlink")
	if diff := cmp.Diff(introspection.Status{Breaker: "closed"}, client.Status("ledgerlink")); diff != "" {
		t.Errorf("status after Forget (-want +got):\n%s", diff)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s, clock := startServer(t, `{"active":false}`), newClock()
	client := introspection.New(introspection.Config{Now: clock.now, CacheSize: 3})
	ask := func(text string) {
		t.Helper()
		if _, err := client.Ask(t.Context(), authority(s.URL), text, ""); err != nil && !errors.Is(err, authz.ErrInactive) {
			t.Fatal(err)
		}
	}
	s.says(active)
	ask(token)
	s.says(`{"active":false}`)
	for i := range 10 { // unknown tokens do not push a known one out
		ask(fmt.Sprint("unknown-", i))
	}
	if got := client.Status("ledgerlink"); got.Positive != 1 || got.Negative != 3 {
		t.Errorf("status %+v, want one positive answer and three negative ones", got)
	}
	asked := s.asked.Load()
	ask(token)
	s.wasAsked(t, asked)

	// An answer that replaces another counts once.
	s.says(active)
	replacing := introspection.New(introspection.Config{Now: clock.now})
	q := asker{t, replacing, authority(s.URL)}
	q.gets(authz.Fresh)
	q.a.FreshFor = 0
	s.says(`{"active":true,"sub":"` + strings.Repeat("a", 60<<10) + `"}`)
	for range 600 {
		if _, err := replacing.Ask(t.Context(), q.a, "large", ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := replacing.Status("ledgerlink"); got.Positive != 2 {
		t.Errorf("status %+v, want two positive answers", got)
	}

	large := introspection.New(introspection.Config{Now: clock.now})
	s.says(`{"active":true,"sub":"` + strings.Repeat("a", 60<<10) + `"}`)
	for i := range 600 {
		if _, err := large.Ask(t.Context(), authority(s.URL), fmt.Sprint("large-", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := large.Status("ledgerlink").Positive * 60 << 10; got > 32<<20 || got < 31<<20 {
		t.Errorf("%d bytes of claims are remembered", got)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	s := startServer(t, "")
	// The worst authority repeats all it is sent, where errors quote it.
	s.does(func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(buffered, "%s %s %s\r\n\r\n", r.PostFormValue("token"), id, password); err != nil {
			t.Error(err)
		}
		if err := buffered.Flush(); err != nil {
			t.Error(err)
		}
	})
	var logged bytes.Buffer
	client := introspection.New(introspection.Config{FailuresToOpen: 2, Log: slog.New(slog.NewJSONHandler(&logged, nil))})
	a := authority(s.URL)
	seen := []string{fmt.Sprintf("%v %+v %#v %s", a, a, a, &a)}
	for range 2 {
		_, err := client.Ask(t.Context(), a, token, "")
		seen = append(seen, fmt.Sprintf("%+v", err))
	}
	s.says(`{"` + token + `":1,"` + token + `":2}`)
	b := a
	b.Issuer = "b"
	_, err := client.Ask(t.Context(), b, token, "")
	seen = append(seen, fmt.Sprintf("%+v", err), fmt.Sprintf("%+v", client.Status("ledgerlink")))
	marshalled, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	seen = append(seen, string(marshalled), logged.String())
	if !strings.Contains(logged.String(), `"to":"open"`) {
		t.Errorf("the log does not say that the breaker opened: %s", &logged)
	}
	for _, text := range seen {
		for _, hidden := range []string{token, secret, url.QueryEscape(secret)} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q is in %s", hidden, text)
			}
		}
	}
}

func BenchmarkCachedPositive(b *testing.B) {
	body := []byte(active)
	client := introspection.New(introspection.Config{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return response(body), nil
	})})
	a := authority("https://issuer.example/introspect")
	a.FreshFor, a.UsableFor = time.Hour, time.Hour
	ask := func() {
		answer, err := client.Ask(b.Context(), a, token, "192.0.2.64")
		if err != nil || answer.Freshness != authz.Fresh {
			b.Fatal(answer.Freshness, err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask()
			}
		})
	})
}
