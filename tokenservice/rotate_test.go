package tokenservice_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// runner is a Service whose Run takes one step at a time.
type runner struct {
	*tokenservice.Service
	w     *world
	armed chan chan time.Time // what Run waits for
	beats chan time.Time
	stop  context.CancelFunc
	done  chan error
}

// run starts a service and its Run, which waits then.
func (w *world) run() *runner {
	w.t.Helper()
	r := &runner{w: w, armed: make(chan chan time.Time), done: make(chan error, 1)}
	w.config.After = func(time.Duration) <-chan time.Time {
		ch := make(chan time.Time)
		r.armed <- ch
		return ch
	}
	r.Service = w.start()
	ctx, stop := context.WithCancel(w.t.Context())
	r.stop = stop
	go func() { r.done <- r.Run(ctx) }()
	r.beats = <-r.armed
	return r
}

// beat lets Run take its step at a later time.
func (r *runner) beat(after time.Duration) {
	r.w.now = r.w.now.Add(after)
	r.beats <- r.w.now
	r.beats = <-r.armed
}

// crash ends the service between two steps, leaving its files.
func (r *runner) crash() {
	r.stop()
	if err := <-r.done; err != nil {
		r.w.t.Error(err)
	}
}

func kid(t testing.TB, text string) string {
	return part(t, text, 0)["kid"].(string)
}

func TestKeysRotateOnSchedule(t *testing.T) {
	w := newWorld(t)
	w.config.KeyLifetime, w.config.Overlap = 10*time.Hour, 2*time.Hour
	r := w.run()
	defer r.crash()
	first := kid(t, w.issue(r.Service, nil))

	var story []string
	for hour := 1; hour <= 24; hour++ {
		r.beat(time.Hour)
		signing := "new"
		if kid(t, w.issue(r.Service, nil)) == first {
			signing = "first"
		}
		document, keep := r.KeySet()
		if keep != 5*time.Minute {
			t.Errorf("the key set may be kept for %s", keep)
		}
		story = append(story, strings.Repeat("k", strings.Count(string(document), `"kid"`))+" "+signing)
	}
	want := slices.Concat(
		slices.Repeat([]string{"k first"}, 7),  // hours 1 to 7
		slices.Repeat([]string{"kk first"}, 2), // 8: the next is published, 2 hours ahead
		slices.Repeat([]string{"kk new"}, 2),   // 10: it signs; the first stays for 1 h 5 min
		slices.Repeat([]string{"k new"}, 6),    // 12
		slices.Repeat([]string{"kk new"}, 4),   // 18: the third is published, and signs from 20
		slices.Repeat([]string{"k new"}, 3),    // 22: the second is dropped
	)
	if diff := cmp.Diff(want, story); diff != "" {
		t.Error(diff)
	}
	sets := slices.CompactFunc(w.published, func(a, b *authz.Issuer) bool { return bytes.Equal(a.Keys, b.Keys) })
	if len(sets) != 5 {
		t.Errorf("published %d sets", len(sets))
	}
}

