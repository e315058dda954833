package servertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/generations"
)

// Policies is a policy life small enough to read: every bundle passes, nothing is
// compiled or kept on disk. It is safe for concurrent use; its fields are set
// before it is used.
type Policies struct {
	// Err is answered by everything that changes something, or takes a while.
	Err error
	// Busy, when not nil, is called by a push that was read, and by a comparison,
	// with the context of the work; its error is theirs.
	Busy func(context.Context) error
	// Awaiting, when not nil, is told when a caller asks for the next change.
	Awaiting chan<- struct{}

	Files    []authz.FileDiff
	Compared *authz.Comparison
	Standing authz.PolicyStatus
	Modes    []authz.GuardMode

	mu          sync.Mutex
	generations []authz.Generation // number n at n-1
	packed      map[string][]byte  // :: digest -> bundle
	active      uint64
	previous    uint64
	changed     chan struct{} // closed and replaced by every activation
	asked       []string
}

// NewPolicies has generation 1 active, which is of the bundle base.
func NewPolicies() *Policies {
	p := &Policies{Files: []authz.FileDiff{}, packed: map[string][]byte{}, changed: make(chan struct{}), active: 1}
	p.addLocked(map[string]authz.BundleRef{"base": p.keepLocked("base", []byte("base bundle"))}, "verdict", "")
	p.generations[0].State = authz.GenerationActive
	return p
}

// Asked is what was asked of changes, in order, with by whom and why.
func (p *Policies) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *Policies) keepLocked(name string, packed []byte) authz.BundleRef {
	sum := sha256.Sum256(packed)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	p.packed[digest] = packed
	return authz.BundleRef{Name: name, Digest: digest, Bytes: int64(len(packed)), Roots: []string{name}, Source: authz.SourcePush}
}

func (p *Policies) addLocked(bundles map[string]authz.BundleRef, author, message string) authz.Generation {
	g := authz.Generation{
		Number:  uint64(len(p.generations)) + 1,
		Digest:  "sha256:ab",
		State:   authz.GenerationCandidate,
		Author:  author,
		Message: message,
		At:      Now,
		Gate:    &authz.GateReport{Steps: []authz.GateStep{{Name: authz.GateRead, Passed: true}}},
	}
	for _, name := range slices.Sorted(maps.Keys(bundles)) {
		g.Bundles = append(g.Bundles, bundles[name])
	}
	p.generations = append(p.generations, g)
	return g
}

func (p *Policies) activeLocked() map[string]authz.BundleRef {
	bundles := map[string]authz.BundleRef{}
	for _, ref := range p.generations[p.active-1].Bundles {
		bundles[ref.Name] = ref
	}
	return bundles
}

func (p *Policies) busy(ctx context.Context) error {
	if p.Busy != nil {
		if err := p.Busy(ctx); err != nil {
			return err
		}
	}
	return p.Err
}

// Receive implements control.Policies. The same bundle as the active one makes nothing
// new.
func (p *Policies) Receive(_ context.Context, push generations.Push) (func(context.Context) (authz.Generation, bool, error), error) {
	packed, err := io.ReadAll(push.Body)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (authz.Generation, bool, error) { return p.push(ctx, push, packed) }, nil
}

func (p *Policies) push(ctx context.Context, push generations.Push, packed []byte) (authz.Generation, bool, error) {
	if err := p.busy(ctx); err != nil {
		return authz.Generation{}, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, "push "+push.Name+" by "+push.Author+": "+push.Message)
	bundles, ref := p.activeLocked(), p.keepLocked(push.Name, packed)
	if bundles[push.Name].Digest == ref.Digest {
		return p.generations[p.active-1], false, nil
	}
	bundles[push.Name] = ref
	return p.addLocked(bundles, push.Author, push.Message), true, nil
}

// Remove implements control.Policies.
func (p *Policies) Remove(_ context.Context, name, by, message string) (authz.Generation, error) {
	if p.Err != nil {
		return authz.Generation{}, p.Err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, "remove "+name+" by "+by+": "+message)
	bundles := p.activeLocked()
	if _, ok := bundles[name]; !ok {
		return authz.Generation{}, authz.Errorf(authz.CodeNotFound, "there is no bundle %q", name)
	}
	delete(bundles, name)
	return p.addLocked(bundles, by, message), nil
}

