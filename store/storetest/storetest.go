// Package storetest is the behaviour suite of a store.Store: what every way of
// opening one (on disk, in memory, with a small hot limit) must do alike.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/store"
)

// Clock is a clock that tests set.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

// Now is the time the clock was set to.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Open opens an empty store that reads clock and is closed with the test.
type Open func(t *testing.T, clock *Clock) *store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *store.Store, *Clock){
		"create, read, replace, delete": testLifeOfAnEntity,
		"every collection":              testEveryCollection,
		"preconditions":                 testPreconditions,
		"batches are atomic":            testBatches,
		"refused entities":              testRefused,
		"one issuer per URL":            testIssuerURL,
		"directory":                     testDirectory,
		"machine users succeed":         testMachineUserSucceeds,
		"credentials succeed":           testCredentialSucceeds,
		"concurrent writes":             testConcurrentWrites,
		"cancelled write":               testCancelledWrite,
		"lists":                         testLists,
		"cursors":                       testCursors,
		"snapshots are isolated":        testSnapshots,
		"facts under a first id":        testUnder,
		"change feed":                   testFeed,
		"waiting":                       testWaiting,
		"expiry":                        testExpiry,
		"import":                        testImport,
		"import reports bad lines":      testImportBadLines,
		"export and import round trip":  testRoundTrip,
		"closed store":                  testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			clock := NewClock()
			test(t, open(t, clock), clock)
		})
	}
}

// Samples is one valid entity of each collection, without headers.
func Samples() []authz.Entity {
	id := func(id string) authz.Header { return authz.Header{ID: id} }
	later := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	return []authz.Entity{
		&authz.Plan{Header: id("business"), Name: "Business"},
		&authz.Tenant{Header: id("acme"), Name: "Acme", Plan: "business", State: "active"},
		&authz.User{Header: id("u-ana"), Tenant: "acme", State: "active", Addresses: []authz.Address{{ID: "a1", Purpose: "billing", Verified: true}}},
		&authz.Service{Header: id("svc:email"), Tier: 1, Env: "prod", Owner: "core", DataClass: "pii"},
		&authz.MachineUser{Header: id("mu:user-svc"), Kind: "service", Origin: "internal", Tenant: "acme", Env: "prod", Owner: "core", State: "active"},
		&authz.Edge{From: "mu:user-svc", To: "svc:email", Actions: []string{"email.send"}, Owner: "core"},
		&authz.Entitlement{Holder: "user:u-ana", Feature: "email.invoice.issued", Source: "support", ExpiresAt: later},
		&authz.Entitlement{Holder: "plan:business", Feature: "email.invoice.issued"},
		&authz.Issuer{Header: id("demo"), URL: "https://issuer.example", JWKSURL: "https://issuer.example/jwks", Algorithms: []string{"ES256"}},
		&authz.Credential{Header: id("cred-1"), MachineUser: "mu:user-svc", Kind: authz.KindPublicKey, Keys: []byte(`{"keys":[]}`)},
		&authz.Credential{Header: id("cred-2"), MachineUser: "mu:user-svc", Kind: authz.KindSharedSecret, Generation: 2, SecretHash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"},
		&authz.Credential{Header: id("cred-3"), MachineUser: "mu:user-svc", Kind: authz.KindCertificate, Issuer: "demo", Names: []string{"spiffe://prod.example/user-svc", "dns:user-svc.example"}},
		&authz.RotationSet{Header: id("mail-pair"), Members: []string{"mu:user-svc", "mu:mail-svc"}, Kind: authz.KindSharedSecret, Owner: "core"},
		&authz.Rotation{Header: id("mail-pair"), Phase: authz.PhaseDrain, Kind: authz.KindSharedSecret, QuietS: 600,
			Members: []authz.RotationMember{{MachineUser: "mu:user-svc", Old: []string{"cred-1"}, New: "cred-2"}},
			Steps:   []authz.RotationStep{{Step: authz.StepPrepare, At: later.AddDate(0, 0, -1)}}},
		&authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:other"}, Until: later},
		&authz.Renewal{Listed: authz.Listed{By: "tenant", Of: "acme"}, IssuedBefore: later, Deadline: later},
		&authz.APIKey{Header: id("k1"), Name: "pep", Hash: strings.Repeat("a", 64), Roles: []authz.Role{authz.RoleDecide}},
	}
}

// User is a valid user.
func User(id, tenant string) *authz.User {
	return &authz.User{Header: authz.Header{ID: id}, Tenant: tenant}
}

// Put writes entities in one write and returns its revision.
func Put(t *testing.T, s *store.Store, entities ...authz.Entity) uint64 {
	t.Helper()
	ops := make([]store.Op, len(entities))
	for i, entity := range entities {
		ops[i].Entity = entity
	}
	return Apply(t, s, ops...)
}

// Delete deletes an entity and returns the revision that did.
func Delete(t *testing.T, s *store.Store, c authz.Collection, key string) uint64 {
	t.Helper()
	return Apply(t, s, store.Op{Collection: c, Key: key})
}

// Apply applies ops and returns the revision.
func Apply(t *testing.T, s *store.Store, ops ...store.Op) uint64 {
	t.Helper()
	result, err := s.Apply(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	return result.Revision
}

// View opens a snapshot that is closed with the test.
func View(t *testing.T, s *store.Store) *store.Snapshot {
	t.Helper()
	view, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	return view
}

func wantCode(t *testing.T, err error, code authz.ErrorCode) {
	t.Helper()
	if got := authz.CodeOf(err); got != code {
		t.Fatalf("code %q, want %q: %v", got, code, err)
	}
}

func wantRevision(t *testing.T, s *store.Store, revision uint64) {
	t.Helper()
	if got := s.Revision(); got != revision {
		t.Fatalf("revision %d, want %d", got, revision)
	}
}

// asJSON compares entities whatever their unexported parts.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := ijson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func testLifeOfAnEntity(t *testing.T, s *store.Store, clock *Clock) {
	created := clock.Now()
	user := User("u-ana", "acme")
	if got := Put(t, s, user); got != 1 {
		t.Fatalf("first write got revision %d", got)
	}
	want := authz.Header{ID: "u-ana", CreatedAt: created, UpdatedAt: created, Revision: 1}
	if diff := cmp.Diff(want, user.Header); diff != "" {
		t.Fatal("header of what was applied:", diff)
	}

	clock.Advance(time.Minute)
	again := User("u-ana", "globex")
	again.CreatedAt, again.Revision = created.Add(time.Hour), 99 // the store ignores both
	Put(t, s, again)
	got, err := s.Get(authz.Users, "u-ana")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, again), asJSON(t, got)); diff != "" {
		t.Fatal(diff)
	}
	want = authz.Header{ID: "u-ana", CreatedAt: created, UpdatedAt: clock.Now(), Revision: 2}
	if diff := cmp.Diff(want, *got.Head()); diff != "" {
		t.Fatal(diff)
	}

	if got := Delete(t, s, authz.Users, "u-ana"); got != 3 {
		t.Fatalf("delete got revision %d", got)
	}
	_, err = s.Get(authz.Users, "u-ana")
	wantCode(t, err, authz.CodeNotFound)
	_, err = s.Apply(t.Context(), []store.Op{{Collection: authz.Users, Key: "u-ana"}})
	wantCode(t, err, authz.CodeNotFound)

	back := User("u-ana", "acme")
	Put(t, s, back)
	if back.Revision != 4 || !back.CreatedAt.Equal(clock.Now()) {
		t.Fatalf("a put after a delete made %+v", back.Header)
	}
	if got := s.Counts()[authz.Users]; got != 1 {
		t.Fatalf("%d users", got)
	}
}

