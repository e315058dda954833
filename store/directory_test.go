package store_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// directory is what a Directory reads, as a full scan would find it.
type directory struct {
	credentials map[string]*authz.Credential // :: id -> credential
	issuers     map[string]*authz.Issuer     // :: id -> issuer
}

func (d directory) clone() directory {
	return directory{maps.Clone(d.credentials), maps.Clone(d.issuers)}
}

var (
	directoryUsers = []string{"mu:a", "mu:a-b", "mu:b"}
	directoryNames = []string{"dns:a", "dns:a.b", "dns:a\tb", "spiffe://prod.example/a", "x5t:AAAA", strings.Repeat("é", authz.MaxTextLength/2)}
	directoryKinds = []string{authz.IssuerJWT, authz.IssuerIntrospection}
	directoryURLs  = []string{"https://a", "https://b", "https://c"}
	directoryIDs   = []string{"a", "a-b", "b", "c", "d"}
)

// TestDirectoryAgainstModel applies, imports and deletes credentials and issuers
// at random, opens the store again with another hot limit, and holds every answer
// of a Directory, newest and older, against a scan of the model.
func TestDirectoryAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "verdict-directory-*")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}()
		m := &directoryMachine{dir: dir, now: directory{map[string]*authz.Credential{}, map[string]*authz.Issuer{}}}
		m.open(t)
		defer m.close(t)
		t.Repeat(map[string]func(*rapid.T){
			"credential": m.putCredential,
			"again":      m.putCredential,
			"issuer":     m.putIssuer,
			"batch":      m.batch,
			"delete":     m.delete,
			"import":     m.importLines,
			"snapshot":   m.snapshot,
			"reopen":     m.reopen,
			"":           m.check,
		})
	})
}

type directoryMachine struct {
	dir   string
	s     *store.Store
	now   directory
	views []directoryView
}

type directoryView struct {
	snapshot *store.Snapshot
	model    directory
}

func (m *directoryMachine) open(t *rapid.T) {
	limit := rapid.SampledFrom([]int{0, 1, 2, 4}).Draw(t, "hot limit")
	s, err := store.Open(store.Config{Dir: m.dir, HotLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	m.s = s
}

func (m *directoryMachine) close(t *rapid.T) {
	for _, v := range m.views {
		v.snapshot.Close()
	}
	m.views = nil
	if err := m.s.Close(); err != nil {
		t.Error(err)
	}
}

// reopen is drawn now and then only: it is slow.
func (m *directoryMachine) reopen(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "reopen") > 0 {
		t.Skip("not now")
	}
	m.close(t)
	m.open(t)
}

func drawCredential(t *rapid.T) *authz.Credential {
	id := rapid.SampledFrom(directoryIDs).Draw(t, "id")
	kinds := []string{authz.KindCertificate, authz.KindFederated, authz.KindSharedSecret}
	which := slices.Index(directoryIDs, id) // whose it is, and of what kind, is settled
	c := &authz.Credential{
		Header:      authz.Header{ID: id},
		MachineUser: directoryUsers[which%len(directoryUsers)],
		Kind:        kinds[which/2%len(kinds)],
		Generation:  rapid.IntRange(1, 3).Draw(t, "generation"),
		State:       rapid.SampledFrom([]string{authz.CredentialActive, authz.CredentialActive, authz.CredentialRetiring, authz.CredentialRevoked}).Draw(t, "state"),
	}
	if c.Kind == authz.KindSharedSecret {
		c.SecretHash = rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "hash")
		return c
	}
	c.Issuer = "ca"
	c.Names = rapid.SliceOfNDistinct(rapid.SampledFrom(directoryNames), 0, 3, rapid.ID).Draw(t, "names")
	return c
}

func drawIssuer(t *rapid.T) *authz.Issuer {
	i := &authz.Issuer{
		Header: authz.Header{ID: rapid.SampledFrom(directoryIDs).Draw(t, "id")},
		URL:    rapid.SampledFrom(directoryURLs).Draw(t, "url"),
		Kind:   rapid.SampledFrom(directoryKinds).Draw(t, "kind"),
	}
	if i.Kind == authz.IssuerIntrospection {
		i.Introspection = &authz.Introspection{URL: "https://ask.example", ClientID: "us", Secret: "ask"}
		return i
	}
	i.JWKSURL, i.Algorithms = "https://keys.example", []string{"ES256"}
	return i
}

// write adds an entity to the model; false when the store is to refuse it.
func (d directory) write(entity authz.Entity) bool {
	switch e := entity.(type) {
	case *authz.Credential:
		was, replaces := d.credentials[e.ID]
		if replaces && was.State == authz.CredentialRevoked && e.State != authz.CredentialRevoked {
			return false
		}
		next := *e
		if replaces && next.SecretHash == "" && next.Kind == was.Kind {
			next.SecretHash = was.SecretHash
		}
		d.credentials[e.ID] = &next
	case *authz.Issuer:
		for id, other := range d.issuers {
			if id != e.ID && other.URL == e.URL {
				return false
			}
		}
		next := *e
		d.issuers[e.ID] = &next
	}
	return true
}

// apply applies entities in one write.
func (m *directoryMachine) apply(t *rapid.T, entities ...authz.Entity) {
	next, accepted := m.now.clone(), true
	ops := make([]store.Op, len(entities))
	for i, entity := range entities {
		ops[i].Entity = entity
		accepted = accepted && next.write(entity)
	}
	_, err := m.s.Apply(context.Background(), ops)
	if accepted != (err == nil) {
		t.Fatalf("expected acceptance %v, got %v", accepted, err)
	}
	if accepted {
		m.now = next
	}
}

