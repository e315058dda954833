package generations_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

// files are the files of a bundle. :: path -> content
type files map[string]string

func (f files) tree() fstest.MapFS {
	tree := fstest.MapFS{}
	for name, content := range f {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

// with is f with more files, or other ones.
func (f files) with(name, content string) files {
	all := files{name: content}
	for n, c := range f {
		if n != name {
			all[n] = c
		}
	}
	return all
}

func (f files) pack(t testing.TB) []byte {
	t.Helper()
	var packed bytes.Buffer
	if err := bundles.Pack(&packed, f.tree()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// base is a policy set that stands by itself; version makes it another one.
func base(version int) files {
	return files{
		".manifest":                      `{"roots": ["verdict", "guards/door"], "rego_version": 1}`,
		"verdict/decision/decision.rego": fmt.Sprintf("package verdict.decision\n\n# version %d\ndefault allow := false\n", version),
		"verdict/config/data.json":       `{"modes": {"door": "observe"}}`,
		"guards/door/door.rego":          guard("door", version),
	}
}

// acme is a bundle that adds the guard acme.
func acme(version int) files {
	return files{
		".manifest":             `{"roots": ["guards/acme"], "rego_version": 1}`,
		"guards/acme/acme.rego": guard("acme", version),
		"guards/acme/acme_test.rego": "package guards.acme_test\n\nimport data.guards.acme\n\n" +
			"test_shut if \"shut\" in acme.deny with input as {\"acme\": \"shut\"}\n",
	}
}

// other is a bundle that adds the guard other.
func other(version int) files {
	return files{
		".manifest":               `{"roots": ["guards/other"], "rego_version": 1}`,
		"guards/other/other.rego": guard("other", version),
	}
}

func guard(name string, version int) string {
	return fmt.Sprintf(`# METADATA
# description: Guards %[1]s, version %[2]d.
package guards.%[1]s

# METADATA
# description: It is shut.
# custom:
#   code: %[3]s_SHUT
#   fix: Open it.
#   status: 403
deny contains "shut" if input.%[1]s == "shut"
`, name, version, strings.ToUpper(name))
}

// rig is a Set whose snapshots in force are seen.
type rig struct {
	*generations.Set
	t      testing.TB
	dir    string
	config generations.Config

	mu     sync.Mutex
	used   []authz.PolicyRef
	refuse error // what Use answers
	now    time.Time
}

// newRig opens a Set on dir that was not started.
func newRig(t testing.TB, dir string, change ...func(*generations.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	r.config = generations.Config{
		Dir: dir,
		Try: func(*bundles.Snapshot) error { return nil },
		Use: r.use, Active: r.inForce,
		Now: r.clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&r.config)
	}
	var err error
	if r.Set, err = generations.Open(r.config); err != nil {
		t.Fatal(err)
	}
	return r
}

// started is a Set on dir that started with base 1.
func started(t testing.TB, dir string, change ...func(*generations.Config)) *rig {
	t.Helper()
	r := newRig(t, dir, change...)
	r.start(base(1))
	return r
}

func (r *rig) start(f files) {
	r.t.Helper()
	if err := r.Start(r.t.Context(), generations.Base{Files: f.tree(), Source: authz.SourceBuiltIn}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) use(s *bundles.Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	r.used = append(r.used, s.Ref())
	return nil
}

// inForce is what was used last.
func (r *rig) inForce() authz.PolicyRef {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.used) == 0 {
		return authz.PolicyRef{}
	}
	return r.used[len(r.used)-1]
}

// clock goes on by a second whenever it is looked at.
func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(time.Second)
	return r.now
}

func (r *rig) offer(name string, body []byte) (authz.Generation, error) {
	g, _, err := r.Push(r.t.Context(), generations.Push{Name: name, Body: bytes.NewReader(body), Source: authz.SourcePush, Author: "ann", Message: "because"})
	return g, err
}

func (r *rig) push(name string, f files) authz.Generation {
	r.t.Helper()
	g, err := r.offer(name, f.pack(r.t))
	if err != nil {
		r.t.Fatalf("push %s: %v", name, err)
	}
	return g
}

func (r *rig) activate(n uint64) authz.Generation {
	r.t.Helper()
	g, err := r.Activate(r.t.Context(), n, "ann", "go")
	if err != nil {
		r.t.Fatalf("activate %d: %v", n, err)
	}
	return g
}

func (r *rig) rollback(to uint64) authz.Generation {
	r.t.Helper()
	g, err := r.Rollback(r.t.Context(), to, "ann", "back")
	if err != nil {
		r.t.Fatalf("roll back to %d: %v", to, err)
	}
	return g
}

// stands checks what is active and in force, and the states of all generations,
// newest first: "3 candidate, 2 active, 1 kept".
func (r *rig) stands(want string) {
	r.t.Helper()
	var got []string
	for _, g := range r.List() {
		got = append(got, fmt.Sprint(g.Number, " ", g.State))
	}
	if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
		r.t.Fatalf("generations (-want +got):\n%s", diff)
	}
	active := r.Active()
	if diff := cmp.Diff(active.Ref(), r.inForce()); diff != "" {
		r.t.Fatalf("active (-) and in force (+):\n%s", diff)
	}
	if diff := cmp.Diff(active.Ref(), r.Status().Active); diff != "" {
		r.t.Fatalf("active (-) and status (+):\n%s", diff)
	}
	s, err := r.Snapshot(active.Number)
	if err != nil || s.Ref() != active.Ref() {
		r.t.Fatalf("snapshot of the active generation: %v %v", s, err)
	}
}

// fails checks an error's code and part of its message.
func fails(t testing.TB, err error, code authz.ErrorCode, says string) {
	t.Helper()
	if authz.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), says) {
		t.Fatalf("got %q %v, want %q saying %q", authz.CodeOf(err), err, code, says)
	}
}

