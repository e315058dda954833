package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

const (
	// rotationsEvery is how often all running rotations are looked for, whatever was
	// written; withoutFeedEvery where no change feed tells what was.
	rotationsEvery   = time.Minute
	withoutFeedEvery = 5 * time.Second
	// stepRetry is the pause after a step that failed; it doubles each time, up to
	// rotationsEvery.
	stepRetry = time.Second
)

// RunRotations takes the next step of every running rotation whose Advance is
// authz.AdvanceAuto, as soon as there is evidence for it, until ctx ends. Each step is a
// change of the node itself (authz.Node), whose message is the evidence.
//
// A rotation is looked at when one of its credentials was written, as one is within a
// second of its first use; when its quiet time is over; and once a minute. Follow, which
// has to run besides, tells of writes; without a change feed each is looked at every five
// seconds. One is looked at after the other, so that many keep one goroutine busy at
// most. Nothing is remembered over a restart: what runs is in the store.
func (s *Service) RunRotations(ctx context.Context) error {
	if s.config.Credentials == nil {
		return nil
	}
	for {
		s.findRotations(ctx)
		for _, set := range s.rotations.due(s.config.Now()) {
			if ctx.Err() == nil {
				s.lookAtRotation(ctx, set)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.rotations.wake:
		case <-s.config.After(s.rotations.pause(s.config.Now())):
		}
	}
}

// findRotations looks for running rotations, when it is time to.
func (s *Service) findRotations(ctx context.Context) {
	r, now := s.rotations, s.config.Now()
	if !r.timeToFind(now) {
		return
	}
	sets, err := s.config.Credentials.RunningRotations(ctx)
	next := rotationsEvery
	switch {
	case err != nil:
		next = stepRetry
	case !s.config.Store.LogsChanges():
		next = withoutFeedEvery
	}
	if failedNow := r.found(sets, now.Add(next), err); failedNow && ctx.Err() == nil {
		s.config.Log.ErrorContext(ctx, "running rotations cannot be looked for; it is tried again", "error", err)
	}
}

// lookAtRotation looks at the rotation of a set, and takes its next step if there is
// evidence for it.
func (s *Service) lookAtRotation(ctx context.Context, set string) {
	view, err := s.config.Credentials.RotationStatus(ctx, set)
	if err == nil && ready(view) {
		// A step that has begun is not left half done by the end of the node.
		if view, err = s.advance(context.WithoutCancel(ctx), view); err == nil {
			s.config.Log.InfoContext(ctx, "a rotation took its next step on evidence", "set", set, "phase", view.Phase)
		}
	}
	if failedNow := s.rotations.looked(set, view, err, s.config.Now()); failedNow && ctx.Err() == nil {
		s.config.Log.ErrorContext(ctx, "a rotation cannot take its next step; it is tried again", "set", set, "error", err)
	}
}

// ready reports whether the server is to take the next step of a rotation now.
func ready(view authz.RotationView) bool {
	return goesOn(view) && len(view.WaitingFor) == 0
}

// goesOn reports whether the server takes the steps of a rotation that has not ended.
func goesOn(view authz.RotationView) bool {
	return authz.RunningPhase(view.Phase) && view.Advance == authz.AdvanceAuto
}

// advance takes the next step of a rotation that is ready, unless it has moved on
// meanwhile.
func (s *Service) advance(ctx context.Context, view authz.RotationView) (authz.RotationView, error) {
	next := authz.PhaseDrain
	if view.Phase == authz.PhaseDrain {
		next = authz.PhaseDone
	}
	c := &authz.AuditedChange{Kind: authz.ChangeRotationAdvance, Collection: authz.RotationSets, Key: view.ID, Message: evidence(view, next)}
	return s.stepRotation(ctx, authz.Node(), c, authz.RotationAdvance, view.Phase)
}

// RotationStatus is how far the rotation of a set is, and why the server's last try to
// take its next step failed.
func (s *Service) RotationStatus(ctx context.Context, set string) (authz.RotationView, error) {
	if s.config.Credentials == nil {
		return authz.RotationView{}, missing("credentials")
	}
	view, err := s.config.Credentials.RotationStatus(ctx, set)
	if err == nil && goesOn(view) {
		view.AdvanceError = s.rotations.fault(set)
	}
	return view, err
}

// evidence is what an advance into phase was taken on, as the audit keeps it: each
// member with the uses that count, or as many as fit.
func evidence(view authz.RotationView, phase string) string {
	text := "every member"
	if slices.ContainsFunc(view.Members, isOver) {
		text += " with a generation that works"
	}
	text += " has used its new generation"
	if phase == authz.PhaseDone {
		text += ", and left the old ones unused for the quiet time"
	}
	text += ": "
	for i, m := range view.Members {
		of := memberEvidence(m, phase)
		if i > 0 {
			of = "; " + of
		}
		if rest := fmt.Sprintf("; and %d more", len(view.Members)-i); len(text)+len(of)+len(rest) > authz.MaxTextLength {
			return text + rest
		}
		text += of
	}
	return text
}

// isOver reports whether a member is not waited for, as nothing of it works any more.
func isOver(m authz.RotationMemberView) bool { return m.NewUsedAt.IsZero() }

func memberEvidence(m authz.RotationMemberView, phase string) string {
	if isOver(m) {
		return m.MachineUser + " has no generation that works"
	}
	text := m.MachineUser + " used " + m.New + " " + usedText(m.NewUsedAt, m.NewUsedFrom)
	switch {
	case phase != authz.PhaseDone || len(m.Old) == 0:
		return text
	case m.OldUsedAt.IsZero():
		return text + ", and has not been seen using " + strings.Join(m.Old, ", ")
	}
	return text + ", and last used " + strings.Join(m.Old, ", ") + " " + usedText(m.OldUsedAt, m.OldUsedFrom)
}

func usedText(at time.Time, from string) string {
	text := "at " + at.UTC().Format(time.RFC3339)
	if from != "" {
		text += " from " + from
	}
	return text
}

// runningRotations is what RunRotations knows of the rotations that it takes the steps
// of. It is safe for concurrent use.
type runningRotations struct {
	wake chan struct{} // has an element when something was written since

	mu         sync.Mutex
	sets       map[string]*runningRotation // guarded by mu :: set -> its rotation
	of         map[string]string           // guarded by mu :: credential -> set that moves from or to it
	find       time.Time                   // when all are looked for next; guarded by mu
	findFailed bool                        // guarded by mu
}

type runningRotation struct {
	due         time.Time // when it is looked at next
	written     bool      // something of it was written since it was last looked at
	credentials []string
	failures    int    // steps that failed in a row
	fault       string // why the last one did
}

// next is when the rotation is looked at: now, if something was written, but for one
// whose last step failed.
func (of *runningRotation) next() time.Time {
	if of.written && of.failures == 0 {
		return time.Time{}
	}
	return of.due
}

func newRunningRotations() *runningRotations {
	return &runningRotations{wake: make(chan struct{}, 1), sets: map[string]*runningRotation{}, of: map[string]string{}}
}

// written notes a write that may be evidence.
func (r *runningRotations) written(c authz.Collection, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := key
	if c == authz.Credentials {
		set = r.of[key]
	}
	if set == "" || c != authz.Credentials && c != authz.Rotations {
		return
	}
	r.setLocked(set).written = true
	r.wakeLocked()
}

// lost has all rotations looked for anew: writes may have been missed.
func (r *runningRotations) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.find = time.Time{}
	r.wakeLocked()
}