func TestKeyFilesArePrivate(t *testing.T) {
	w := newWorld(t)
	w.config.Dir = filepath.Join(w.config.Dir, "deep", "keys")
	w.start()
	for name, want := range map[string]os.FileMode{"": 0o700, "key-000001.json": 0o600} {
		info, err := os.Stat(filepath.Join(w.config.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o", name, info.Mode().Perm())
		}
	}
	if strings.Contains(string(w.published[0].Keys), `"d"`) {
		t.Error("the published set holds a private key")
	}
}

func TestNothingSignsBeforeItIsPublished(t *testing.T) {
	w := newWorld(t)
	w.onPublish = func(*authz.Issuer) error { return errors.New("the store is full") }
	if _, err := tokenservice.New(t.Context(), w.config); err == nil {
		t.Fatal("a service began without its keys being known")
	}
	w.onPublish = nil
	r := w.run()
	defer r.crash()
	before := w.issue(r.Service, nil)

	w.onPublish = func(*authz.Issuer) error { return errors.New("the store is full") }
	if err := r.RotateNow(t.Context()); err == nil {
		t.Fatal("RotateNow did not say that the old keys are still published")
	}
	_, err := r.Token(t.Context(), request(secret()))
	wantError(t, err, authz.OAuthUnavailable)

	w.onPublish = nil
	r.beat(time.Minute)
	after := w.issue(r.Service, nil)
	issuer := w.published[len(w.published)-1]
	if p := verify(t, after, issuer, w.now); p.Fault != nil {
		t.Errorf("got p.Fault %+v; want p.Fault nil", p.Fault)
	}
	if p := verify(t, before, issuer, w.now); p.Fault == nil || p.Fault.Code != authz.TokenInvalid {
		t.Errorf("a token of a dropped key: %+v", p.Fault)
	}
}

// TestAnIssuerEntityThatWasTouchedIsPublishedAgain: it is deleted or edited, and a beat
// later it is what it was.
func TestAnIssuerEntityThatWasTouchedIsPublishedAgain(t *testing.T) {
	w := newWorld(t)
	var registered *authz.Issuer
	w.onPublish = func(issuer *authz.Issuer) error { registered = issuer; return nil }
	r := w.run()
	defer r.crash()
	text := w.issue(r.Service, nil)
	for name, touch := range map[string]func(){
		"deleted": func() { registered = nil },
		"edited":  func() { registered.Keys = nil },
	} {
		touch()
		r.beat(time.Minute)
		if registered == nil || verify(t, text, registered, w.now).Fault != nil {
			t.Errorf("%s: registered is now %+v", name, registered)
		}
	}
	if got := r.Stats().KeysPublished; !got.Equal(start.Add(2 * time.Minute)) {
		t.Errorf("keys published at %s", got)
	}
}

// TestAFolderThatTakesNoKeyKeepsTheOldOnesPublished: a disk that is full must not take
// the issuer with it.
func TestAFolderThatTakesNoKeyKeepsTheOldOnesPublished(t *testing.T) {
	w := newWorld(t)
	w.config.KeyLifetime = 10 * time.Hour
	r := w.run()
	defer r.crash()
	if err := os.RemoveAll(w.config.Dir); err != nil {
		t.Fatal(err)
	}
	before := len(w.published)
	r.beat(9*time.Hour + time.Minute) // the next key is due
	if len(w.published) != before+1 || !bytes.Equal(w.published[0].Keys, w.published[before].Keys) {
		t.Errorf("published %d times more", len(w.published)-before)
	}
	if !strings.Contains(w.log.String(), "signing keys are not up to date") {
		t.Errorf("the log does not say so: %s", &w.log)
	}
}

// files are the names in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestACrashBetweenStepsLeavesAWholeRing(t *testing.T) {
	// Each crash gives the folder as it was at one point between two steps, of a
	// service that had signed the token old before.
	for name, test := range map[string]struct {
		crash func(*testing.T, *world, *runner) string
		keys  int  // published after the restart
		old   bool // old is still good
	}{
		"next key written, not published": {func(_ *testing.T, w *world, r *runner) string {
			w.onPublish = func(*authz.Issuer) error { return errors.New("gone") }
			r.beat(9 * time.Hour)
			w.onPublish = nil
			return w.config.Dir
		}, 2, true},
		"next key published, its time not written": {func(t *testing.T, w *world, r *runner) (dir string) {
			w.onPublish = func(*authz.Issuer) error { dir = copyDir(t, w.config.Dir); return nil }
			r.beat(9 * time.Hour)
			w.onPublish = nil
			return dir
		}, 2, true},
		"old key deleted, set not published": {func(_ *testing.T, w *world, r *runner) string {
			r.beat(9 * time.Hour)
			w.onPublish = func(*authz.Issuer) error { return errors.New("gone") }
			r.beat(4 * time.Hour)
			w.onPublish = nil
			return w.config.Dir
		}, 1, false},
		"emergency: new key written, old ones not deleted": {func(t *testing.T, w *world, r *runner) string {
			both := copyDir(t, w.config.Dir)
			if err := r.RotateNow(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(both, os.DirFS(w.config.Dir)); err != nil {
				t.Fatal(err)
			}
			return both
		}, 1, false},
		"emergency: not published": {func(t *testing.T, w *world, r *runner) string {
			w.onPublish = func(*authz.Issuer) error { return errors.New("gone") }
			if err := r.RotateNow(t.Context()); err == nil {
				t.Fatal("nothing failed")
			}
			w.onPublish = nil
			return w.config.Dir
		}, 1, false},
		"half a file": {func(t *testing.T, w *world, _ *runner) string {
			if err := os.WriteFile(filepath.Join(w.config.Dir, ".new-123"), []byte(`{"sequ`), 0o600); err != nil {
				t.Fatal(err)
			}
			return w.config.Dir
		}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.KeyLifetime, w.config.Lifetime = 10*time.Hour, time.Hour
			r := w.run()
			old := w.issue(r.Service, nil)
			dir := test.crash(t, w, r)
			r.crash()

			w.config.Dir = dir
			s := w.start()
			issuer := w.published[len(w.published)-1]
			document, _ := s.KeySet()
			if n := strings.Count(string(document), `"kid"`); n != test.keys || len(files(t, dir)) != n || !cmp.Equal(document, []byte(issuer.Keys)) {
				t.Errorf("%d keys, %q, published %s", n, files(t, dir), issuer.Keys)
			}
			if p := verify(t, old, issuer, w.now); (p.Fault == nil) != test.old {
				t.Errorf("the token from before: %+v", p.Fault)
			}
			if p := verify(t, w.issue(s, nil), issuer, w.now); p.Fault != nil {
				t.Errorf("a new token: %+v", p.Fault)
			}
		})
	}
}

