package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/replay"
	"github.com/verdict-pdp/verdict/store"
)

var start = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

// audit is the real log, with faults that a test stages.
type audit struct {
	*decisionlog.Log
	announceErr, settleErr error
	announced              func(context.Context, authz.AuditedChange) error // instead, when set
}

func (a *audit) Announce(ctx context.Context, c authz.AuditedChange) error {
	switch {
	case a.announceErr != nil:
		return a.announceErr
	case a.announced != nil:
		return a.announced(ctx, c)
	}
	return a.Log.Announce(ctx, c)
}

func (a *audit) Settle(ctx context.Context, c authz.AuditedChange) error {
	if a.settleErr != nil {
		return a.settleErr
	}
	return a.Log.Settle(ctx, c)
}

// policies give a generation for everything, and remember what asked for it.
type policies struct {
	mu              sync.Mutex
	err             error
	made, activated map[string]uint64 // :: change -> generation
}

func (p *policies) answer(ctx context.Context, in map[string]uint64) (authz.Generation, error) {
	if p.err != nil {
		return authz.Generation{}, p.err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	in[authz.ChangeOf(ctx)] = 7
	return authz.Generation{Number: 7, Digest: "sha256:new"}, nil
}

func (p *policies) Receive(ctx context.Context, pushed generations.Push) (func(context.Context) (authz.Generation, bool, error), error) {
	if _, err := io.Copy(io.Discard, pushed.Body); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (authz.Generation, bool, error) {
		g, err := p.answer(ctx, p.made)
		return g, true, err
	}, nil
}

func (p *policies) Remove(ctx context.Context, _, _, _ string) (authz.Generation, error) {
	return p.answer(ctx, p.made)
}

func (p *policies) Activate(ctx context.Context, _ uint64, _, _ string) (authz.Generation, error) {
	return p.answer(ctx, p.activated)
}

func (p *policies) Rollback(ctx context.Context, _ uint64, _, _ string) (authz.Generation, error) {
	return p.answer(ctx, p.activated)
}

func (p *policies) SetMode(ctx context.Context, _, _, _, _ string) (authz.Generation, error) {
	return p.answer(ctx, p.activated)
}

func (p *policies) Active() authz.Generation {
	return authz.Generation{Number: 6, Digest: "sha256:old"}
}

func (p *policies) FindChange(id string) (made, activated uint64) { return p.made[id], p.activated[id] }

// judge is a policy set that denies everything.
type judge struct{ generation uint64 }

func (j judge) Policy() authz.PolicyRef {
	return authz.PolicyRef{Generation: j.generation, Digest: "sha256:judge"}
}

func (judge) Evaluate(context.Context, authz.Question, authz.Facts) authz.Judgement {
	return authz.Judgement{}
}

func (judge) EvaluateInput(context.Context, []byte, authz.Facts) authz.Judgement {
	return authz.Judgement{}
}

func (judge) ExplainInput(context.Context, []byte, authz.Facts) (authz.Judgement, *authz.Explanation) {
	return authz.Judgement{}, nil
}

// judges have every generation.
type judges struct{}

func (judges) Generation(n uint64) (authz.Rejudger, error) { return judge{n}, nil }

func (judges) With(context.Context, string, io.Reader) (authz.Rejudger, error) { return judge{}, nil }

// tokenKeys are replaced by counting on.
type tokenKeys struct {
	n       int
	fault   bool
	publish func(ctx context.Context, n int) error
}

func (k *tokenKeys) RotateNow(ctx context.Context) error {
	if k.fault {
		panic("on purpose")
	}
	k.n++
	return k.publish(ctx, k.n)
}

func (k *tokenKeys) KeySet() ([]byte, time.Duration) { return []byte(strconv.Itoa(k.n)), 0 }

// world is a Service on a real store and a real log.
type world struct {
	*control.Service
	t        *testing.T
	store    *store.Store
	audit    *audit
	policies *policies
	keys     *tokenKeys
	now      time.Time
	made     atomic.Int64
	log      logged // what the Service logs

	mu     sync.Mutex // guards now where RunRotations runs, and the rest
	timers []timer    // that have not fired
	asked  []time.Duration
}

// logged is what was logged, by whatever goroutine.
type logged struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// timer is a wait on the clock of a world.
type timer struct {
	at    time.Time
	fired chan time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// after is time.After on the clock of the world.
func (w *world) after(d time.Duration) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	fired := make(chan time.Time, 1)
	w.asked = append(w.asked, d)
	if d <= 0 {
		fired <- w.now
		return fired
	}
	w.timers = append(w.timers, timer{w.now.Add(d), fired})
	return fired
}

// pass moves the clock on.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	w.timers = slices.DeleteFunc(w.timers, func(waiting timer) bool {
		if waiting.at.After(w.now) {
			return false
		}
		waiting.fired <- w.now
		return true
	})
}

