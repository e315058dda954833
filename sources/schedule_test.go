package sources_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/sources"
)

// These tests run in virtual time: waiting costs nothing, and how long something
// took is exact.

const (
	address    = "http://127.0.0.1:1/bundles/acme.tar.gz"
	bundleType = "application/vnd.openpolicyagent.bundles"
)

// asked is one request as a server saw it.
type asked struct {
	At                  time.Duration // since the start
	IfNoneMatch, Prefer string
}

// script is a bundle server without a network: it does what answer says.
type script struct {
	start time.Time

	mu     sync.Mutex
	answer http.HandlerFunc
	all    []asked
}

func (s *script) says(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.all = append(s.all, asked{time.Since(s.start), r.Header.Get("If-None-Match"), r.Header.Get("Prefer")})
	answer := s.answer
	s.mu.Unlock()
	w := httptest.NewRecorder()
	answer(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// since are the requests from the i-th on.
func (s *script) since(i int) []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all[i:])
}

// serves is a server of files: 304 when the ETag matches.
func serves(etag, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		if _, err := io.WriteString(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// holds is serves for a server that holds back its answer.
func holds(etag, body string, atMost time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", bundleType)
		if r.Header.Get("If-None-Match") == etag {
			select {
			case <-time.After(atMost):
			case <-r.Context().Done():
			}
		}
		serves(etag, body)(w, r)
	}
}

// gate takes bundles as answer says, and keeps what it took.
type gate struct {
	mu     sync.Mutex
	answer func(body string) (bool, error)
	pushed []string
	from   string
}

func (g *gate) push(_ context.Context, name string, body io.Reader, source string) (bool, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pushed = append(g.pushed, string(text))
	g.from = name + " from " + source
	if g.answer == nil {
		return true, nil
	}
	return g.answer(string(text))
}

func (g *gate) says(answer func(body string) (bool, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

func (g *gate) got(t *testing.T, want ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if diff := cmp.Diff(want, g.pushed); diff != "" {
		t.Errorf("pushed: %s", diff)
	}
}

func refuses(body string) (bool, error) {
	return false, &authz.Error{Code: authz.CodeInvalid, Message: "does not compile: " + body, Cause: errors.New("s3cret")}
}

func activates(string) (bool, error) { return true, nil }

func keeps(string) (bool, error) { return false, nil }

// pulling is a puller of one source in a bubble.
type pulling struct {
	*testing.T
	server *script
	gate   *gate
	puller *sources.Puller
	end    func()
}

// pull does the test in a bubble, with a puller under way that asks every 90 s.
func pull(t *testing.T, change func(*sources.Source), answer http.HandlerFunc, test func(p *pulling)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pulling{T: t, server: &script{start: time.Now(), answer: answer}, gate: &gate{}}
		s := sources.Source{Name: "acme", URL: address}
		if change != nil {
			change(&s)
		}
		puller, err := sources.New(sources.Config{
			Sources: []sources.Source{s}, Push: p.gate.push, Transport: p.server, Random: func() float64 { return 0.5 },
		})
		if err != nil {
			t.Fatal(err)
		}
		p.puller, p.end = puller, start(t, puller)
		synctest.Wait()
		test(p)
		p.end()
	})
}

func start(t *testing.T, p *sources.Puller) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(end)
	return end
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (p *pulling) status() authz.SourceStatus { return p.puller.Status()[0] }

// requests are those from the i-th on.
func (p *pulling) requests(i int, want ...asked) {
	p.Helper()
	if diff := cmp.Diff(want, p.server.since(i)); diff != "" {
		p.Errorf("requests: %s", diff)
	}
}

const snapshot = "modes=snapshot"

func TestAsksForWhatIsNewOnly(t *testing.T) {
	pull(t, nil, serves(`"v1"`, "one"), func(p *pulling) {
		p.gate.got(p.T, "one")
		if p.gate.from != "acme from "+address {
			p.Error(p.gate.from)
		}
		began := p.server.start.UTC()
		want := authz.SourceStatus{
			Name: "acme", Source: address, ETag: `"v1"`,
			LastAttempt: began, LastSuccess: began, NextAttempt: began.Add(90 * time.Second),
		}
		if diff := cmp.Diff(want, p.status()); diff != "" {
			p.Error(diff)
		}
		pass(100 * time.Second)
		p.server.says(serves(`"v2"`, "two"))
		pass(180 * time.Second)
		p.gate.got(p.T, "one", "two")
		p.requests(0,
			asked{0, "", snapshot}, asked{90 * time.Second, `"v1"`, snapshot},
			asked{180 * time.Second, `"v1"`, snapshot}, asked{270 * time.Second, `"v2"`, snapshot})
	})
}

// A version that did not become active is asked for again, and its ETag not used.
func TestRefusedBundleIsTriedAgainButNotAllTheTime(t *testing.T) {
	pull(t, nil, serves(`"v1"`, "one"), func(p *pulling) {
		p.gate.says(refuses)
		p.server.says(serves(`"v2"`, "two"))
		pass(24 * time.Hour)
		if got := p.status(); got.ETag != `"v1"` || got.Error != "does not compile: two" || got.LastSuccess != p.server.start.UTC() {
			p.Errorf("got %+v; want ETag `\"v1\"`, Error \"does not compile: two\", LastSuccess p.server.start.UTC()", got)
		}
		// 0.75 s doubling, then every 11 to 13 minutes, by when the source was asked.
		if n := len(p.gate.pushed) - 1; n < 100 || n > 150 {
			p.Errorf("pushed %d times in a day", n)
		}
		requests := p.server.since(1)
		if n := len(requests); n < 900 || n > 1300 {
			p.Errorf("asked %d times in a day", n)
		}
		for _, r := range requests {
			if r.IfNoneMatch != `"v1"` {
				p.Fatalf("got %+v; want IfNoneMatch `\"v1\"`", r)
			}
		}

		// A new version is tried at once.
		p.gate.says(activates)
		p.server.says(serves(`"v3"`, "three"))
		pass(90 * time.Second)
		if got := p.status(); got.ETag != `"v3"` || got.Error != "" || p.gate.pushed[len(p.gate.pushed)-1] != "three" {
			p.Errorf("%+v, pushed %q last", got, p.gate.pushed[len(p.gate.pushed)-1])
		}
	})
}

func TestRefusedFirstBundleBecomesActiveWhenTheReasonIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pulling{T: t, server: &script{start: time.Now(), answer: serves(`"v1"`, "one")}, gate: &gate{answer: refuses}}
		puller, err := sources.New(sources.Config{
			Sources: []sources.Source{{Name: "acme", URL: address}}, Push: p.gate.push, Transport: p.server, Random: func() float64 { return 0 },
		})
		if err != nil {
			t.Fatal(err)
		}
		p.puller = puller
		end := start(t, puller)
		pass(10 * time.Second)
		// Half of each delay is random, and here nothing.
		p.requests(0,
			asked{0, "", snapshot}, asked{500 * time.Millisecond, "", snapshot}, asked{1500 * time.Millisecond, "", snapshot},
			asked{3500 * time.Millisecond, "", snapshot}, asked{7500 * time.Millisecond, "", snapshot})
		p.gate.got(t, "one", "one", "one", "one", "one")
		if got := p.status(); got.ETag != "" || !got.LastSuccess.IsZero() || strings.Contains(got.Error, "s3cret") {
			t.Errorf(`got %+v; want ETag "", got.LastSuccess.IsZero(), Error without "s3cret"`, got)
		}
		p.gate.says(activates)
		pass(10 * time.Second)
		if got := p.status(); got.ETag != `"v1"` || got.Error != "" {
			t.Errorf("got %+v; want ETag `\"v1\"`, Error \"\"", got)
		}
		end()
	})
}

