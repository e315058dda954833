package generations

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// MaxMessage is the longest message of an author, in bytes.
const MaxMessage = 2000

// Push is a bundle that a caller, or a source, hands in.
type Push struct {
	Name string // of the bundle, see authz.ValidateBundleName
	// Body is the bundle as `opa build` writes it. It is read once, within
	// Config.Limits, before the bundle waits for the gate: however slowly it
	// comes, no other waits for it.
	Body io.Reader
	// Source is authz.SourcePush, authz.SourceFolder or a URL.
	Source  string
	Author  string // the API key, or the source
	Message string // why
}

// Push takes a bundle through the gate and keeps what the active generation becomes
// with it as a candidate. The bundle replaces the active generation's of its name, or
// is added; other candidates do not matter. It is on disk when Push returns, with the change of ctx
// that it was within (authz.WithChange).
//
// A bundle that the active generation has already changes nothing: the answer is the
// active generation, or the candidate that the same bundle made before, and created is
// false. What it says of the gate is always about the bundle that was pushed. The error is
// the *authz.Error of the step that refused, which Status names from then on until a
// bundle of that name gets through; CodeUnavailable when ctx ended first.
func (s *Set) Push(ctx context.Context, p Push) (g authz.Generation, created bool, err error) {
	push, err := s.Receive(ctx, p)
	if err != nil {
		return authz.Generation{}, false, err
	}
	return push(ctx)
}

// Receive is Push in two steps: it reads the bundle into memory, at the pace it comes,
// and looks at nothing in it; push, which is called once, does the rest.
func (s *Set) Receive(ctx context.Context, p Push) (push func(context.Context) (g authz.Generation, created bool, err error), err error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	read, err := s.receive(ctx, p.Body)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (authz.Generation, bool, error) {
		return s.change(ctx, offer{
			name: p.Name, read: read,
			source: p.Source, author: p.Author, message: p.Message, remembered: true,
		})
	}, nil
}

// receive takes a bundle as it travels into memory, to be read once it has the gate.
// What ends its body early is an error of that step.
func (s *Set) receive(ctx context.Context, body io.Reader) (read func(*view) (bundles.Package, error), err error) {
	limit := cmp.Or(s.config.Limits.Packed, authz.DefaultBundleSize)
	var packed bytes.Buffer
	_, fault := io.Copy(&packed, io.LimitReader(patient{ctx, body}, limit+1))
	if err := ctx.Err(); err != nil {
		return nil, givenUp(err)
	}
	return func(*view) (bundles.Package, error) {
		return bundles.ReadTar(io.MultiReader(&packed, broken{fault}), s.config.Limits)
	}, nil
}

// patient reads as long as ctx lets it.
type patient struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.from.Read(b)
}

// broken is where a body ends: with its fault, or without one.
type broken struct{ fault error }

// Read implements io.Reader.
func (b broken) Read([]byte) (int, error) { return 0, cmp.Or(b.fault, io.EOF) }

func (p Push) validate() error {
	switch {
	case p.Body == nil:
		return authz.Invalid("body", "is required: send the bundle")
	case p.Source == "":
		return authz.Invalid("source", "is required")
	case made(p.Source):
		return authz.Invalid("source", "is that of bundles Verdict makes itself; name where this one is from")
	}
	return validateChange(p.Name, p.Author, p.Message)
}

// validateChange checks what every change of a bundle says.
func validateChange(name, author, message string) error {
	if err := authz.ValidateBundleName("name", name); err != nil {
		return err
	}
	if name == authz.ModesBundle {
		return authz.Invalid("name", "is modes, a bundle that Verdict makes itself: set the modes of guards instead")
	}
	return validateAuthor(author, message)
}

func validateAuthor(author, message string) error {
	switch {
	case author == "":
		return authz.Invalid("author", "is required")
	case len(message) > MaxMessage:
		return authz.Invalid("message", fmt.Sprintf("is %d bytes long; it has at most %d", len(message), MaxMessage))
	case !utf8.ValidString(message) || strings.ContainsRune(message, 0):
		return authz.Invalid("message", "must be text, in UTF-8")
	}
	return nil
}

// Remove keeps what the active generation becomes without a bundle as a candidate,
// as Push does. The error is CodeNotFound when it has none of that name.
func (s *Set) Remove(ctx context.Context, name, author, message string) (authz.Generation, error) {
	if err := authz.ValidateBundleName("name", name); err != nil {
		return authz.Generation{}, err
	}
	if err := validateAuthor(author, message); err != nil {
		return authz.Generation{}, err
	}
	g, _, err := s.change(ctx, offer{name: name, author: author, message: message})
	return g, err
}