func newWorld(t *testing.T, settings ...func(*store.Config)) *world {
	w := &world{t: t, now: start, policies: &policies{made: map[string]uint64{}, activated: map[string]uint64{}}, keys: &tokenKeys{}}
	clock := w.clock
	var err error
	opening := store.Config{InMemory: true, Now: clock}
	for _, set := range settings {
		set(&opening)
	}
	if w.store, err = store.Open(opening); err != nil {
		t.Fatal(err)
	}
	log, err := decisionlog.Open(decisionlog.Config{
		InMemory: true, Now: clock, Log: slog.New(slog.DiscardHandler),
		Input: func(authz.Question) ([]byte, error) { return []byte(`{}`), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.audit = &audit{Log: log}
	t.Cleanup(func() {
		if err := errors.Join(log.Close(), w.store.Close()); err != nil {
			t.Error(err)
		}
	})
	secrets := 0
	keeper := credentials.New(credentials.Config{
		Store:      control.EntityStore{Store: w.store},
		LastUse:    func(string) (time.Time, string) { return time.Time{}, "" },
		Token:      func(context.Context, string) (*authz.Token, error) { return nil, errors.New("does not verify") },
		Check:      func(*authz.Credential) error { return nil },
		NewSecret:  func() string { secrets++; return fmt.Sprintf("vs_secret-number-%d", secrets) },
		HashSecret: func(text string) string { return "$argon2id$hash-of-it" },
		Now:        clock,
	})
	w.Service, err = control.New(control.Config{
		Store: w.store, Audit: w.audit, Credentials: keeper, Policies: w.policies,
		TokenKeys: func() control.TokenKeys { return w.keys },
		Judging: &control.Judging{
			Shadow:    replay.NewShadow(replay.ShadowConfig{Now: clock}),
			Evaluator: func(n uint64) (authz.Evaluator, error) { return judge{n}, nil },
			History: func() replay.History {
				return replay.History{Log: w.audit, Policies: judges{}, ViewAt: func(uint64) (replay.View, error) { return w.store.Snapshot() }}
			},
		},
		Guards:    func() []string { return []string{"network"} },
		OwnIssuer: "verdict",
		MintKey:   func(id string) (string, string) { return "vk_" + id + "_the-secret-text", strings.Repeat("a", 64) },
		NewID:     func() string { return fmt.Sprintf("change-%04d", w.made.Add(1)) },
		Now:       clock,
		After:     w.after,
		Log:       slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keys.publish = func(ctx context.Context, n int) error {
		return w.Publish(ctx, &authz.Issuer{
			Header: authz.Header{ID: "verdict"}, URL: "https://here.example", JWKSURL: fmt.Sprintf("https://here.example/jwks/%d", n),
			Algorithms: []string{"ES256"}, Audiences: []string{"a"},
		})
	}
	if _, err := w.store.Apply(t.Context(), []store.Op{
		{Entity: &authz.Tenant{Header: authz.Header{ID: "acme"}}},
		{Entity: &authz.MachineUser{Header: authz.Header{ID: "mu:a"}, Kind: "service", Origin: "internal"}},
		{Entity: &authz.MachineUser{Header: authz.Header{ID: "mu:b"}, Kind: "service", Origin: "internal"}},
		{Entity: &authz.RotationSet{Header: authz.Header{ID: "pair"}, Members: []string{"mu:a", "mu:b"}}},
		{Entity: &authz.APIKey{Header: authz.Header{ID: "old"}, Hash: strings.Repeat("b", 64), Roles: []authz.Role{authz.RoleDecide}}},
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// everyone holds every role.
var everyone = authz.Author{Key: "root", Name: "the operator", From: "10.0.0.7", RequestID: "r-1", Roles: authz.Roles()}

// changes are what the audit has, oldest first.
func (w *world) changes() []authz.AuditedChange {
	w.t.Helper()
	var all []authz.AuditedChange
	for cursor := ""; ; {
		got, err := w.audit.Changes(w.t.Context(), authz.AuditFilter{}, cursor, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, got.Items...)
		if cursor = got.NextCursor; cursor == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// asks is every way to ask for a change, by its kind.
var asks = map[authz.ChangeKind]func(*world, authz.Author) error{
	authz.ChangePut: func(w *world, by authz.Author) error {
		_, err := w.Put(w.t.Context(), by, &authz.User{Header: authz.Header{ID: "u-ana"}, Tenant: "acme"}, authz.Precondition{})
		return err
	},
	authz.ChangeDelete: func(w *world, by authz.Author) error {
		_, err := w.Delete(w.t.Context(), by, authz.MachineUsers, "mu:b", authz.Precondition{})
		return err
	},
	authz.ChangeImport: func(w *world, by authz.Author) error {
		_, err := w.Import(w.t.Context(), by, strings.NewReader(`{"collection":"users","entity":{"id":"u-eve","tenant":"acme"}}`+"\n"), nil)
		return err
	},
	authz.ChangeKeyCreate: func(w *world, by authz.Author) error {
		_, _, err := w.CreateKey(w.t.Context(), by, &authz.APIKey{Name: "gateway", Roles: []authz.Role{authz.RoleDecide}})
		return err
	},
	authz.ChangeKeyRevoke: func(w *world, by authz.Author) error {
		_, err := w.RevokeKey(w.t.Context(), by, "old")
		return err
	},
	authz.ChangeSecret: func(w *world, by authz.Author) error {
		_, _, err := w.NewSecret(w.t.Context(), by, "mu:a", "", time.Time{})
		return err
	},
	authz.ChangeRevoke: func(w *world, by authz.Author) error {
		_, err := w.Revoke(w.t.Context(), by, &authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:a"}}, "")
		return err
	},
	authz.ChangeRenew: func(w *world, by authz.Author) error {
		_, err := w.Renew(w.t.Context(), by, &authz.Renewal{Listed: authz.Listed{By: authz.BySubject, Of: "mu:a"}, IssuedBefore: start, Deadline: start.Add(time.Hour)}, "")
		return err
	},
	authz.ChangeRotationStart: func(w *world, by authz.Author) error {
		_, _, err := w.StartRotation(w.t.Context(), by, "pair", authz.AdvanceManual, nil)
		return err
	},
	authz.ChangeRotationAdvance:   step(authz.RotationAdvance),
	authz.ChangeRotationForce:     step(authz.RotationForce),
	authz.ChangeRotationAbort:     step(authz.RotationAbort),
	authz.ChangeRotationEmergency: step(authz.RotationEmergency),
	authz.ChangeTokenKeys:         func(w *world, by authz.Author) error { return w.ReplaceTokenKeys(w.t.Context(), by) },
	authz.ChangePush: func(w *world, by authz.Author) error {
		_, _, err := w.Push(w.t.Context(), by, "acme", strings.NewReader("tar"), "")
		return err
	},
	authz.ChangeRemove: func(w *world, by authz.Author) error {
		_, err := w.RemoveBundle(w.t.Context(), by, "acme", "")
		return err
	},
	authz.ChangeActivate: func(w *world, by authz.Author) error {
		_, err := w.Activate(w.t.Context(), by, 7, "")
		return err
	},
	authz.ChangeRollback: func(w *world, by authz.Author) error {
		_, err := w.Rollback(w.t.Context(), by, 0, "")
		return err
	},
	authz.ChangeMode: func(w *world, by authz.Author) error {
		_, err := w.SetMode(w.t.Context(), by, "network", "observe", "")
		return err
	},
	authz.ChangeShadowStart: func(w *world, by authz.Author) error {
		_, err := w.StartShadow(w.t.Context(), by, 7, 1)
		return err
	},
	authz.ChangeShadowStop: func(w *world, by authz.Author) error {
		_, err := w.StopShadow(w.t.Context(), by)
		return err
	},
	authz.ChangeReplay: func(w *world, by authz.Author) error {
		_, err := w.Replay(w.t.Context(), by, authz.ReplayRequest{}, nil, nil, func(uint64, uint64) {})
		return err
	},
}

func step(action string) func(*world, authz.Author) error {
	return func(w *world, by authz.Author) error {
		_, err := w.StepRotation(w.t.Context(), by, "pair", action, "")
		return err
	}
}

// prepared is a world in which a change of a kind can be made.
func prepared(t *testing.T, kind authz.ChangeKind) *world {
	w := newWorld(t)
	switch kind {
	case authz.ChangeRotationAdvance, authz.ChangeRotationForce, authz.ChangeRotationAbort, authz.ChangeRotationEmergency:
		if _, _, err := w.StartRotation(t.Context(), everyone, "pair", authz.AdvanceManual, nil); err != nil {
			t.Fatal(err)
		}
	case authz.ChangeShadowStop:
		if _, err := w.StartShadow(t.Context(), everyone, 7, 1); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestEveryChangeIsRecorded goes through every kind: allowed and refused, each has one
// record that says who, what and what came of it, and what it wrote carries its id.
func TestEveryChangeIsRecorded(t *testing.T) {
	for _, kind := range authz.ChangeKinds() {
		if kind == authz.ChangeRestore {
			continue // see TestRestore: there is nobody to ask
		}
		ask := asks[kind]
		if ask == nil {
			t.Errorf("no test asks for a change of kind %s", kind)
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			w := prepared(t, kind)
			revision := w.store.Revision()
			for _, name := range []string{authz.AuthorNode, authz.AuthorOffline} {
				if err := ask(w, authz.Author{Key: name}); authz.CodeOf(err) != authz.CodeForbidden {
					t.Errorf("a key that is called %s: error %v, want one of code forbidden", name, err)
				}
			}
			before := len(w.changes())
			stranger := authz.Author{Key: "stranger", Roles: []authz.Role{authz.RoleDecide, authz.RoleReview}}
			if err := ask(w, stranger); authz.CodeOf(err) != authz.CodeForbidden {
				t.Errorf("without the role: error %v, want one of code forbidden", err)
			}
			if w.store.Revision() != revision {
				t.Errorf("without the role the data came to revision %d, want it to stay at %d", w.store.Revision(), revision)
			}
			err := ask(w, everyone)
			want := authz.ChangeMade
			if kind == authz.ChangeRotationAdvance { // nobody has used the new secrets
				want = authz.ChangeRefused
			}
			if (err == nil) != (want == authz.ChangeMade) {
				t.Fatalf("error %v, want the change to be %s", err, want)
			}
			recorded := w.changes()[before:]
			if len(recorded) != 2 {
				t.Fatalf("%d records, want one refused and one %s: %+v", len(recorded), want, recorded)
			}
			refused, last := recorded[0], recorded[1]
			if refused.Kind != kind || refused.Outcome != authz.ChangeRefused || refused.By.Key != "stranger" || refused.Code != authz.CodeForbidden {
				t.Errorf("recorded %+v, want a refusal of stranger", refused)
			}
			last.By.Roles = everyone.Roles // not kept
			if last.Kind != kind || last.Outcome != want || !cmp.Equal(last.By, everyone) || !last.At.Equal(start) {
				t.Errorf("recorded %+v, want %s by %+v", last, want, everyone)
			}
			w.feedNames(last, revision)
		})
	}
}

// feedNames holds the change feed after a revision to the change that wrote it.
func (w *world) feedNames(c authz.AuditedChange, after uint64) {
	w.t.Helper()
	page, err := w.store.Changes(w.t.Context(), after, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	var newest uint64
	for _, written := range page.Changes {
		newest = written.Revision
		if written.By != c.ID {
			w.t.Errorf("%s %s was written by change %q, want %q", written.Collection, written.ID, written.By, c.ID)
		}
	}
	if newest != c.Revision {
		w.t.Errorf("the change says revision %d, want %d, which the feed has", c.Revision, newest)
	}
}

func TestWhatWasAndIs(t *testing.T) {
	w := newWorld(t)
	put := func(opted bool) {
		t.Helper()
		user := &authz.User{Header: authz.Header{ID: "u-ana"}, Tenant: "acme"}
		if opted {
			user.OptOuts = []string{"email"}
		}
		if _, err := w.Put(t.Context(), everyone, user, authz.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	put(false)
	put(true)
	if _, err := w.Delete(t.Context(), everyone, authz.Users, "u-ana", authz.Precondition{}); err != nil {
		t.Fatal(err)
	}
	got := w.changes()
	if got[0].Before != "" || got[0].After == "" || got[1].Before != got[0].After || got[1].After == got[1].Before || got[2].Before != got[1].After || got[2].After != "" {
		t.Errorf("the digests are %q>%q, %q>%q, %q>%q; want a chain from nothing to nothing",
			got[0].Before, got[0].After, got[1].Before, got[1].After, got[2].Before, got[2].After)
	}
	for _, c := range got {
		if c.Collection != authz.Users || c.Key != "u-ana" {
			t.Errorf("recorded of %s %s, want users u-ana", c.Collection, c.Key)
		}
	}
}

// TestUnrecordedIsUnmade: no kind of change happens when it cannot be announced.
func TestUnrecordedIsUnmade(t *testing.T) {
	for kind, ask := range asks {
		t.Run(string(kind), func(t *testing.T) {
			w := prepared(t, kind)
			revision, keys := w.store.Revision(), w.keys.n
			w.audit.announceErr = authz.Errorf(authz.CodeUnavailable, "the disk is full")
			err := ask(w, everyone)
			if authz.CodeOf(err) != authz.CodeUnavailable || !strings.Contains(err.Error(), "was not made") || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("error %v, want that it was not made because the disk is full", err)
			}
			if w.store.Revision() != revision || w.keys.n != keys || len(w.policies.made)+len(w.policies.activated) > 0 {
				t.Error("something was changed, want nothing")
			}
		})
	}
}

// TestOutcomesComeInOrder: what a change came to is recorded before the next is made.
func TestOutcomesComeInOrder(t *testing.T) {
	w := newWorld(t)
	w.audit.settleErr = errors.New("the disk is full")
	err := asks[authz.ChangePut](w, everyone)
	if authz.CodeOf(err) != authz.CodeUnavailable || !strings.Contains(err.Error(), "was made") {
		t.Errorf("error %v, want that it was made and is not recorded yet", err)
	}
	if got := w.changes(); len(got) != 1 || got[0].Outcome != authz.ChangePending {
		t.Errorf("the audit has %+v, want one pending change", got)
	}
	revision := w.store.Revision()
	if err := asks[authz.ChangeImport](w, everyone); authz.CodeOf(err) != authz.CodeUnavailable || w.store.Revision() != revision {
		t.Errorf("error %v at revision %d, want the next change not to be made before", err, w.store.Revision())
	}
	w.audit.settleErr = nil
	if err := asks[authz.ChangeImport](w, everyone); err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for _, c := range w.changes() {
		outcomes = append(outcomes, string(c.Kind)+" "+c.Outcome)
	}
	if diff := cmp.Diff([]string{"entity.put made", "import made"}, outcomes); diff != "" {
		t.Errorf("the audit (-want +got):\n%s", diff)
	}
}

// TestAPanicIsAnOutcome: a fault in the middle leaves no change pending.
func TestAPanicIsAnOutcome(t *testing.T) {
	w := newWorld(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		w.keys.fault = true
		w.ReplaceTokenKeys(t.Context(), everyone)
	}()
	if got := w.changes(); len(got) != 1 || got[0].Outcome != authz.ChangeInterrupted {
		t.Errorf("the audit has %+v, want one interrupted change", got)
	}
}

// TestRecover settles what a node that died left, at each point where it may die.
func TestRecover(t *testing.T) {
	died := errors.New("the node is gone")
	for kind, ask := range asks {
		if kind == authz.ChangeRotationAdvance {
			continue // is refused
		}
		if slices.Contains(inMemory, kind) {
			continue // see TestWhatWasInMemoryIsInterrupted
		}
		t.Run(string(kind)+" after its effect", func(t *testing.T) {
			w := prepared(t, kind)
			w.audit.settleErr = died
			if err := ask(w, everyone); authz.CodeOf(err) != authz.CodeUnavailable {
				t.Fatalf("error %v, want one of code unavailable", err)
			}
			w.audit.settleErr = nil
			w.recover()
			got := w.changes()
			if last := got[len(got)-1]; last.Outcome != authz.ChangeMade || last.Revision == 0 && last.Generation == 0 {
				t.Errorf("settled as %+v, want made, with what it made", last)
			}
		})
		t.Run(string(kind)+" before its effect", func(t *testing.T) {
			w := newWorld(t)
			c := authz.AuditedChange{ID: "change-x", Kind: kind, Outcome: authz.ChangePending, At: start, By: everyone, Base: w.store.Revision()}
			if kind == authz.ChangeTokenKeys {
				c.Before = "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9" // of "0"
			}
			if err := w.audit.Announce(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			// Another's write comes after it, and is not taken for its own.
			if _, err := w.store.Apply(authz.WithChange(t.Context(), "change-y"), []store.Op{{Entity: &authz.User{Header: authz.Header{ID: "u-other"}, Tenant: "acme"}}}); err != nil {
				t.Fatal(err)
			}
			w.recover()
			got := w.changes()
			if last := got[len(got)-1]; last.ID != "change-x" || last.Outcome != authz.ChangeNotMade {
				t.Errorf("settled as %+v, want not made", last)
			}
		})
	}
}

// inMemory are the kinds of change that leave nothing on the disk.
var inMemory = []authz.ChangeKind{authz.ChangeShadowStart, authz.ChangeShadowStop, authz.ChangeReplay}

// TestWhatWasInMemoryIsInterrupted: of a shadow and a replay nothing is left that could
// tell.
func TestWhatWasInMemoryIsInterrupted(t *testing.T) {
	for _, kind := range inMemory {
		w := prepared(t, kind)
		w.audit.settleErr = errors.New("the node is gone")
		if err := asks[kind](w, everyone); authz.CodeOf(err) != authz.CodeUnavailable {
			t.Fatalf("error %v, want one of code unavailable", err)
		}
		w.audit.settleErr = nil
		w.recover()
		got := w.changes()
		if last := got[len(got)-1]; last.Kind != kind || last.Outcome != authz.ChangeInterrupted {
			t.Errorf("settled as %+v, want %s interrupted", last, kind)
		}
	}
}

func (w *world) recover() {
	w.t.Helper()
	if err := w.Recover(w.t.Context(), true); err != nil {
		w.t.Fatal(err)
	}
	if pending, err := w.audit.Pending(w.t.Context()); err != nil || len(pending) > 0 {
		w.t.Errorf("%d changes are pending after Recover (%v), want none", len(pending), err)
	}
}

// TestRefusalsAreBounded: a key that asks for what it may not do, as fast as it can,
// takes a bounded share of the audit, and what is not recorded is counted.
func TestRefusalsAreBounded(t *testing.T) {
	w := newWorld(t)
	stranger := authz.Author{Key: "stranger"}
	const asked = 5000
	for range asked {
		if err := asks[authz.ChangePut](w, stranger); authz.CodeOf(err) != authz.CodeForbidden {
			t.Fatalf("error %v, want forbidden", err)
		}
	}
	if n := len(w.changes()); n == 0 || n > 20 {
		t.Errorf("%d refusals were recorded one by one, want some and at most 20", n)
	}
	if err := asks[authz.ChangePut](w, authz.Author{Key: "another"}); authz.CodeOf(err) != authz.CodeForbidden {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Hour)
	if err := asks[authz.ChangePut](w, stranger); authz.CodeOf(err) != authz.CodeForbidden {
		t.Fatal(err)
	}
	var told uint64
	others := 0
	for _, c := range w.changes() {
		if c.By.Key == "another" {
			others++
			continue
		}
		told += 1 + c.Omitted
	}
	if told != asked+1 || others != 1 {
		t.Errorf("the audit tells of %d refusals of the one key and %d of the other, want %d and 1", told, others, asked+1)
	}
}

// TestNoSecretIsRecorded looks for every secret that was made in what is kept of it.
func TestNoSecretIsRecorded(t *testing.T) {
	w := newWorld(t)
	key, _, err := w.CreateKey(t.Context(), everyone, &authz.APIKey{Name: "gateway", Roles: []authz.Role{authz.RoleDecide}})
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := w.NewSecret(t.Context(), everyone, "mu:a", "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	_, started, err := w.StartRotation(t.Context(), everyone, "pair", authz.AdvanceManual, nil)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{key, secret, strings.Repeat("a", 64), "$argon2id$hash-of-it", started["mu:a"], started["mu:b"]}
	for _, c := range w.changes() {
		_, record, err := w.audit.Change(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v %+v %+v", c, record, record.Change)
		for _, s := range secrets {
			if s == "" || strings.Contains(text, s) {
				t.Errorf("%q is in the record of %s, want it nowhere", s, c.Kind)
			}
		}
	}
}

func TestRules(t *testing.T) {
	author := authz.Author{Key: "half", Roles: []authz.Role{authz.RoleOperate}}
	put := func(e authz.Entity) func(*world) error {
		return func(w *world) error {
			_, err := w.Put(w.t.Context(), author, e, authz.Precondition{})
			return err
		}
	}
	remove := func(c authz.Collection, key string, p authz.Precondition) func(*world) error {
		return func(w *world) error {
			_, err := w.Delete(w.t.Context(), author, c, key, p)
			return err
		}
	}
	tests := map[string]struct {
		ask         func(*world) error
		code        authz.ErrorCode
		field, says string
	}{
		"a key with a role its author lacks": {func(w *world) error {
			_, _, err := w.CreateKey(w.t.Context(), author, &authz.APIKey{Name: "x", Roles: []authz.Role{authz.RoleOperate, authz.RoleAuthor}})
			return err
		}, authz.CodeForbidden, "roles[1]", "API key half does not have"},
		"a key that has expired": {func(w *world) error {
			_, _, err := w.CreateKey(w.t.Context(), author, &authz.APIKey{Name: "x", Roles: []authz.Role{authz.RoleOperate}, ExpiresAt: start})
			return err
		}, authz.CodeInvalid, "expires_at", "past"},
		"a key revokes itself":         {func(w *world) error { _, err := w.RevokeKey(w.t.Context(), author, "half"); return err }, authz.CodeConflict, "id", "another one"},
		"a key that is not there":      {func(w *world) error { _, err := w.RevokeKey(w.t.Context(), author, "nobody"); return err }, authz.CodeNotFound, "", ""},
		"a key as an entity":           {put(&authz.APIKey{Header: authz.Header{ID: "k"}, Hash: strings.Repeat("a", 64), Roles: authz.Roles()}), authz.CodeInvalid, "collection", "key create"},
		"a rotation as an entity":      {put(&authz.Rotation{Header: authz.Header{ID: "pair"}}), authz.CodeInvalid, "collection", "steps alone"},
		"an API key deleted":           {remove(authz.APIKeys, "old", authz.Precondition{}), authz.CodeInvalid, "collection", "revoked and kept"},
		"a rotation deleted":           {remove(authz.Rotations, "pair", authz.Precondition{}), authz.CodeInvalid, "collection", "steps alone"},
		"our own issuer":               {put(&authz.Issuer{Header: authz.Header{ID: "verdict"}, URL: "https://here.example", JWKSURL: "https://here.example/jwks", Algorithms: []string{"ES256"}, Audiences: []string{"a"}}), authz.CodeInvalid, "id", "token service's own"},
		"our own issuer deleted":       {remove(authz.Issuers, "verdict", authz.Precondition{}), authz.CodeConflict, "", "token service's own"},
		"a mode for no guard":          {put(&authz.Edge{From: "mu:a", To: "svc:x", Actions: []string{"*"}, Modes: map[string]string{"netwrok": "off"}}), authz.CodeInvalid, "modes.netwrok", "they have network"},
		"a revocation by no issuer":    {put(&authz.Revocation{Listed: authz.Listed{By: authz.ByToken, Issuer: "https://nobody.example", Name: "t1"}}), authz.CodeInvalid, "issuer", "registered issuer"},
		"a machine user at revision 0": {remove(authz.MachineUsers, "mu:a", authz.IfRevision(0)), authz.CodePrecondition, "", ""},
		"a machine user elsewhere":     {remove(authz.MachineUsers, "mu:nobody", authz.IfPresent()), authz.CodePrecondition, "", ""},
		"a message for a terminal":     {func(w *world) error { _, err := w.Activate(w.t.Context(), everyone, 7, "\x1b[2J"); return err }, authz.CodeInvalid, "message", "control character"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			revision := w.store.Revision()
			err := test.ask(w)
			var fault *authz.Error
			if !errors.As(err, &fault) || fault.Code != test.code || fault.Field != test.field || !strings.Contains(fault.Error(), test.says) {
				t.Errorf("error %#v, want code %s of field %q saying %q", err, test.code, test.field, test.says)
			}
			if got := w.changes(); len(got) != 1 || got[0].Outcome != authz.ChangeRefused || got[0].Code != test.code || got[0].Error == "" {
				t.Errorf("the audit has %+v, want one refusal of code %s with its reason", got, test.code)
			}
			if w.store.Revision() != revision {
				t.Error("something was written, want nothing")
			}
		})
	}
}

// TestImportIsRecordedByChunk: each chunk that is committed has one record, and their
// lines follow each other.
func TestImportIsRecordedByChunk(t *testing.T) {
	w := newWorld(t)
	var lines strings.Builder
	const n = 20_000
	for i := range n {
		if i == 5 {
			lines.WriteString(`{"collection":"users","entity":{"id":"bad id"}}` + "\n")
			continue
		}
		fmt.Fprintf(&lines, `{"collection":"users","entity":{"id":"u-%d","tenant":"acme"}}`+"\n", i)
	}
	report, err := w.Import(t.Context(), everyone, strings.NewReader(lines.String()), nil)
	if err != nil || report.Written != n-1 || report.Failed != 1 {
		t.Fatalf("%+v, %v; want %d written and 1 failed", report, err, n-1)
	}
	got := w.changes()
	if len(got) < 2 {
		t.Fatalf("%d records, want one for each of several chunks", len(got))
	}
	next, written, failed, revision := 1, 0, 0, uint64(0)
	for _, c := range got {
		if c.Kind != authz.ChangeImport || c.Outcome != authz.ChangeMade || c.Import == nil || c.Import.First != next || !strings.HasPrefix(c.Import.Digest, "sha256:") || c.Revision <= revision {
			t.Fatalf("recorded %+v %+v, want a chunk from line %d made after revision %d", c, c.Import, next, revision)
		}
		next, written, failed, revision = c.Import.Last+1, written+c.Import.Written, failed+c.Import.Failed, c.Revision
	}
	if next != n+1 || written != n-1 || failed != 1 || revision != report.Revision {
		t.Errorf("the records end at line %d with %d written and %d failed at revision %d, want %d, %d, 1 and %d", next-1, written, failed, revision, n, n-1, report.Revision)
	}
	w.feedNamesAll(got)
	// The same lines again change nothing, and say so.
	if _, err := w.Import(t.Context(), everyone, strings.NewReader(lines.String()), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.changes()[len(got):] {
		if c.Outcome != authz.ChangeMade || c.Revision != 0 || c.Import.Written != 0 {
			t.Errorf("recorded %+v %+v of lines that were there, want no revision", c, c.Import)
		}
	}
}

// feedNamesAll holds each write of the feed to a change that has its revision.
func (w *world) feedNamesAll(changes []authz.AuditedChange) {
	w.t.Helper()
	at := map[string]uint64{}
	for _, c := range changes {
		at[c.ID] = c.Revision
	}
	for after := uint64(1); after < w.store.Revision(); {
		page, err := w.store.Changes(w.t.Context(), after, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range page.Changes {
			if last, ok := at[c.By]; !ok || c.Revision > last {
				w.t.Fatalf("revision %d was written by %q, want a change of the audit with it", c.Revision, c.By)
			}
		}
		after = page.NextAfter
	}
}

// TestABrokenImportIsRecorded: the body ends in an error before its first chunk.
func TestABrokenImportIsRecorded(t *testing.T) {
	w := newWorld(t)
	body := iotest.ErrReader(authz.Invalid("", "the body ended before its stated length"))
	if _, err := w.Import(t.Context(), everyone, body, nil); authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("error %v, want that of the body", err)
	}
	if got := w.changes(); len(got) != 1 || got[0].Kind != authz.ChangeImport || got[0].Outcome == authz.ChangeMade {
		t.Errorf("the audit has %+v, want one import that was not made", got)
	}
}

func TestFirstKeys(t *testing.T) {
	w := newWorld(t)
	if err := w.FirstKeys(t.Context(), func(string, string) error { t.Error("a key was made beside one that is there"); return nil }); err != nil {
		t.Fatal(err)
	}
	empty, err := store.Open(store.Config{InMemory: true, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	service, err := control.New(control.Config{
		Store: empty, Audit: w.audit, Now: func() time.Time { return start }, NewID: func() string { return "first" },
		MintKey: func(id string) (string, string) { return "text of " + id, strings.Repeat("c", 64) },
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("the folder is read-only")
	if err := service.FirstKeys(t.Context(), func(string, string) error { return failed }); !errors.Is(err, failed) || empty.Counts()[authz.APIKeys] != 0 {
		t.Errorf("error %v and %d keys, want no key whose text nobody has", err, empty.Counts()[authz.APIKeys])
	}
}

// TestFollow sees what is written by any way in, in order, once.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan string, 100)
	ended := make(chan struct{})
	from := w.store.Revision()
	go func() {
		defer close(ended)
		w.Follow(ctx, from, func(c authz.Collection, key string) { seen <- string(c) + " " + key }, func() { seen <- "lost" })
	}()
	for _, kind := range []authz.ChangeKind{authz.ChangePut, authz.ChangeImport} {
		if err := asks[kind](w, everyone); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.store.Apply(t.Context(), []store.Op{{Collection: authz.Users, Key: "u-ana"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"users u-ana", "users u-eve", "users u-ana"} {
		if got := <-seen; got != want {
			t.Errorf("followed %q, want %q", got, want)
		}
	}
	stop()
	<-ended
}

// TestOneAuthorsShare: an author whose changes are slow keeps itself waiting and nobody
// else, and what has yet to arrive is not announced.
func TestOneAuthorsShare(t *testing.T) {
	w := newWorld(t)
	const asked = 40
	body := slowBody{began: make(chan struct{}, asked), arrives: make(chan struct{})}
	var pushing sync.WaitGroup
	for range asked {
		pushing.Go(func() {
			if _, _, err := w.Push(t.Context(), everyone, "acme", body, ""); err != nil {
				t.Errorf("a slow push ended with %v, want nil", err)
			}
		})
	}
	<-body.began
	if pending, err := w.audit.Pending(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("%d changes are announced (%v) before they have arrived, want none", len(pending), err)
	}
	other := everyone
	other.Key = "other"
	if err := asks[authz.ChangePut](w, other); err != nil {
		t.Errorf("another's change ended with %v, want it made meanwhile", err)
	}
	if n := len(body.began); n >= asked-1 {
		t.Errorf("%d pushes of one author are under way at once, want fewer than were asked for", n+1)
	}
	close(body.arrives)
	pushing.Wait()
	if n := len(w.changes()); n != asked+1 {
		t.Errorf("%d changes are recorded, want %d", n, asked+1)
	}
}

// slowBody says that it is read, and ends when it is let.
type slowBody struct{ began, arrives chan struct{} }

func (b slowBody) Read([]byte) (int, error) {
	b.began <- struct{}{}
	<-b.arrives
	return 0, io.EOF
}

// TestRefusedAttemptsAreBounded: a key that may ask, and asks for what cannot be as fast
// as it can, takes a bounded share of the audit too; another kind, and another key, go on.
func TestRefusedAttemptsAreBounded(t *testing.T) {
	w := newWorld(t)
	const asked = 2000
	waited := 0
	for range asked {
		_, err := w.Put(t.Context(), everyone, &authz.User{Header: authz.Header{ID: "u-x"}, Tenant: "acme"}, authz.IfRevision(77))
		switch authz.CodeOf(err) {
		case authz.CodePrecondition:
		case authz.CodeUnavailable:
			waited++
		default:
			t.Fatalf("error %v, want that the condition does not hold, or that it has to wait", err)
		}
	}
	if n := len(w.changes()); n+waited != asked || n > 150 {
		t.Errorf("%d attempts are recorded and %d had to wait, want %d together and at most 150 recorded", n, waited, asked)
	}
	if err := asks[authz.ChangeKeyCreate](w, everyone); err != nil {
		t.Errorf("a change of another kind ended with %v, want it made", err)
	}
	other := everyone
	other.Key = "other"
	if err := asks[authz.ChangePut](w, other); err != nil {
		t.Errorf("another's change ended with %v, want it made", err)
	}
	w.now = w.now.Add(time.Minute)
	if err := asks[authz.ChangePut](w, everyone); err != nil {
		t.Errorf("a change a minute later ended with %v, want it made", err)
	}
}

// TestWhatWasCountedIsRecorded: the end of a node does not lose what it counted.
func TestWhatWasCountedIsRecorded(t *testing.T) {
	w := newWorld(t)
	stranger := authz.Author{Key: "stranger"}
	for range 50 {
		asks[authz.ChangePut](w, stranger)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.Run(ctx); err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
	var told uint64
	for _, c := range w.changes() {
		if told += 1 + c.Omitted; c.By.Key != "stranger" || c.Outcome != authz.ChangeRefused {
			t.Errorf("recorded %+v, want a refusal of stranger", c)
		}
	}
	if told != 50 {
		t.Errorf("the audit tells of %d refusals, want 50", told)
	}
}

// TestHangingUpLeavesNothingPending: authors that go away at any moment leave no intent
// behind, and what was made is recorded as made.
func TestHangingUpLeavesNothingPending(t *testing.T) {
	w := newWorld(t)
	var asking sync.WaitGroup
	for worker := range 8 {
		asking.Go(func() {
			for i := range 50 {
				ctx, hangUp := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration(i%10)*20*time.Microsecond, hangUp)
				w.Put(ctx, everyone, &authz.User{Header: authz.Header{ID: fmt.Sprintf("u-%d-%d", worker, i)}, Tenant: "acme"}, authz.Precondition{})
				hangUp()
			}
		})
	}
	asking.Wait()
	if pending, err := w.audit.Pending(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("%d changes are pending (%v), want none", len(pending), err)
	}
	made := map[string]bool{}
	for _, c := range w.changes() {
		if c.Outcome == authz.ChangeMade {
			made[c.Key] = true
		}
	}
	page, err := w.store.List(t.Context(), authz.Query{Collection: authz.Users, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range page.Items {
		if !made[user.Head().ID] {
			t.Errorf("%s was written, and no change says so", user.Head().ID)
		}
		delete(made, user.Head().ID)
	}
	if len(made) > 0 {
		t.Errorf("%d changes are recorded as made and not there", len(made))
	}
}

// TestAnUnsureAnnouncementIsSettled: the log could not say whether it has the intent.
func TestAnUnsureAnnouncementIsSettled(t *testing.T) {
	w := newWorld(t)
	unsure := errors.New("the record is not known to be there")
	w.audit.announced = func(ctx context.Context, c authz.AuditedChange) error {
		if err := w.audit.Log.Announce(ctx, c); err != nil {
			return err
		}
		return unsure
	}
	if err := asks[authz.ChangePut](w, everyone); !errors.Is(err, unsure) {
		t.Fatalf("error %v, want that it could not be recorded", err)
	}
	w.audit.announced = nil
	if err := asks[authz.ChangeImport](w, everyone); err != nil {
		t.Fatal(err)
	}
	got := w.changes()
	if len(got) != 2 || got[0].Kind != authz.ChangePut || got[0].Outcome != authz.ChangeFailed || got[1].Outcome != authz.ChangeMade {
		t.Errorf("the audit has %+v, want the put failed and the import made", got)
	}
}

// TestARunningRotationIsNotImported: its steps are taken on evidence alone.
func TestARunningRotationIsNotImported(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.StartRotation(t.Context(), everyone, "pair", authz.AdvanceManual, nil); err != nil {
		t.Fatal(err)
	}
	var export strings.Builder
	if _, err := w.store.Export(t.Context(), &export, authz.Rotations); err != nil {
		t.Fatal(err)
	}
	same, err := w.Import(t.Context(), everyone, strings.NewReader(export.String()), nil)
	if err != nil || same.Unchanged != 1 {
		t.Errorf("the same again: %+v, %v; want it unchanged", same, err)
	}
	moved := strings.Replace(export.String(), `"phase":"propagate"`, `"phase":"drain"`, 1)
	report, err := w.Import(t.Context(), everyone, strings.NewReader(moved), nil)
	if err != nil || report.Failed != 1 || report.Written != 0 || moved == export.String() {
		t.Errorf("a phase ahead: %+v, %v; want it refused", report, err)
	}
}

func TestRestore(t *testing.T) {
	w := newWorld(t)
	failed := errors.New("the backup is damaged")
	for id, fault := range map[string]error{"good": nil, "bad": failed} {
		err := control.Restore(t.Context(), w.audit, authz.AuditedChange{ID: id, At: start, By: authz.Offline()}, func() (uint64, error) {
			if pending, err := w.audit.Pending(t.Context()); err != nil || len(pending) != 1 {
				t.Errorf("%d changes are announced while it is restored (%v), want one", len(pending), err)
			}
			return 12, fault
		})
		if !errors.Is(err, fault) {
			t.Errorf("error %v, want %v", err, fault)
		}
		c, _, err := w.audit.Change(t.Context(), id)
		if want := map[bool]string{true: authz.ChangeMade, false: authz.ChangeFailed}[fault == nil]; err != nil || c.Outcome != want {
			t.Errorf("recorded %+v (%v), want %s", c, err, want)
		}
	}
	w.audit.announceErr = failed
	err := control.Restore(t.Context(), w.audit, authz.AuditedChange{ID: "none"}, func() (uint64, error) {
		t.Error("it was restored, and nothing tells of it")
		return 0, nil
	})
	if authz.CodeOf(err) != authz.CodeUnavailable {
		t.Errorf("error %v, want that it was not made", err)
	}
}

// TestFollowOutlivesAFault: a feed that cannot be read for a while stops nothing, and
// nothing of it is missed.
func TestFollowOutlivesAFault(t *testing.T) {
	w := newWorld(t)
	from := w.store.Revision()
	if err := asks[authz.ChangePut](w, everyone); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.Follow(ctx, from, func(authz.Collection, string) { t.Error("a closed store told of a write") }, func() { t.Error("the feed counts as lost") })
		}()
		<-time.After(10 * time.Second) // of the bubble
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Follow ended while its context goes on")
		default:
		}
		stop()
		<-ended
	})
}