func TestServerThatGoesBackToTheActiveVersionIsFine(t *testing.T) {
	pull(t, nil, serves(`"v1"`, "one"), func(p *pulling) {
		p.gate.says(refuses)
		p.server.says(serves(`"v2"`, "two"))
		pass(100 * time.Second)
		if got := p.status(); got.Error == "" {
			p.Errorf(`got %+v; want Error other than ""`, got)
		}
		p.server.says(serves(`"v1"`, "one"))
		pass(100 * time.Second)
		if got := p.status(); got.Error != "" || got.ETag != `"v1"` {
			p.Errorf("got %+v; want Error \"\", ETag `\"v1\"`", got)
		}
		// Refused once more, the version starts anew.
		n := len(p.gate.pushed)
		p.server.says(serves(`"v2"`, "two"))
		pass(92 * time.Second)
		if got := len(p.gate.pushed) - n; got < 2 {
			p.Errorf("pushed %d times, want it at once and a second later", got)
		}
	})
}

func TestCandidateIsNotActive(t *testing.T) {
	pull(t, func(s *sources.Source) { s.LongPoll = 30 * time.Second }, holds(`"v1"`, "one", 30*time.Second), func(p *pulling) {
		p.gate.says(keeps)
		p.server.says(holds(`"v2"`, "two", 30*time.Second))
		pass(10 * time.Minute)
		if n := len(p.gate.pushed); n < 6 || n > 9 {
			p.Errorf("pushed %d times in ten minutes", n)
		}
		if got := p.status(); got.ETag != `"v1"` || got.Error != "" {
			p.Errorf("got %+v; want ETag `\"v1\"`, Error \"\"", got)
		}
		p.gate.says(activates)
		pass(90 * time.Second)
		if got := p.status(); got.ETag != `"v2"` {
			p.Errorf("got %+v; want ETag `\"v2\"`", got)
		}
	})
}