func (m *directoryMachine) putCredential(t *rapid.T) { m.apply(t, drawCredential(t)) }
func (m *directoryMachine) putIssuer(t *rapid.T)     { m.apply(t, drawIssuer(t)) }

func (m *directoryMachine) batch(t *rapid.T) {
	m.apply(t, drawIssuer(t), drawCredential(t), drawCredential(t), drawIssuer(t), drawCredential(t))
}

func (m *directoryMachine) delete(t *rapid.T) {
	id := rapid.SampledFrom(directoryIDs).Draw(t, "id")
	next := m.now.clone()
	var ops []store.Op
	if _, ok := next.credentials[id]; ok {
		delete(next.credentials, id)
		ops = append(ops, store.Op{Collection: authz.Credentials, Key: id})
	}
	if _, ok := next.issuers[id]; ok {
		delete(next.issuers, id)
		ops = append(ops, store.Op{Collection: authz.Issuers, Key: id})
	}
	if len(ops) == 0 {
		t.Skip("there is none")
	}
	if _, err := m.s.Apply(context.Background(), ops); err != nil {
		t.Fatal(err)
	}
	m.now = next
}

func (m *directoryMachine) importLines(t *rapid.T) {
	next, failed := m.now.clone(), 0
	var lines strings.Builder
	for range rapid.IntRange(1, 5).Draw(t, "lines") {
		var entity authz.Entity = drawCredential(t)
		if rapid.IntRange(0, 2).Draw(t, "issuer") == 0 {
			entity = drawIssuer(t)
		}
		if !next.write(entity) {
			failed++
		}
		data, err := entityJSON(entity)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"collection\":%q,\"entity\":%s}\n", entity.Collection(), data)
	}
	report, err := m.s.Import(context.Background(), strings.NewReader(lines.String()), store.ImportOptions{})
	if err != nil || report.Failed != failed {
		t.Fatalf("%d lines were to fail: %+v %v", failed, report, err)
	}
	m.now = next
	again, err := m.s.Import(context.Background(), strings.NewReader(m.export(t)), store.ImportOptions{})
	if err != nil || again.Written > 0 || again.Failed > 0 {
		t.Fatalf("own export: %+v %v", again, err)
	}
}

func (m *directoryMachine) export(t *rapid.T) string {
	var out strings.Builder
	if _, err := m.s.Export(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func (m *directoryMachine) snapshot(t *rapid.T) {
	snapshot, err := m.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	m.views = append(m.views, directoryView{snapshot, m.now.clone()})
}

func (m *directoryMachine) check(t *rapid.T) {
	m.snapshot(t)
	for _, v := range m.views {
		v.check(t)
	}
	newest := len(m.views) - 1
	m.views[newest].snapshot.Close()
	m.views = m.views[:newest]
}

func (v directoryView) check(t *rapid.T) {
	for _, id := range directoryIDs {
		got, ok, err := v.snapshot.Credential(id)
		want, exists := v.model.credentials[id]
		if err != nil || ok != exists || ok && (got.SecretHash != want.SecretHash || got.State != want.State || got.Generation != want.Generation) {
			t.Fatalf("credential %s: %+v %v, want %+v", id, got, err, want)
		}
		issuer, ok, err := v.snapshot.IssuerByID(id)
		wanted, exists := v.model.issuers[id]
		if err != nil || ok != exists || ok && issuer.URL != wanted.URL {
			t.Fatalf("issuer %s: %+v %v, want %+v", id, issuer, err, wanted)
		}
	}
	for _, url := range directoryURLs {
		got, ok, err := v.snapshot.IssuerByURL(url)
		var found []*authz.Issuer
		if ok {
			found = append(found, got)
		}
		same(t, "issuer "+url, scanFor(v.model.issuers, nil, func(i *authz.Issuer) bool { return i.URL == url }), found, err)
	}
	for _, kind := range directoryKinds {
		got, err := v.snapshot.IssuersOf(kind)
		same(t, "issuers of "+kind, scanFor(v.model.issuers, nil, func(i *authz.Issuer) bool { return i.Kind == kind }), got, err)
	}
	rank := func(c *authz.Credential) int {
		if c.Accepted() {
			return 0
		}
		return 1
	}
	acceptedFirst := func(a, b *authz.Credential) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Generation, a.Generation))
	}
	for _, user := range directoryUsers {
		got, err := v.snapshot.CredentialsOf(user)
		same(t, "credentials of "+user, scanFor(v.model.credentials, acceptedFirst, func(c *authz.Credential) bool { return c.MachineUser == user }), got, err)
	}
	for _, name := range directoryNames {
		got, err := v.snapshot.CredentialsNamed(name)
		same(t, "credentials named "+name, scanFor(v.model.credentials, acceptedFirst, func(c *authz.Credential) bool { return slices.Contains(c.Names, name) }), got, err)
	}
}

// scanFor is every entity that matches, in the order of first and then of ids.
func scanFor[E authz.Entity](all map[string]E, first func(a, b E) int, matches func(E) bool) []string {
	var found []E
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if matches(all[id]) {
			found = append(found, all[id])
		}
	}
	if first != nil {
		slices.SortStableFunc(found, first)
	}
	return storetest.IDs(found)
}

func same[E authz.Entity](t *rapid.T, what string, want []string, got []E, err error) {
	if diff := gocmp.Diff(want, storetest.IDs(got)); diff != "" || err != nil {
		t.Fatalf("%s (-want +got): %s, %v", what, diff, err)
	}
}