// failure checks that exactly one failure is kept.
func (r *rig) failure(name, step, says string) {
	r.t.Helper()
	failures := r.Status().Failures
	if len(failures) != 1 || failures[0].Name != name || failures[0].Step != step || !strings.Contains(failures[0].Message, says) {
		r.t.Fatalf("failures %+v, want one of %q at %q saying %q", failures, name, step, says)
	}
}

func (r *rig) noFailures() {
	r.t.Helper()
	if failures := r.Status().Failures; len(failures) > 0 {
		r.t.Fatalf("failures: %+v", failures)
	}
}

func refs(g authz.Generation) map[string]string {
	all := map[string]string{}
	for _, ref := range g.Bundles {
		all[ref.Name] = ref.Source
	}
	return all
}

// signer signs bundles with a key of its own.
type signer struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{id: id, key: key}
}

// public is the key as it is configured.
func (s signer) public(t testing.TB) bundles.Key {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return bundles.Key{ID: s.id, Algorithm: "ES256", PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
}

// sign packs f with signatures made at a time.
func (s signer) sign(t testing.TB, f files, at int64) []byte {
	t.Helper()
	type signed struct {
		Name      string `json:"name"`
		Hash      string `json:"hash"`
		Algorithm string `json:"algorithm"`
	}
	payload := struct {
		Files []signed `json:"files"`
		At    int64    `json:"iat"`
	}{At: at}
	hasher, err := bundle.NewSignatureHasher(bundle.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(keys(f)) {
		var value any = []byte(f[name])
		if name == ".manifest" || strings.HasSuffix(name, ".json") {
			if err := json.Unmarshal([]byte(f[name]), &value); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			t.Fatal(err)
		}
		payload.Files = append(payload.Files, signed{Name: name, Hash: hex.EncodeToString(sum), Algorithm: "SHA-256"})
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key}, (&jose.SignerOptions{}).WithHeader("kid", s.id))
	if err != nil {
		t.Fatal(err)
	}
	object, err := jws.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := json.Marshal(map[string][]string{"signatures": {token}})
	if err != nil {
		t.Fatal(err)
	}
	return f.with(".signatures.json", string(signatures)).pack(t)
}

func keys(f files) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range f {
			if !yield(name) {
				return
			}
		}
	}
}