func testEveryCollection(t *testing.T, s *store.Store, _ *Clock) {
	samples := Samples()
	Put(t, s, samples...)
	view := View(t, s)
	counts := map[authz.Collection]uint64{}
	for _, sample := range samples {
		c, key := sample.Collection(), sample.Head().ID
		counts[c]++
		got, err := view.Entity(c, key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asJSON(t, sample), asJSON(t, got)); diff != "" {
			t.Errorf("%s %s (-want +got): %s", c, key, diff)
		}
		fact, ok, err := view.Fact(c, key)
		if !ok || err != nil {
			t.Fatalf("%s %s is there: %t, %v; want it", c, key, ok, err)
		}
		if diff := cmp.Diff(authz.Fact{Key: key, Revision: 1, JSON: []byte(asJSON(t, sample))}, fact); diff != "" {
			t.Errorf("%s %s (-want +got): %s", c, key, diff)
		}
		for _, filter := range c.Filters() {
			page, err := s.List(t.Context(), authz.Query{Collection: c, Filters: map[string]string{filter: sample.Field(filter)}})
			if value := sample.Field(filter); value == "" {
				wantCode(t, err, authz.CodeInvalid)
				continue
			}
			if err != nil || len(page.Items) == 0 {
				t.Errorf("%s by %s: %d items, %v", c, filter, len(page.Items), err)
			}
		}
	}
	if diff := cmp.Diff(counts, s.Counts()); diff != "" {
		t.Error(diff)
	}
	issuer, ok, err := view.IssuerByURL("https://issuer.example")
	if !ok || err != nil || issuer.ID != "demo" {
		t.Errorf("issuer by URL: %v %v %v", issuer, ok, err)
	}
	if _, ok, err := view.IssuerByURL("https://other.example"); ok || err != nil {
		t.Errorf("unknown issuer: %v %v", ok, err)
	}
	key, ok, err := view.APIKey("k1")
	if !ok || err != nil || key.Name != "pep" {
		t.Errorf("API key: %v %v %v", key, ok, err)
	}
	for _, sample := range samples {
		Delete(t, s, sample.Collection(), sample.Head().ID)
	}
	for c, n := range s.Counts() {
		if n != 0 {
			t.Errorf("%d %s are left", n, c)
		}
		page, err := s.List(t.Context(), authz.Query{Collection: c})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("%s: %d items, %v", c, len(page.Items), err)
		}
	}
}