func TestAKeyFileThatCannotBeReadIsNamedAndNotQuoted(t *testing.T) {
	for name, content := range map[string]string{
		"not JSON":                      `{"sequence":1,"key":{"d":"c2VjcmV0`,
		"no key":                        `{"schema":2,"sequence":1,"drops_earlier":true,"key":{"d":"c2VjcmV0"}}`,
		"a newer schema, which is said": `{"schema":3,"sequence":1,"of_the_future":true,"key":{"d":"c2VjcmV0"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := os.WriteFile(filepath.Join(w.config.Dir, "key-000001.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := tokenservice.New(t.Context(), w.config)
			if err == nil || !strings.Contains(err.Error(), "key-000001.json") || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("error %v, want one that names the file and not the key", err)
			}
			if newer := strings.Contains(name, "newer"); newer && !strings.Contains(err.Error(), "has schema 3, and this binary reads 2") {
				t.Errorf("error %v, want one that names both schemas", err)
			}
		})
	}
}

// TestKeyFilesOfTheFirstSchema: a folder that the last binary before schema 2 wrote, which
// was killed in an emergency before the keys before it were deleted.
func TestKeyFilesOfTheFirstSchema(t *testing.T) {
	w := newWorld(t)
	w.config.Dir = copyDir(t, "testdata/schema1")
	w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	s := w.start()
	if diff := cmp.Diff([]string{"key-000002.json"}, files(t, w.config.Dir)); diff != "" {
		t.Errorf("key files after the start (-want +got):\n%s", diff)
	}
	if published := string(w.published[len(w.published)-1].Keys); !strings.Contains(published, "wo2VkEuauD") || strings.Contains(published, "fWR-0Oyk") {
		t.Errorf("published is %s, want the second key alone", published)
	}
	if err := s.RotateNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(w.config.Dir, "key-000003.json"))
	if err != nil || !strings.HasPrefix(string(written), `{"schema":2,"sequence":3,"drops_earlier":true,`) {
		t.Errorf("the next key is written as %.60s (%v), want the names of schema 2", written, err)
	}
}

func TestAKeyFileUnderAnotherNameIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	if err := os.Rename(filepath.Join(w.config.Dir, "key-000001.json"), filepath.Join(w.config.Dir, "key-000002.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenservice.New(t.Context(), w.config); err == nil || !strings.Contains(err.Error(), "key-000002.json") {
		t.Error(err)
	}
}

func TestAClockSetBackLeavesAKeyToSign(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	w.now = start.Add(-time.Hour)
	if p := verify(t, w.issue(s, nil), w.published[0], w.now); p.Fault != nil {
		t.Errorf("got p.Fault %+v; want p.Fault nil", p.Fault)
	}
}

func TestAKeyOfAnotherAlgorithmIsRefused(t *testing.T) {
	w := newWorld(t)
	signer, err := token.NewSigner("ES384")
	if err != nil {
		t.Fatal(err)
	}
	private, err := signer.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.config.Dir, "key-000001.json"), []byte(`{"schema":2,"sequence":1,"drops_earlier":true,"key":`+string(private)+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenservice.New(t.Context(), w.config); err == nil || !strings.Contains(err.Error(), "ES256") {
		t.Error(err)
	}
}

// living is a token that has been signed and, unless its key was dropped in an
// emergency, is good until it expires.
type living struct {
	text string
	exp  time.Time
}

// history drives a service and holds it to the two promises of its keys.
type history struct {
	w      *world
	r      *runner
	tokens []living
	since  map[string]time.Time // :: kid -> first published
	atOnce map[string]bool      // :: kid -> made by an empty folder or an emergency
	empty  bool                 // the next key published is such a one
}

// publish is the world's onPublish: every set published must hold for every token
// alive.
func (h *history) publish(t *rapid.T, issuer *authz.Issuer) {
	set := string(issuer.Keys)
	for i, k := range strings.Split(set, `"kid":"`)[1:] {
		id, _, _ := strings.Cut(k, `"`)
		if _, known := h.since[id]; !known {
			h.since[id] = h.w.now
			h.atOnce[id] = h.empty && i == 0
		}
	}
	h.empty = false
	for _, l := range h.tokens {
		if h.w.now.Before(l.exp) {
			if p := verify(h.w.t, l.text, issuer, h.w.now); p.Fault != nil {
				t.Fatalf("a token alive until %s does not verify with the set published at %s: %+v", l.exp, h.w.now, p.Fault)
			}
		}
	}
}

func (h *history) sign(t *rapid.T) {
	text := h.w.issue(h.r.Service, nil)
	issuer := h.w.published[len(h.w.published)-1]
	if p := verify(h.w.t, text, issuer, h.w.now); p.Fault != nil {
		t.Fatalf("a new token does not verify: %+v", p.Fault)
	}
	id := kid(h.w.t, text)
	if age := h.w.now.Sub(h.since[id]); age < h.w.config.Overlap && !h.atOnce[id] {
		t.Fatalf("a key signs %s after it was published", age)
	}
	exp := time.Unix(int64(claimsOf(h.w.t, text)["exp"].(float64)), 0)
	h.tokens = append(h.tokens, living{text, exp})
}

func TestTokensVerifyFromTheirSigningToTheirExpiry(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(outer)
		dir, err := os.MkdirTemp(outer.TempDir(), "keys")
		if err != nil {
			t.Fatal(err)
		}
		w.config.Dir = dir
		minutes := func(low, high int, label string) time.Duration {
			return time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Minute
		}
		w.config.KeyLifetime = minutes(60, 300, "key lifetime")
		w.config.Overlap = minutes(1, 60, "overlap")
		w.config.Lifetime = minutes(1, 60, "lifetime")

		h := &history{w: w, since: map[string]time.Time{}, atOnce: map[string]bool{}, empty: true}
		failing := false
		w.onPublish = func(issuer *authz.Issuer) error {
			if failing {
				return errors.New("the store is full")
			}
			h.publish(t, issuer)
			return nil
		}
		h.r = w.run()
		defer func() { h.r.crash() }()
		t.Repeat(map[string]func(*rapid.T){
			"sign":       h.sign,
			"beat":       func(t *rapid.T) { h.r.beat(time.Minute) },
			"later":      func(t *rapid.T) { h.r.beat(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute) },
			"store full": func(t *rapid.T) { failing = !failing },
			"restart": func(t *rapid.T) {
				h.r.crash()
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "down for")) * time.Minute)
				failing = false
				w.config.Lifetime = time.Duration(rapid.IntRange(1, 60).Draw(t, "lifetime")) * time.Minute
				h.r = w.run()
			},
			"emergency": func(t *rapid.T) {
				if failing {
					t.Skip("told apart in another test")
				}
				h.tokens, h.empty = nil, true
				if err := h.r.RotateNow(outer.Context()); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}