// required makes signatures by any of the signers required.
func required(t testing.TB, signers ...signer) func(*generations.Config) {
	return func(c *generations.Config) {
		c.Verification = bundles.Verification{Required: true}
		for _, s := range signers {
			c.Verification.Keys = append(c.Verification.Keys, s.public(t))
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestLife(t *testing.T) {
	r := started(t, t.TempDir())
	r.stands("1 active")
	first := r.Active()
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn}, refs(first)); diff != "" {
		t.Fatal(diff)
	}

	changed := r.Changed()
	second := r.push("acme", acme(1))
	r.stands("2 candidate, 1 active")
	if closed(changed) || second.Digest == first.Digest || second.Author != "ann" || second.Message != "because" || second.At.IsZero() || !second.ActivatedAt.IsZero() {
		t.Fatalf(`got %+v; want not closed(changed), Digest other than %q, Author "ann", Message "because", not second.At.IsZero(), second.ActivatedAt.IsZero()`, second, first.Digest)
	}
	if diff := cmp.Diff(map[string]string{"base": authz.SourceBuiltIn, "acme": authz.SourcePush}, refs(second)); diff != "" {
		t.Fatal(diff)
	}
	if again := r.push("acme", acme(1)); again.Number != 2 {
		t.Fatalf("the same bundle made %+v", again)
	}

	active := r.activate(2)
	r.stands("2 active, 1 kept")
	if !closed(changed) || closed(r.Changed()) || active.State != authz.GenerationActive || active.ActivatedBy != "ann" || active.ActivatedAt.IsZero() {
		t.Fatalf(`got %+v; want closed(changed), not closed(r.Changed()), State "active", ActivatedBy "ann", not active.ActivatedAt.IsZero()`, active)
	}
	if r.Status().Previous != 1 {
		t.Fatalf("previous %d", r.Status().Previous)
	}
	if again := r.push("acme", acme(1)); again.Number != 2 || again.State != authz.GenerationActive {
		t.Fatalf("what is active already made %+v", again)
	}
	if again := r.activate(2); again.ActivatedAt != active.ActivatedAt {
		t.Fatalf("activating the active generation changed it: %+v", again)
	}

	if g := r.rollback(0); g.Number != 1 {
		t.Fatalf("rolled back to %d", g.Number)
	}
	r.stands("2 kept, 1 active")
	if g := r.rollback(0); g.Number != 2 {
		t.Fatalf("rolled back to %d", g.Number)
	}
	r.push("acme", acme(2))
	r.activate(3)
	r.rollback(1)
	r.stands("3 kept, 2 kept, 1 active")
	r.activate(3)
	removed, err := r.Remove(t.Context(), "acme", "ann", "gone")
	if err != nil {
		t.Fatal(err)
	}
	r.activate(removed.Number)
	r.stands("4 active, 3 kept, 2 kept, 1 kept")
	if diff := cmp.Diff(first.Bundles, r.Active().Bundles); diff != "" || removed.Digest != first.Digest {
		t.Fatalf("without acme: %s", diff)
	}
	r.noFailures()
	want := generations.Stats{Pushes: 6, Activations: 8, Kept: 4}
	if diff := cmp.Diff(want, r.Stats(), cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

func TestNotFound(t *testing.T) {
	r := started(t, t.TempDir())
	r.push("acme", acme(1))
	_, err := r.Get(9)
	fails(t, err, authz.CodeNotFound, "no generation 9")
	_, err = r.Snapshot(9)
	fails(t, err, authz.CodeNotFound, "no generation 9")
	_, err = r.Diff(1, 9)
	fails(t, err, authz.CodeNotFound, "no generation 9")
	_, err = r.Activate(t.Context(), 9, "ann", "")
	fails(t, err, authz.CodeNotFound, "no generation 9")
	_, err = r.Rollback(t.Context(), 9, "ann", "")
	fails(t, err, authz.CodeNotFound, "no generation 9")
	_, err = r.Rollback(t.Context(), 0, "ann", "")
	fails(t, err, authz.CodeConflict, "no generation was active before")
	_, err = r.Rollback(t.Context(), 2, "ann", "")
	fails(t, err, authz.CodeConflict, "was never active")
	_, err = r.Remove(t.Context(), "acme", "ann", "")
	fails(t, err, authz.CodeNotFound, "no bundle acme")
	_, _, err = r.Bundle("acme")
	fails(t, err, authz.CodeNotFound, "no bundle acme")
	if g, err := r.Get(2); err != nil || g.State != authz.GenerationCandidate {
		t.Fatal(g, err)
	}
	r.noFailures()
}

func TestBeforeStart(t *testing.T) {
	r := newRig(t, t.TempDir())
	if g := r.Active(); g.Number != 0 || g.State != "" {
		t.Fatalf(`got %+v; want Number 0, State ""`, g)
	}
	_, err := r.offer("acme", acme(1).pack(t))
	fails(t, err, authz.CodeUnavailable, "no policies are active yet")
	_, err = r.SetModes(t.Context(), "door", "enforce", "ann", "")
	fails(t, err, authz.CodeUnavailable, "no policies are active yet")
	_, err = r.With(t.Context(), "acme", bytes.NewReader(acme(1).pack(t)))
	fails(t, err, authz.CodeUnavailable, "no policies are active yet")
	_, _, err = r.Bundle("base")
	fails(t, err, authz.CodeNotFound, "no bundle base")
	if diff := cmp.Diff(authz.PolicyStatus{}, r.Status(), cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

func TestValidate(t *testing.T) {
	use := func(*bundles.Snapshot) error { return nil }
	active := func() authz.PolicyRef { return authz.PolicyRef{} }
	for field, c := range map[string]generations.Config{
		"dir":          {Try: use, Use: use},
		"keep":         {Dir: "d", Try: use, Use: use, Keep: -1},
		"test_timeout": {Dir: "d", Try: use, Use: use, TestTimeout: -1},
		"try":          {Dir: "d", Use: use},
		"use":          {Dir: "d", Try: use},
		"active":       {Dir: "d", Try: use, Use: use},
		"keys":         {Dir: "d", Try: use, Use: use, Active: active, Verification: bundles.Verification{Required: true}},
	} {
		_, err := generations.Open(c)
		var ours *authz.Error
		if !errors.As(err, &ours) || ours.Field != field {
			t.Errorf("%s: got error %v; want errors.As(err, &ours), ours.Field %q", field, err, field)
		}
	}
	r := started(t, t.TempDir())
	good := generations.Push{Name: "acme", Body: strings.NewReader(""), Source: authz.SourcePush, Author: "ann"}
	for field, change := range map[string]func(*generations.Push){
		"name":    func(p *generations.Push) { p.Name = "../up" },
		"body":    func(p *generations.Push) { p.Body = nil },
		"source":  func(p *generations.Push) { p.Source = authz.SourceBuiltIn },
		"author":  func(p *generations.Push) { p.Author = "" },
		"message": func(p *generations.Push) { p.Message = strings.Repeat("x", generations.MaxMessage+1) },
	} {
		p := good
		change(&p)
		_, _, err := r.Push(t.Context(), p)
		var ours *authz.Error
		if !errors.As(err, &ours) || ours.Field != field || ours.Code != authz.CodeInvalid {
			t.Errorf(`%s: got error %v; want errors.As(err, &ours), ours.Field %q, ours.Code "invalid_request"`, field, err, field)
		}
	}
	good.Name = authz.ModesBundle
	_, _, err := r.Push(t.Context(), good)
	fails(t, err, authz.CodeInvalid, "set the modes of guards instead")
	good.Name, good.Message = "acme", "\xff"
	_, _, err = r.Push(t.Context(), good)
	fails(t, err, authz.CodeInvalid, "UTF-8")
	_, err = r.Activate(t.Context(), 1, "", "")
	fails(t, err, authz.CodeInvalid, "author")
	_, err = r.Rollback(t.Context(), 1, "", "")
	fails(t, err, authz.CodeInvalid, "author")
	fails(t, r.Start(t.Context(), generations.Base{Files: base(1).tree(), Source: authz.SourcePush}), authz.CodeInvalid, "built-in or folder")
}

func TestBundleAndDiff(t *testing.T) {
	r := started(t, t.TempDir())
	packed := acme(1).pack(t)
	r.push("acme", acme(1))
	r.activate(2)
	got, ref, err := r.Bundle("acme")
	if err != nil || !bytes.Equal(got, packed) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if ref.Bytes != int64(len(packed)) || ref.Source != authz.SourcePush || ref.SignedBy != "" {
		t.Fatalf(`got %+v; want Bytes int64(len(packed)), Source "push", SignedBy ""`, ref)
	}
	r.push("acme", acme(2))
	diff, err := r.Diff(2, 3)
	if err != nil || len(diff) != 1 {
		t.Fatal(diff, err)
	}
	if d := diff[0]; d.Bundle != "acme" || d.Path != "guards/acme/acme.rego" || d.Change != authz.FileChanged || !strings.Contains(d.Lines, "+# description: Guards acme, version 2.") {
		t.Fatalf(`got %+v; want Bundle "acme", Path "guards/acme/acme.rego", Change "changed", Lines with "+# description: Guards acme, version 2."`, d)
	}
	if diff, err := r.Diff(1, 2); err != nil || len(diff) != 3 || diff[0].Change != authz.FileAdded {
		t.Fatal(diff, err)
	}
}

func TestWith(t *testing.T) {
	r := started(t, t.TempDir())
	r.push("acme", acme(1))
	r.activate(2)
	s, err := r.With(t.Context(), "acme", bytes.NewReader(acme(2).pack(t)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Ref().Generation != 0 || s.Ref().Digest == r.Active().Digest || len(s.Guards()) != 2 {
		t.Fatalf("got s.Ref() %+v; want s.Ref().Generation 0, s.Ref().Digest other than r.Active().Digest, len(s.Guards()) 2", s.Ref())
	}
	r.push("acme", acme(2))
	if g, err := r.Get(3); err != nil || g.Digest != s.Ref().Digest {
		t.Fatalf("a push of the same makes %+v %v, not %+v", g, err, s.Ref())
	}
	s, err = r.With(t.Context(), "acme", bytes.NewReader(acme(1).pack(t)))
	if err != nil || s.Ref().Digest != r.Active().Digest {
		t.Fatalf("with what is active: %v %v", s, err)
	}
	_, err = r.With(t.Context(), "acme", bytes.NewReader(acme(1).with("guards/acme/acme.rego", "package guards.acme\n\ndeny := 1\n").pack(t)))
	fails(t, err, authz.CodeInvalid, "guards/acme/acme.rego")
	_, err = r.With(t.Context(), "acme", strings.NewReader("nothing"))
	fails(t, err, authz.CodeInvalid, "")
	r.noFailures()
	r.stands("3 candidate, 2 active, 1 kept")
}