func testPreconditions(t *testing.T, s *store.Store, _ *Clock) {
	put := func(p authz.Precondition) store.Op { return store.Op{Entity: User("u", "t"), If: p} }
	remove := func(p authz.Precondition) store.Op { return store.Op{Collection: authz.Users, Key: "u", If: p} }
	steps := []struct {
		name string
		op   store.Op
		code authz.ErrorCode // empty: it is written
	}{
		{"put if present, absent", put(authz.IfPresent()), authz.CodePrecondition},
		{"put of revision, absent", put(authz.IfRevision(1)), authz.CodePrecondition},
		{"delete, absent", remove(authz.Precondition{}), authz.CodeNotFound},
		{"delete of revision, absent", remove(authz.IfRevision(1)), authz.CodePrecondition},
		{"create", put(authz.AsNew()), ""}, // revision 1
		{"create again", put(authz.AsNew()), authz.CodeConflict},
		{"put if absent", put(authz.IfAbsent()), authz.CodePrecondition},
		{"put of another revision", put(authz.IfRevision(7)), authz.CodePrecondition},
		{"put of its revision", put(authz.IfRevision(1)), ""}, // revision 2
		{"put of its old revision", put(authz.IfRevision(1)), authz.CodePrecondition},
		{"put if present", put(authz.IfPresent()), ""}, // revision 3
		{"delete of its old revision", remove(authz.IfRevision(2)), authz.CodePrecondition},
		{"delete if absent", remove(authz.IfAbsent()), authz.CodePrecondition},
		{"delete of its revision", remove(authz.IfRevision(3)), ""}, // revision 4
		{"put if absent, deleted", put(authz.IfAbsent()), ""},       // revision 5
		{"put of the revision before its delete", put(authz.IfRevision(3)), authz.CodePrecondition},
	}
	revision := uint64(0)
	for _, step := range steps {
		result, err := s.Apply(t.Context(), []store.Op{step.op})
		if got := authz.CodeOf(err); got != step.code {
			t.Fatalf("%s: code %q, want %q", step.name, got, step.code)
		}
		if err == nil {
			revision++
			if result.Revision != revision {
				t.Fatalf("%s: revision %d, want %d", step.name, result.Revision, revision)
			}
		}
		wantRevision(t, s, revision)
	}
}

func testBatches(t *testing.T, s *store.Store, _ *Clock) {
	Put(t, s, User("a", "t"))
	_, err := s.Apply(t.Context(), []store.Op{
		{Entity: User("b", "t")},
		{Collection: authz.Users, Key: "a"},
		{Entity: &authz.Tenant{Header: authz.Header{ID: "t"}}},
		{Collection: authz.Users, Key: "missing"},
	})
	wantCode(t, err, authz.CodeNotFound)
	if ours := err.(*authz.Error); ours.Field != "ops[3]" {
		t.Errorf("field %q", ours.Field)
	}
	wantRevision(t, s, 1)
	if diff := cmp.Diff(map[authz.Collection]uint64{authz.Users: 1}, nonZero(s.Counts())); diff != "" {
		t.Fatal(diff)
	}
	// Operations see the ones before them.
	Apply(t, s,
		store.Op{Collection: authz.Users, Key: "a"},
		store.Op{Entity: User("a", "t2"), If: authz.AsNew()},
		store.Op{Entity: User("b", "t2"), If: authz.AsNew()},
		store.Op{Collection: authz.Users, Key: "b"},
	)
	wantRevision(t, s, 2)
	if diff := cmp.Diff([]string{"a"}, ids(t, s, authz.Query{Collection: authz.Users, Filters: map[string]string{"tenant": "t2"}})); diff != "" {
		t.Fatal(diff)
	}
	_, err = s.Apply(t.Context(), nil)
	wantCode(t, err, authz.CodeInvalid)
}

func nonZero(counts map[authz.Collection]uint64) map[authz.Collection]uint64 {
	for c, n := range counts {
		if n == 0 {
			delete(counts, c)
		}
	}
	return counts
}

func testRefused(t *testing.T, s *store.Store, _ *Clock) {
	for name, op := range map[string]store.Op{
		"invalid entity":        {Entity: &authz.User{Header: authz.Header{ID: "a/b"}}},
		"no id":                 {Entity: &authz.User{}},
		"key of another":        {Key: "b", Entity: User("a", "t")},
		"another collection":    {Collection: authz.Tenants, Entity: User("a", "t")},
		"unknown collection":    {Collection: "unicorns", Key: "a"},
		"delete without key":    {Collection: authz.Users},
		"pair key with one id":  {Collection: authz.Edges, Key: "mu:a"},
		"pair key with another": {Key: "mu:a/svc:b", Entity: &authz.Edge{From: "mu:a", To: "svc:c", Actions: []string{"*"}}},
	} {
		_, err := s.Apply(t.Context(), []store.Op{op})
		if got := authz.CodeOf(err); got != authz.CodeInvalid {
			t.Errorf("%s: code %q: %v", name, got, err)
		}
	}
	large := &authz.Entitlement{Holder: "user:a", Feature: "f", Attributes: map[string]string{}}
	for i := range 400 {
		large.Attributes[fmt.Sprintf("a%d", i)] = strings.Repeat("x", 2000)
	}
	_, err := s.Apply(t.Context(), []store.Op{{Entity: large}})
	wantCode(t, err, authz.CodeTooLarge)
	wantRevision(t, s, 0)
}