func TestDigestStandsInForTheETag(t *testing.T) {
	pull(t, nil, serves("", "one"), func(p *pulling) {
		pass(10 * time.Minute)
		p.gate.got(p.T, "one")
		if got := p.status(); !strings.HasPrefix(got.ETag, "sha256:7692c3ad3540bb80") {
			p.Errorf(`got %+v; want ETag beginning "sha256:7692c3ad3540bb80"`, got)
		}
		p.server.says(serves(`"new"`, "one")) // the same bytes, and an ETag now
		pass(10 * time.Minute)
		p.gate.got(p.T, "one")
		requests := p.server.since(0)
		if requests[1].IfNoneMatch != "" || requests[len(requests)-1].IfNoneMatch != `"new"` {
			p.Errorf("got %+v; want requests[1].IfNoneMatch \"\", requests[len(requests)-1].IfNoneMatch `\"new\"`", requests)
		}
		p.server.says(serves("", "two"))
		pass(90 * time.Second)
		p.gate.got(p.T, "one", "two")
	})
}

func TestVersionActiveBeforeTheStartIsNotPushed(t *testing.T) {
	last := "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" // of "one"
	pull(t, func(s *sources.Source) { s.LastActive = last }, serves(`"v1"`, "one"), func(p *pulling) {
		pass(10 * time.Minute)
		p.gate.got(p.T)
		if got := p.status(); got.ETag != `"v1"` || got.LastSuccess.IsZero() {
			p.Errorf("got %+v; want ETag `\"v1\"`, not got.LastSuccess.IsZero()", got)
		}
		p.server.says(serves(`"v2"`, "two"))
		pass(90 * time.Second)
		p.gate.got(p.T, "two")
	})
}

func TestLongPoll(t *testing.T) {
	const prefer = "modes=snapshot;wait=30"
	waits := func(s *sources.Source) { s.LongPoll = 30 * time.Second }
	t.Run("held back", func(t *testing.T) {
		pull(t, waits, holds(`"v1"`, "one", 30*time.Second), func(p *pulling) {
			pass(70 * time.Second)
			p.gate.got(p.T, "one")
			p.requests(0,
				asked{0, "", prefer}, asked{time.Second, `"v1"`, prefer},
				asked{31 * time.Second, `"v1"`, prefer}, asked{61 * time.Second, `"v1"`, prefer})
		})
	})
	t.Run("answered at once all the same", func(t *testing.T) {
		pull(t, waits, holds(`"v1"`, "one", 0), func(p *pulling) {
			pass(time.Minute)
			if n := len(p.server.since(0)); n != 61 {
				p.Errorf("asked %d times in a minute, want once a second", n)
			}
		})
	})
	t.Run("by a server that cannot", func(t *testing.T) {
		pull(t, waits, serves(`"v1"`, "one"), func(p *pulling) {
			pass(100 * time.Second)
			p.requests(0, asked{0, "", prefer}, asked{90 * time.Second, `"v1"`, prefer})
		})
	})
	t.Run("not asked for", func(t *testing.T) {
		pull(t, nil, holds(`"v1"`, "one", 0), func(p *pulling) {
			pass(100 * time.Second)
			p.requests(0, asked{0, "", snapshot}, asked{90 * time.Second, `"v1"`, snapshot})
		})
	})
	t.Run("while what it holds is refused", func(t *testing.T) {
		pull(t, waits, holds(`"v1"`, "one", 30*time.Second), func(p *pulling) {
			p.gate.says(refuses)
			p.server.says(holds(`"v2"`, "two", 30*time.Second))
			pass(time.Hour)
			if n := len(p.server.since(0)); n > 70 {
				p.Errorf("asked %d times in an hour", n)
			}
		})
	})
}