func (r *runningRotations) wakeLocked() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *runningRotations) setLocked(set string) *runningRotation {
	if r.sets[set] == nil {
		r.sets[set] = &runningRotation{}
	}
	return r.sets[set]
}

func (r *runningRotations) timeToFind(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.find)
}

// found has sets looked at now, and all looked for again at next. It reports whether
// that failed, and did not before.
func (r *runningRotations) found(sets []string, next time.Time, err error) (failedNow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, set := range sets {
		r.setLocked(set).written = true
	}
	failedNow = err != nil && !r.findFailed
	r.find, r.findFailed = next, err != nil
	return failedNow
}

// due are the sets to look at now, sorted. What is written from now on has them looked
// at once more.
func (r *runningRotations) due(now time.Time) (due []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, set := range slices.Sorted(maps.Keys(r.sets)) {
		if of := r.sets[set]; !now.Before(of.next()) {
			of.written = false
			due = append(due, set)
		}
	}
	return due
}

// pause is how long there is nothing to look at, as far as is known.
func (r *runningRotations) pause(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.find
	for _, of := range r.sets {
		if of.next().Before(next) {
			next = of.next()
		}
	}
	return max(0, next.Sub(now))
}

// looked notes what became of a look at a set, or of the step that it came to. It reports
// whether that failed, and did not before.
func (r *runningRotations) looked(set string, view authz.RotationView, err error, now time.Time) (failedNow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.setLocked(set)
	switch code := authz.CodeOf(err); {
	case code == authz.CodeConflict: // it moved on, or lost its evidence, in between
		of.due = now.Add(stepRetry)
		return false
	case code == authz.CodeNotFound, err == nil && !goesOn(view):
		r.forgetLocked(set)
		return false
	case err != nil:
		of.due = now.Add(min(stepRetry<<min(of.failures, 10), rotationsEvery))
		of.failures++
		var c authz.AuditedChange
		explain(&c, err)
		failedNow, of.fault = c.Error != of.fault, c.Error
		return failedNow
	}
	of.failures, of.fault = 0, ""
	of.due = now.Add(rotationsEvery)
	switch {
	case r.concernsLocked(set, of, view): // what was written of new ones before was not told of
		of.due = now
	case len(view.WaitingFor) == 0:
		of.due = now
	case view.QuietLeftS > 0:
		of.due = now.Add(min(time.Duration(view.QuietLeftS)*time.Second, rotationsEvery))
	}
	return false
}

// concernsLocked notes which credentials' writes concern a set. It reports whether there
// are others than before.
func (r *runningRotations) concernsLocked(set string, of *runningRotation, view authz.RotationView) bool {
	var credentials []string
	for _, m := range view.Members {
		credentials = append(append(credentials, m.New), m.Old...)
	}
	if slices.Equal(credentials, of.credentials) {
		return false
	}
	r.forgetCredentialsLocked(set, of)
	of.credentials = credentials
	for _, id := range credentials {
		r.of[id] = set
	}
	return true
}

func (r *runningRotations) forgetLocked(set string) {
	r.forgetCredentialsLocked(set, r.sets[set])
	if !r.sets[set].written { // else another was started meanwhile
		delete(r.sets, set)
	}
}

func (r *runningRotations) forgetCredentialsLocked(set string, of *runningRotation) {
	for _, id := range of.credentials {
		if r.of[id] == set {
			delete(r.of, id)
		}
	}
	of.credentials = nil
}

// fault is why the last step of a set failed; empty when it did not.
func (r *runningRotations) fault(set string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.sets[set]; of != nil {
		return of.fault
	}
	return ""
}