func testIssuerURL(t *testing.T, s *store.Store, _ *Clock) {
	issuer := func(id, url string) store.Op {
		return store.Op{Entity: &authz.Issuer{Header: authz.Header{ID: id}, URL: url, JWKSURL: "https://x.example/jwks", Algorithms: []string{"ES256"}}}
	}
	Apply(t, s, issuer("a", "https://a"), issuer("b", "https://b"))
	_, err := s.Apply(t.Context(), []store.Op{issuer("c", "https://a")})
	wantCode(t, err, authz.CodeConflict)
	_, err = s.Apply(t.Context(), []store.Op{issuer("c", "https://c"), issuer("d", "https://c")})
	wantCode(t, err, authz.CodeConflict)
	Apply(t, s, issuer("a", "https://a")) // itself is no rival
	Apply(t, s, issuer("a", "https://a2"), issuer("c", "https://a"))
	Apply(t, s, store.Op{Collection: authz.Issuers, Key: "b"}, issuer("d", "https://b"))
	view := View(t, s)
	for url, want := range map[string]string{"https://a": "c", "https://a2": "a", "https://b": "d"} {
		got, ok, err := view.IssuerByURL(url)
		if !ok || err != nil || got.ID != want {
			t.Errorf("%s leads to %v %v %v, want %s", url, got, ok, err, want)
		}
	}
}