func TestServerThatIsDown(t *testing.T) {
	pull(t, nil, serves(`"v1"`, "one"), func(p *pulling) {
		p.server.says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		pass(10 * time.Minute)
		var at []time.Duration
		for _, r := range p.server.since(1) {
			at = append(at, r.At)
			if r.IfNoneMatch != `"v1"` {
				p.Errorf("got %+v; want IfNoneMatch `\"v1\"`", r)
			}
		}
		want, next := []time.Duration(nil), 90*time.Second
		for _, delay := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120} {
			if next < 10*time.Minute {
				want = append(want, next)
			}
			next += delay * time.Second * 3 / 4 // half of it is random
		}
		if diff := cmp.Diff(want, at); diff != "" {
			p.Error(diff)
		}
		if got := p.status(); got.Error != "the server answered 500, not 200" || got.ETag != `"v1"` || !got.LastSuccess.Equal(p.server.start) {
			p.Errorf("got %+v; want Error \"the server answered 500, not 200\", ETag `\"v1\"`, LastSuccess %v", got, p.server.start)
		}
		p.server.says(serves(`"v1"`, "one"))
		pass(2 * time.Minute)
		if got := p.status(); got.Error != "" {
			p.Errorf(`got %+v; want Error ""`, got)
		}
		p.gate.got(p.T, "one")

		// Down once more, the back-off begins anew.
		n := len(p.server.since(0))
		p.server.says(func(http.ResponseWriter, *http.Request) {})
		pass(92 * time.Second)
		if got := len(p.server.since(n)); got < 2 {
			p.Errorf("asked %d times, want it again after a second", got)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	pull(t, nil, serves(`"v1"`, "one"), func(p *pulling) {
		for _, after := range []string{"60", "86400"} {
			p.server.says(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
				p.server.says(serves(`"v1"`, "one"))
			})
			pass(5 * time.Minute)
		}
		var at []time.Duration
		for _, r := range p.server.since(0) {
			at = append(at, r.At/time.Second)
		}
		if diff := cmp.Diff([]time.Duration{0, 90, 150, 240, 330, 450, 540}, at); diff != "" {
			p.Error(diff)
		}
	})
}

func TestServerThatHangs(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	pull(t, func(s *sources.Source) { s.Timeout, s.LongPoll = 5*time.Second, 10*time.Second }, hang, func(p *pulling) {
		if got := p.status(); !got.LastAttempt.Equal(p.server.start) || got.Error != "" {
			p.Errorf(`got %+v; want LastAttempt %v, Error ""`, got, p.server.start)
		}
		pass(15 * time.Second)
		if got := p.status(); got.Error != "no whole answer within 15s" {
			p.Errorf(`got %+v; want Error "no whole answer within 15s"`, got)
		}
		pass(time.Minute)
		p.end() // in the middle of an attempt, which is no failure
		p.gate.got(p.T)
	})
}

func TestSourcesDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{start: time.Now(), answer: serves("", "one")}
		inPush := make(chan struct{})
		puller, err := sources.New(sources.Config{
			Sources:   []sources.Source{{Name: "slow", URL: address}, {Name: "acme", URL: address + "?signature=s3cret"}},
			Transport: server,
			Push: func(ctx context.Context, name string, _ io.Reader, source string) (bool, error) {
				if strings.Contains(source, "s3cret") {
					t.Error(source)
				}
				if name == "slow" {
					close(inPush)
					<-ctx.Done()
					return false, ctx.Err()
				}
				return true, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		end := start(t, puller)
		<-inPush
		synctest.Wait()
		got := puller.Status()
		if got[0].Name != "slow" || !got[0].LastSuccess.IsZero() || got[1].LastSuccess.IsZero() || got[1].Source != address {
			t.Errorf(`got %+v; want got[0].Name "slow", got[0].LastSuccess.IsZero(), not got[1].LastSuccess.IsZero(), got[1].Source "http://127.0.0.1:1/bundles/acme.tar.gz"`, got)
		}
		end()
		if got := puller.Status()[0]; got.Error != "" {
			t.Errorf("stopping counts as a failure: %+v", got)
		}
	})
}

// TestServerThatSwings between two versions, as several that disagree do, makes fewer
// and fewer activations; a third version ends that.
func TestServerThatSwings(t *testing.T) {
	var requests atomic.Int64
	swinging := func(w http.ResponseWriter, r *http.Request) {
		n := strconv.FormatInt(requests.Add(1)%2, 10)
		holds(n, "v"+n, time.Minute)(w, r)
	}
	pull(t, func(s *sources.Source) { s.LongPoll = time.Minute }, swinging, func(p *pulling) {
		pass(time.Hour)
		p.gate.mu.Lock()
		pushed := len(p.gate.pushed)
		p.gate.mu.Unlock()
		if pushed < 3 || pushed > 20 {
			p.Errorf("%d activations in an hour", pushed)
		}
		p.server.says(holds("3", "v3", time.Minute))
		pass(16 * time.Minute)
		if got := p.status().ETag; got != "3" {
			p.Errorf("the version is %s", got)
		}
	})
}
