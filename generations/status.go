package generations

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// StepStart is the step of a PolicyFailure of Start, which is no step of the gate.
const StepStart = "start"

// maxFailures bounds the failures that are remembered of each kind, of what was pushed
// and of others; the oldest go first. No one can push so much that what others must
// look at is forgotten.
const maxFailures = 64

// Stats counts since Open.
type Stats struct {
	Pushes      uint64            // offers that got through the gate or were refused
	Refused     map[string]uint64 // :: step of the gate -> offers it refused
	Activations uint64            // rollbacks too
	Kept        int               // generations on disk
}

// status remembers how changes went. The zero value is ready.
type status struct {
	mu          sync.Mutex // guards all below
	pushes      uint64
	steps       map[string]uint64 // :: step -> refusals
	activations uint64
	failures    map[failureKey]authz.PolicyFailure // the last one of each
}

// failureKey keeps what was pushed apart from what a source or a start brought: the news
// of the one who pushed must not hide those of the operator.
type failureKey struct {
	name   string
	pushed bool
}

func keyOf(f authz.PolicyFailure) failureKey { return failureKey{f.Name, f.Pushed()} }

// failureOf describes an error for authz.PolicyStatus.
func failureOf(name, step, author, source string, at time.Time, err error) authz.PolicyFailure {
	f := authz.PolicyFailure{Name: name, At: at.UTC(), Step: step, Author: author, Source: source, Message: err.Error()}
	var ours *authz.Error
	if errors.As(err, &ours) {
		f.Problems = ours.Problems
	}
	return f
}

// refused counts an offer that a step refused.
func (s *status) refused(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.steps == nil {
		s.steps = map[string]uint64{}
	}
	s.pushes++
	s.steps[step]++
}

// failed remembers a failure.
func (s *status) failed(f authz.PolicyFailure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = map[failureKey]authz.PolicyFailure{}
	}
	s.failures[keyOf(f)] = f
	alike := slices.DeleteFunc(s.newestLocked(), func(other authz.PolicyFailure) bool { return other.Pushed() != f.Pushed() })
	if len(alike) > maxFailures {
		delete(s.failures, keyOf(alike[len(alike)-1]))
	}
}

// passed counts an offer that got through, and forgets the failures of its name.
func (s *status) passed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes++
	delete(s.failures, failureKey{name, true})
	delete(s.failures, failureKey{name, false})
}

// activated counts an activation.
func (s *status) activated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activations++
}

// chosen forgets that a start fell back: what is active was chosen since.
func (s *status) chosen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.failures, func(_ failureKey, f authz.PolicyFailure) bool { return f.Step == StepStart })
}

func (s *status) newestLocked() []authz.PolicyFailure {
	return slices.SortedFunc(maps.Values(s.failures), func(a, b authz.PolicyFailure) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Name, b.Name))
	})
}

// Status is how the policies are kept and what failed; Sources is left to the caller.
func (s *Set) Status() authz.PolicyStatus {
	v := s.now()
	status := authz.PolicyStatus{Previous: v.previous()}
	if v.active != nil {
		status.Active = v.snapshot.Ref() // as decisions name it
	}
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	status.Failures = s.status.newestLocked()
	return status
}

// Failing are the failures that operators should know of, the newest first: those of
// sources and of the start. Who pushes a bundle that is refused is told, and
// no one else has to look.
func (s *Set) Failing() []authz.PolicyFailure {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return slices.DeleteFunc(s.status.newestLocked(), func(f authz.PolicyFailure) bool { return f.Pushed() })
}

// Stats counts what happened since Open.
func (s *Set) Stats() Stats {
	kept := len(s.view.Load().generations)
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return Stats{Pushes: s.status.pushes, Refused: maps.Clone(s.status.steps), Activations: s.status.activations, Kept: kept}
}