// Bundle implements admin.Policies.
func (p *Policies) Bundle(name string) ([]byte, authz.BundleRef, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ref, ok := p.activeLocked()[name]
	if !ok {
		return nil, authz.BundleRef{}, authz.Errorf(authz.CodeNotFound, "there is no bundle %q", name)
	}
	return p.packed[ref.Digest], ref, nil
}

// Changed implements admin.Policies.
func (p *Policies) Changed() <-chan struct{} {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	if p.Awaiting != nil {
		p.Awaiting <- struct{}{}
	}
	return changed
}

// Active implements admin.Policies.
func (p *Policies) Active() authz.Generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.generations[p.active-1]
}

// List implements admin.Policies.
func (p *Policies) List() []authz.Generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := slices.Clone(p.generations)
	slices.Reverse(newest)
	return newest
}

// Get implements admin.Policies.
func (p *Policies) Get(number uint64) (authz.Generation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.getLocked(number)
}

func (p *Policies) getLocked(number uint64) (authz.Generation, error) {
	if number == 0 || number > uint64(len(p.generations)) {
		return authz.Generation{}, authz.Errorf(authz.CodeNotFound, "there is no generation %d", number)
	}
	return p.generations[number-1], nil
}

// Activate implements control.Policies.
func (p *Policies) Activate(_ context.Context, number uint64, by, message string) (authz.Generation, error) {
	if p.Err != nil {
		return authz.Generation{}, p.Err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, "activate by "+by+": "+message)
	return p.activateLocked(number, by)
}

func (p *Policies) activateLocked(number uint64, by string) (authz.Generation, error) {
	if _, err := p.getLocked(number); err != nil {
		return authz.Generation{}, err
	}
	p.generations[p.active-1].State = authz.GenerationKept
	p.previous, p.active = p.active, number
	g := &p.generations[number-1]
	g.State, g.ActivatedAt, g.ActivatedBy = authz.GenerationActive, Now, by
	close(p.changed)
	p.changed = make(chan struct{})
	return *g, nil
}

// Rollback implements control.Policies.
func (p *Policies) Rollback(_ context.Context, to uint64, by, message string) (authz.Generation, error) {
	if p.Err != nil {
		return authz.Generation{}, p.Err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, "rollback by "+by+": "+message)
	if to == 0 {
		to = p.previous
	}
	if to == 0 {
		return authz.Generation{}, authz.Errorf(authz.CodeConflict, "no generation was active before")
	}
	return p.activateLocked(to, by)
}

// Diff implements admin.Generations: it answers Files, and Compared when last is
// above 0.
func (p *Policies) Diff(ctx context.Context, a, b uint64, last int) (authz.Difference, error) {
	for _, number := range []uint64{a, b} {
		if _, err := p.Get(number); err != nil {
			return authz.Difference{}, err
		}
	}
	if err := p.busy(ctx); err != nil {
		return authz.Difference{}, err
	}
	diff := authz.Difference{From: a, To: b, Files: p.Files}
	if last > 0 {
		diff.Decisions = p.Compared
	}
	return diff, nil
}

// Status implements admin.Policies.
func (p *Policies) Status() authz.PolicyStatus { return p.Standing }

// Guards implements admin.Policies.
func (p *Policies) Guards(context.Context) ([]authz.GuardMode, error) { return p.Modes, p.Err }

// SetMode implements control.Policies.
func (p *Policies) SetMode(_ context.Context, guard, mode, by, message string) (authz.Generation, error) {
	if p.Err != nil {
		return authz.Generation{}, p.Err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, guard+" to "+mode+" by "+by+": "+message)
	made := p.addLocked(p.activeLocked(), by, message)
	return p.activateLocked(made.Number, by)
}

// FindChange implements control.Policies.
func (*Policies) FindChange(string) (made, activated uint64) { return 0, 0 }