// change takes an offer to a candidate; created is false when there was one already, or
// it is active.
func (s *Set) change(ctx context.Context, o offer) (_ authz.Generation, created bool, err error) {
	if err := acquire(ctx, s.gate); err != nil {
		return authz.Generation{}, false, err
	}
	defer s.gate.Release(1)
	g := s.open(s.now(), o)
	g.next.Change = authz.ChangeOf(ctx)
	if g.on.active == nil {
		return authz.Generation{}, false, notStarted()
	}
	if o.may != nil {
		if err := o.may(g.on); err != nil {
			return authz.Generation{}, false, err
		}
	}
	if err := s.passed(ctx, g); err != nil {
		return authz.Generation{}, false, err
	}
	if g.known != nil {
		return g.shown(s.now()), false, nil
	}
	if err := acquire(ctx, s.writing); err != nil {
		return authz.Generation{}, false, err
	}
	defer s.writing.Release(1)
	kept, err := s.keepLocked(g)
	return kept, err == nil, err
}

// shown is the generation that has the offer already. One that was made for another
// bundle has a report of that one, which is no answer here.
func (g *gate) shown(v *view) authz.Generation {
	shown := v.show(g.known)
	if g.known.ChangedBundle == g.offer.name {
		return shown
	}
	shown.Gate = g.next.Gate
	for _, step := range []string{authz.GateSignature, authz.GateCompile, authz.GateTest, authz.GateReplay} {
		shown.Gate.Steps = append(shown.Gate.Steps, authz.GateStep{Name: step, Passed: true, Skipped: "the active generation has the bundle already"})
	}
	return shown
}

// notStarted is the error for what needs an active generation.
func notStarted() error {
	return authz.Errorf(authz.CodeUnavailable, "no policies are active yet; try again once the node has started")
}

// passed takes g through the gate and counts and remembers how that went.
func (s *Set) passed(ctx context.Context, g *gate) error {
	err := g.pass(ctx)
	switch {
	case g.failed != "":
		s.status.refused(g.failed)
		s.config.Log.Warn("a bundle was refused", "bundle", g.offer.name, "step", g.failed, "author", g.offer.author, "error", err)
		if g.offer.remembered {
			s.status.failed(failureOf(g.offer.name, g.failed, g.offer.author, g.offer.source, s.config.Now(), err))
		}
	case err == nil:
		s.status.passed(g.offer.name)
	}
	return err
}

// keepLocked puts a candidate on disk: its bundles, then itself. The caller has the
// turns of the gate and of writing.
func (s *Set) keepLocked(g *gate) (authz.Generation, error) {
	g.next.At = s.config.Now().UTC()
	for _, member := range g.set {
		if err := s.disk.writeBundle(member.Digest, member.Packed); err != nil {
			return authz.Generation{}, unwritten(err)
		}
	}
	if err := s.disk.writeGeneration(g.next); err != nil {
		return authz.Generation{}, unwritten(err)
	}
	v := s.view.Load().keeping(g.next)
	s.view.Store(v)
	s.compiled.add(g.snapshot)
	s.config.Log.Info("a generation was made", "generation", g.next.Number, "digest", g.next.Digest, "bundle", g.offer.name, "author", g.offer.author, "message", g.offer.message)
	s.pruneLocked()
	return v.show(g.next), nil
}

// unwritten is the error for a change that could not be put on disk.
func unwritten(cause error) error {
	return ofDisk("the policies were not changed, because the disk did not take the change; make sure that it has space and can be written, and try again", cause)
}

// keeping is the view with one more generation.
func (v *view) keeping(g *generation) *view {
	next := *v
	next.generations = make(map[uint64]*generation, len(v.generations)+1)
	for n, kept := range v.generations {
		next.generations[n] = kept
	}
	next.generations[g.Number] = g
	next.state.Next = g.Number + 1
	return &next
}

// without lists the bundles of a generation but one.
func (g *generation) without(name string) []authz.BundleRef {
	return slices.DeleteFunc(slices.Clone(g.Bundles), func(ref authz.BundleRef) bool { return ref.Name == name })
}

func (g *generation) sortBundles() {
	slices.SortFunc(g.Bundles, func(a, b authz.BundleRef) int { return cmp.Compare(a.Name, b.Name) })
}

// With compiles the active generation with a bundle in the place of its own of that
// name, or added, and keeps nothing. The bundle is read and verified as one that is
// pushed; its tests do not run. The snapshot has generation 0.
func (s *Set) With(ctx context.Context, name string, body io.Reader) (*bundles.Snapshot, error) {
	p := Push{Name: name, Body: body, Source: authz.SourcePush, Author: "replay"}
	if err := p.validate(); err != nil {
		return nil, err
	}
	read, err := s.receive(ctx, body)
	if err != nil {
		return nil, err
	}
	if err := acquire(ctx, s.gate); err != nil {
		return nil, err
	}
	defer s.gate.Release(1)
	g := s.open(s.now(), offer{name: p.Name, read: read, source: p.Source})
	if g.on.active == nil {
		return nil, notStarted()
	}
	g.next.Number = 0
	if err := g.rehearse(ctx); err != nil {
		return nil, err
	}
	return g.snapshot, nil
}

// rehearse takes the offer as far as it can be tried.
func (g *gate) rehearse(ctx context.Context) error {
	if err := g.step(ctx, authz.GateRead, g.read); err != nil {
		return err
	}
	if err := g.step(ctx, authz.GateSignature, g.verify); err != nil {
		return err
	}
	return g.step(ctx, authz.GateCompile, g.compile)
}