func testConcurrentWrites(t *testing.T, s *store.Store, _ *Clock) {
	const writers, each = 8, 50
	revisions := make(chan uint64, 2*writers*each)
	var group sync.WaitGroup
	for n := range writers {
		group.Go(func() {
			for i := range each {
				// All of them also fight over one counter; losers fail alone.
				result, err := s.Apply(context.WithoutCancel(t.Context()), []store.Op{{Entity: User(fmt.Sprintf("u-%d-%d", n, i), "t")}})
				if err != nil {
					t.Error(err)
					return
				}
				revisions <- result.Revision
				if _, err := s.Apply(context.WithoutCancel(t.Context()), []store.Op{{Entity: User(fmt.Sprintf("once-%d", i), "t"), If: authz.AsNew()}}); err == nil {
					revisions <- 0
				} else if authz.CodeOf(err) != authz.CodeConflict {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	close(revisions)
	seen := map[uint64]bool{}
	won := 0
	for revision := range revisions {
		if revision == 0 {
			won++
			continue
		}
		if seen[revision] {
			t.Fatalf("revision %d was given twice", revision)
		}
		seen[revision] = true
	}
	if won != each {
		t.Errorf("%d creates won, want %d", won, each)
	}
	wantRevision(t, s, writers*each+each)
	if got := s.Counts()[authz.Users]; got != writers*each+each {
		t.Errorf("%d users", got)
	}
	stats := s.Stats()
	if stats.Writes != writers*each+each || stats.Commits > stats.Writes || stats.Refused != writers*each-each {
		t.Errorf("%+v; want every round won once and lost by all others", stats)
	}
	// The feed has every revision once and in order.
	var after uint64
	for after < s.Revision() {
		page, err := s.Changes(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range page.Changes {
			if change.Revision != after+1 || change.Entity == nil {
				t.Fatalf("change %+v after %d", change, after)
			}
			after = change.Revision
		}
	}
}

func testCancelledWrite(t *testing.T, s *store.Store, _ *Clock) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		// Either it was made, or it was not and says so.
		before := s.Revision()
		_, err := s.Apply(ctx, []store.Op{{Entity: User("u", "t")}})
		switch {
		case err == nil:
			wantRevision(t, s, before+1)
		default:
			wantCode(t, err, authz.CodeUnavailable)
			wantRevision(t, s, before)
		}
	}
}

func ids(t *testing.T, s *store.Store, q authz.Query) []string {
	t.Helper()
	all := []string{}
	for {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			all = append(all, item.Head().ID)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return all
		}
		if len(page.Items) == 0 {
			t.Fatal("an empty page has a cursor")
		}
	}
}

func testLists(t *testing.T, s *store.Store, _ *Clock) {
	var ops []store.Op
	for i := range 60 {
		m := &authz.MachineUser{Header: authz.Header{ID: fmt.Sprintf("mu:%02d", i)}, Kind: "service", Origin: "internal", Env: "prod", Owner: "core"}
		if i%2 == 1 {
			m.Env = "test"
		}
		if i%3 == 0 {
			m.Owner = "payments"
		}
		ops = append(ops, store.Op{Entity: m}, store.Op{Entity: &authz.Edge{From: m.ID, To: "svc:a", Actions: []string{"*"}, Owner: m.Owner}},
			store.Op{Entity: &authz.Edge{From: m.ID + "-x", To: "svc:b", Actions: []string{"*"}}})
	}
	Apply(t, s, ops...)
	Delete(t, s, authz.MachineUsers, "mu:06")
	Put(t, s, &authz.MachineUser{Header: authz.Header{ID: "mu:00"}, Kind: "service", Origin: "internal", Env: "test", Owner: "core"})
	where := func(c authz.Collection, limit int, pairs ...string) authz.Query {
		q := authz.Query{Collection: c, Limit: limit, Filters: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			q.Filters[pairs[i]] = pairs[i+1]
		}
		return q
	}
	for _, limit := range []int{1, 7, 1000} {
		if got := ids(t, s, where(authz.MachineUsers, limit)); len(got) != 59 || got[0] != "mu:00" || got[58] != "mu:59" {
			t.Errorf("limit %d: all are %v", limit, got)
		}
		want := []string{"mu:12", "mu:18", "mu:24", "mu:30", "mu:36", "mu:42", "mu:48", "mu:54"}
		if diff := cmp.Diff(want, ids(t, s, where(authz.MachineUsers, limit, "env", "prod", "owner", "payments", "state", "active"))); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
		if diff := cmp.Diff([]string{}, ids(t, s, where(authz.MachineUsers, limit, "env", "prod", "kind", "job"))); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
		if diff := cmp.Diff([]string{"mu:09/svc:a"}, ids(t, s, where(authz.Edges, limit, "from", "mu:09", "to", "svc:a", "owner", "payments"))); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
		if diff := cmp.Diff([]string{"mu:09/svc:a"}, ids(t, s, where(authz.Edges, limit, "from", "mu:09"))); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
	for name, q := range map[string]authz.Query{
		"unknown filter":     where(authz.Users, 10, "colour", "blue"),
		"no filters":         where(authz.Plans, 10, "name", "x"),
		"empty value":        where(authz.Users, 10, "tenant", ""),
		"limit too large":    where(authz.Users, authz.MaxPageSize+1),
		"limit negative":     where(authz.Users, -1),
		"unknown collection": where("unicorns", 10),
	} {
		_, err := s.List(t.Context(), q)
		if authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf("%s: %v, want code %q", name, err, authz.CodeInvalid)
		}
	}
}

func testCursors(t *testing.T, s *store.Store, _ *Clock) {
	for i := range 5 {
		Put(t, s, User(fmt.Sprintf("u-%d", i), "t"))
	}
	q := authz.Query{Collection: authz.Users, Filters: map[string]string{"tenant": "t"}, Limit: 2}
	first, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for name, misuse := range map[string]authz.Query{
		"another collection": {Collection: authz.Tenants, Cursor: first.NextCursor},
		"other filters":      {Collection: authz.Users, Cursor: first.NextCursor},
		"another value":      {Collection: authz.Users, Filters: map[string]string{"tenant": "t2"}, Cursor: first.NextCursor},
		"not a cursor":       {Collection: authz.Users, Cursor: "???"},
		"half a cursor":      {Collection: authz.Users, Cursor: first.NextCursor[:8]},
	} {
		_, err := s.List(t.Context(), misuse)
		if got := authz.CodeOf(err); got != authz.CodeInvalid || err.(*authz.Error).Field != "cursor" {
			t.Errorf("%s: %v, want the cursor at fault", name, err)
		}
	}
	// A cursor goes on after its key, whatever became of it.
	Delete(t, s, authz.Users, "u-1")
	Delete(t, s, authz.Users, "u-2")
	q.Cursor, q.Limit = first.NextCursor, 1
	if diff := cmp.Diff([]string{"u-3", "u-4"}, ids(t, s, q)); diff != "" {
		t.Error(diff)
	}
}

func testSnapshots(t *testing.T, s *store.Store, _ *Clock) {
	service := func(owner string) *authz.Service {
		return &authz.Service{Header: authz.Header{ID: "svc:a"}, Owner: owner}
	}
	Put(t, s, service("core"), User("u", "t1"), &authz.Edge{From: "mu:a", To: "svc:a", Actions: []string{"*"}})
	old := View(t, s)
	Put(t, s, service("payments"), User("u", "t2"), &authz.Edge{From: "mu:a", To: "svc:b", Actions: []string{"*"}})
	middle := View(t, s)
	Apply(t, s, store.Op{Collection: authz.Services, Key: "svc:a"}, store.Op{Collection: authz.Users, Key: "u"}, store.Op{Collection: authz.Edges, Key: "mu:a/svc:a"})
	last := View(t, s)
	for _, test := range []struct {
		view          *store.Snapshot
		revision      uint64
		owner, tenant string
		edges         int
	}{{old, 1, "core", "t1", 1}, {middle, 2, "payments", "t2", 2}, {last, 3, "", "", 1}} {
		if got := test.view.Revision(); got != test.revision {
			t.Errorf("revision %d, want %d", got, test.revision)
		}
		for c, want := range map[authz.Collection][2]string{authz.Services: {"svc:a", test.owner}, authz.Users: {"u", test.tenant}} {
			fact, ok, err := test.view.Fact(c, want[0])
			if err != nil || ok != (want[1] != "") || !strings.Contains(string(fact.JSON), want[1]) || ok && fact.Revision != test.revision {
				t.Errorf("revision %d, %s: %s %v %v", test.revision, c, fact.JSON, ok, err)
			}
		}
		edges, more, err := test.view.Under(authz.Edges, "mu:a", 10)
		if len(edges) != test.edges || more || err != nil {
			t.Errorf("revision %d: %d edges %v %v", test.revision, len(edges), more, err)
		}
	}
	last.Close()
	last.Close()
	_, _, err := last.Fact(authz.Services, "svc:a")
	wantCode(t, err, authz.CodeInternal)
	_, _, err = last.Under(authz.Edges, "mu:a", 1)
	wantCode(t, err, authz.CodeInternal)
	_, _, err = last.IssuerByURL("x")
	wantCode(t, err, authz.CodeInternal)
	_, _, err = last.IssuerByID("x")
	wantCode(t, err, authz.CodeInternal)
	_, err = last.IssuersOf(authz.IssuerJWT)
	wantCode(t, err, authz.CodeInternal)
	_, _, err = last.Credential("x")
	wantCode(t, err, authz.CodeInternal)
	_, err = last.CredentialsOf("x")
	wantCode(t, err, authz.CodeInternal)
	_, err = last.CredentialsNamed("x")
	wantCode(t, err, authz.CodeInternal)
	_, err = last.Entity(authz.Users, "u")
	wantCode(t, err, authz.CodeInternal)
	if got := s.Stats().OpenSnapshots; got != 2 {
		t.Errorf("%d open snapshots, want 2", got)
	}
}

func testUnder(t *testing.T, s *store.Store, _ *Clock) {
	for _, holder := range []string{"tenant:acme", "user:acme"} {
		var ops []store.Op
		for _, i := range []int{3, 1, 4, 0, 2} {
			ops = append(ops, store.Op{Entity: &authz.Entitlement{Holder: holder, Feature: fmt.Sprintf("f.%d", i)}})
		}
		ops = append(ops, store.Op{Entity: &authz.Entitlement{Holder: holder + "-2", Feature: "other"}}, store.Op{Collection: authz.Entitlements, Key: holder + "/f.2"})
		Apply(t, s, ops...)
		view := View(t, s)
		for limit, want := range map[int]string{10: "f.0 f.1 f.3 f.4", 4: "f.0 f.1 f.3 f.4", 3: "f.0 f.1 f.3 more", 0: "more"} {
			facts, more, err := view.Under(authz.Entitlements, holder, limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, fact := range facts {
				got = append(got, strings.TrimPrefix(fact.Key, holder+"/"))
			}
			if more {
				got = append(got, "more")
			}
			if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%s, limit %d: %s", holder, limit, diff)
			}
		}
		if facts, more, err := view.Under(authz.Entitlements, "tenant:nobody", 10); len(facts) > 0 || more || err != nil {
			t.Errorf("%v, %t, %v; want nothing under a holder that is not there", facts, more, err)
		}
	}
}

func feedLines(changes []authz.Change[authz.Entity]) []string {
	lines := []string{}
	for _, c := range changes {
		line := fmt.Sprintf("%d %s %s/%s", c.Revision, c.Op, c.Collection, c.ID)
		if c.Entity != nil {
			line += fmt.Sprintf(" @%d", c.Entity.Head().Revision)
		}
		lines = append(lines, line)
	}
	return lines
}

func testFeed(t *testing.T, s *store.Store, clock *Clock) {
	Put(t, s, User("a", "t"), User("b", "t"))
	clock.Advance(time.Second)
	Put(t, s, User("a", "t2"))
	Delete(t, s, authz.Users, "b")
	Put(t, s, User("c", "t"), User("d", "t"), User("e", "t"))
	want := []string{"1 put users/a", "1 put users/b", "2 put users/a @2", "3 delete users/b", "4 put users/c @4", "4 put users/d @4", "4 put users/e @4"}
	page, err := s.Changes(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, feedLines(page.Changes)); diff != "" {
		t.Error(diff)
	}
	if !page.Changes[2].At.Equal(clock.Now()) || !page.Changes[0].At.Equal(clock.Now().Add(-time.Second)) {
		t.Errorf("changes at %v and %v", page.Changes[0].At, page.Changes[2].At)
	}
	if page.NextAfter != 4 || page.Revision != 4 {
		t.Errorf("next %d, revision %d", page.NextAfter, page.Revision)
	}
	// Pages end with whole writes and together give all.
	var got []string
	var after uint64
	for {
		page, err := s.Changes(t.Context(), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Changes) == 0 {
			break
		}
		got = append(got, feedLines(page.Changes)...)
		after = page.NextAfter
	}
	if diff := cmp.Diff(want, got); diff != "" || after != 4 {
		t.Error(after, diff)
	}
	_, err = s.Changes(t.Context(), 5, 10)
	wantCode(t, err, authz.CodeInvalid)
	_, err = s.Changes(t.Context(), 0, 0)
	wantCode(t, err, authz.CodeInvalid)
}

func testWaiting(t *testing.T, s *store.Store, _ *Clock) {
	if err := s.WaitFor(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, s.WaitFor(ctx, 1), authz.CodeBehind)
	var group sync.WaitGroup
	for revision := range uint64(5) {
		group.Go(func() {
			if err := s.WaitFor(context.WithoutCancel(t.Context()), revision+1); err != nil {
				t.Error(err)
			}
			if got := s.Revision(); got < revision+1 {
				t.Errorf("woken at %d, waited for %d", got, revision+1)
			}
		})
	}
	for range 5 {
		Put(t, s, User("u", "t"))
	}
	group.Wait()
}

func testExpiry(t *testing.T, s *store.Store, clock *Clock) {
	soon := clock.Now().Add(time.Hour)
	entitlement := func(feature string, expires time.Time) *authz.Entitlement {
		return &authz.Entitlement{Holder: "user:u", Feature: feature, ExpiresAt: expires}
	}
	Put(t, s, entitlement("ends", soon), entitlement("stays", time.Time{}), entitlement("moved", soon), entitlement("cleared", soon),
		&authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:a"}, Until: soon})
	Put(t, s, entitlement("moved", soon.Add(90*24*time.Hour)), entitlement("cleared", time.Time{}))
	left := func() string {
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := append(ids(t, s, authz.Query{Collection: authz.Entitlements}), ids(t, s, authz.Query{Collection: authz.Revocations})...)
		return strings.Join(all, " ")
	}
	const all = "user:u/cleared user:u/ends user:u/moved user:u/stays subject/mu:a"
	if got := left(); got != all {
		t.Error("before anything expired:", got)
	}
	clock.Advance(2*time.Hour - time.Second)
	if got := left(); got != all {
		t.Error("just expired:", got)
	}
	clock.Advance(2 * time.Second)
	if got := left(); got != "user:u/cleared user:u/ends user:u/moved user:u/stays" {
		t.Error("an hour after the revocation ended:", got)
	}
	wantRevision(t, s, 3)
	clock.Advance(30 * 24 * time.Hour)
	if got := left(); got != "user:u/cleared user:u/moved user:u/stays" {
		t.Error("30 days after the entitlement expired:", got)
	}
	page, err := s.Changes(t.Context(), 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3 delete revocations/subject/mu:a", "4 delete entitlements/user:u/ends"}, feedLines(page.Changes)); diff != "" {
		t.Error(diff)
	}
	left()
	wantRevision(t, s, 4)
	if got := s.Stats().Swept; got != 2 {
		t.Errorf("swept %d", got)
	}
}

func doImport(t *testing.T, s *store.Store, lines string) authz.ImportReport {
	t.Helper()
	report, err := s.Import(t.Context(), strings.NewReader(lines), store.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func testImport(t *testing.T, s *store.Store, clock *Clock) {
	const lines = `{"collection":"users","entity":{"id":"a","tenant":"t"}}
{"entity":{"id":"b","tenant":"t","created_at":"2020-01-01T00:00:00Z","revision":77}, "collection":"users"}

{"collection":"entitlements","entity":{"holder":"user:a","feature":"f","effect":"grant"}}
{"collection":"users","entity":{"id":"a","tenant":"t2"}}`
	want := authz.ImportReport{Lines: 5, Written: 4, Errors: []authz.LineError{}, Revision: 1}
	if diff := cmp.Diff(want, doImport(t, s, lines)); diff != "" {
		t.Fatal(diff)
	}
	clock.Advance(time.Hour)
	// The first line differs from what the last one left; the rest is unchanged.
	want = authz.ImportReport{Lines: 5, Written: 2, Unchanged: 2, Errors: []authz.LineError{}, Revision: 2}
	if diff := cmp.Diff(want, doImport(t, s, lines)); diff != "" {
		t.Fatal(diff)
	}
	same := strings.Join(strings.Split(lines, "\n")[1:], "\n") + "\r\n"
	want = authz.ImportReport{Lines: 4, Unchanged: 3, Errors: []authz.LineError{}, Revision: 2}
	if diff := cmp.Diff(want, doImport(t, s, same)); diff != "" {
		t.Fatal(diff)
	}
	b, err := s.Get(authz.Users, "b")
	if err != nil || b.Head().Revision != 1 || !b.Head().CreatedAt.Equal(clock.Now().Add(-time.Hour)) {
		t.Fatal(b, err)
	}
	if diff := cmp.Diff([]string{"a"}, ids(t, s, authz.Query{Collection: authz.Users, Filters: map[string]string{"tenant": "t2"}})); diff != "" {
		t.Fatal(diff)
	}
	if got := doImport(t, s, ""); got.Lines != 0 || got.Revision != 2 {
		t.Fatal(got)
	}
}

func testImportBadLines(t *testing.T, s *store.Store, _ *Clock) {
	lines := []string{
		`{"collection":"users","entity":{"id":"good-1"}}`,
		`{"collection":"users","entity":{"id":"bad 1"}}`,
		`{"collection":"users","entity":{"id":"good-2"}`,
		`{"collection":"unicorns","entity":{"id":"x"}}`,
		`not json`,
		`{"collection":"users","entity":{"id":"x","idd":"x"}}`,
		`{"collection":"users","entity":{"id":"x","tenant":"a","tenant":"b"}}`,
		`{"collection":"users","entity":{"id":"x"},"extra":1}`,
		`{"collection":"users"}`,
		`{"collection":"users","entity":null}`,
		`{"entity":{"id":"x"}}`,
		`{"entity":{"id":"x","tier":1},"collection":"users"}`,
		`{"collection":"issuers","entity":{"id":"i1","url":"https://i","jwks_url":"https://i/k","algorithms":["ES256"],"own":false}}`,
		`{"collection":"issuers","entity":{"id":"i2","url":"https://i","jwks_url":"https://i/k","algorithms":["ES256"],"own":false}}`,
		`{"collection":"users","entity":{"id":"` + strings.Repeat("x", store.MaxLine) + `"}}`,
		`{"collection":"users","entity":{"id":"good-3"}}`,
	}
	report := doImport(t, s, strings.Join(lines, "\n"))
	var got []string
	for _, bad := range report.Errors {
		got = append(got, fmt.Sprintf("%d %s", bad.Line, bad.Field))
		if bad.Message == "" {
			t.Errorf("line %d has no message", bad.Line)
		}
	}
	// The rival issuer is found at commit, after its chunk was parsed.
	want := []string{"2 id", "3 ", "4 collection", "5 ", "6 idd", "7 tenant", "8 extra", "9 entity", "10 entity", "11 collection", "12 tier", "15 ", "14 url"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if report.Lines != 16 || report.Failed != 13 || report.Written != 3 || report.Revision != 1 {
		t.Errorf("%+v; want 16 lines, 13 of them failed and 3 written, at revision 1", report)
	}
	if diff := cmp.Diff([]string{"good-1", "good-3"}, ids(t, s, authz.Query{Collection: authz.Users})); diff != "" {
		t.Error(diff)
	}
}

func export(t *testing.T, s *store.Store, wanted ...authz.Collection) string {
	t.Helper()
	var out bytes.Buffer
	revision, err := s.Export(t.Context(), &out, wanted...)
	if err != nil {
		t.Fatal(err)
	}
	if revision != s.Revision() {
		t.Errorf("export of revision %d", revision)
	}
	return out.String()
}

func testRoundTrip(t *testing.T, s *store.Store, _ *Clock) {
	Put(t, s, Samples()...)
	Delete(t, s, authz.Users, "u-ana")
	exported := export(t, s)
	if strings.Contains(exported, string(authz.APIKeys)) || strings.Contains(exported, "u-ana\",\"created") {
		t.Error(exported)
	}
	if keys := export(t, s, authz.APIKeys); strings.Count(keys, "\n") != 1 || !strings.Contains(keys, `"api_keys"`) {
		t.Error(keys)
	}
	// Its own export changes nothing.
	lines := strings.Count(exported, "\n")
	want := authz.ImportReport{Lines: lines, Unchanged: lines, Errors: []authz.LineError{}, Revision: 2}
	if diff := cmp.Diff(want, doImport(t, s, exported)); diff != "" {
		t.Error(diff)
	}
	// It brings everything back, headers aside.
	for _, sample := range Samples() {
		if c := sample.Collection(); c != authz.APIKeys && c != authz.Users {
			sample.Normalize()
			Delete(t, s, c, sample.Head().ID)
		}
	}
	if got := export(t, s); got != "" {
		t.Error(got)
	}
	doImport(t, s, exported)
	if got := strings.Count(export(t, s), "\n"); got != lines {
		t.Errorf("%d lines came back, want %d", got, lines)
	}
	again := doImport(t, s, exported)
	if again.Unchanged != lines {
		t.Errorf("%+v; want %d lines unchanged", again, lines)
	}
	_, err := s.Export(t.Context(), new(bytes.Buffer), "unicorns")
	wantCode(t, err, authz.CodeInvalid)
}

func testClosed(t *testing.T, s *store.Store, _ *Clock) {
	Put(t, s, User("u", "t"))
	view := View(t, s)
	waiting := make(chan error)
	go func() { waiting <- s.WaitFor(context.WithoutCancel(t.Context()), 2) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-waiting, authz.CodeUnavailable)
	_, err := s.Apply(t.Context(), []store.Op{{Entity: User("u", "t")}})
	wantCode(t, err, authz.CodeUnavailable)
	_, _, err = view.Fact(authz.Users, "u")
	wantCode(t, err, authz.CodeUnavailable)
	_, err = s.Snapshot()
	wantCode(t, err, authz.CodeUnavailable)
	_, err = s.Import(t.Context(), strings.NewReader(`{"collection":"users","entity":{"id":"a"}}`), store.ImportOptions{})
	wantCode(t, err, authz.CodeUnavailable)
	_, err = s.Backup(t.Context(), new(bytes.Buffer))
	wantCode(t, err, authz.CodeUnavailable)
}
