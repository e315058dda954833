package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// patience is for how many looks in a row the server may give no answer.
const patience = 30

// watch shows the rotation until it has ended, and takes each step as soon as there
// is evidence for it.
func (r *rotate) watch(ctx context.Context) error {
	s := r.newStepper()
	missed, phase := 0, ""
	for {
		now, err := r.goOn(ctx, s)
		switch {
		case ctx.Err() != nil:
			return r.stopped(phase)
		case err == nil && !now.running():
			return r.ended(now)
		case err == nil:
			missed, phase = 0, now.Phase
		case failureOf(err).status != exitUnreachable || missed == patience:
			return err
		default:
			if missed++; missed == 1 {
				s.below()
				if err := r.note("%s; trying again", err); err != nil {
					return err
				}
			}
		}
		if err := pause(ctx, r.interval); err != nil {
			return r.stopped(phase)
		}
	}
}

// goOn shows how far the rotation is, and takes the next step if it is time to.
// Somebody else may have taken it meanwhile, or used an old generation: then it
// is as the next look shows.
func (r *rotate) goOn(ctx context.Context, s *stepper) (rotation, error) {
	now, err := r.set.status(ctx)
	if err != nil {
		return now, err
	}
	if err := s.show(now); err != nil || r.noAdvance || !now.ready() {
		return now, err
	}
	next, err := r.set.step(ctx, authz.RotationAdvance)
	if err != nil && failureOf(err).code == authz.CodeConflict {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	return next, s.show(next)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ended is how the command ends with a rotation that does not run any more.
func (r *rotate) ended(now rotation) error {
	switch {
	case now.Phase == authz.PhaseDone:
		return r.note("the rotation of %s is done", now.ID)
	case r.output == formatJSON:
		return silent(exitNotRotated)
	}
	return &failure{status: exitNotRotated, code: authz.CodeConflict, message: fmt.Sprintf("the rotation of %s was aborted: the old generations are preferred again", now.ID),
		fix: "Start another with `verdict rotate " + now.ID + "` once what was wrong is mended."}
}

// stopped is how the command ends when it is interrupted.
func (r *rotate) stopped(phase string) error {
	where := ""
	if phase != "" {
		where = " in phase " + phase
	}
	return &failure{status: exitNotRotated, code: authz.CodeUnavailable, cause: errors.New("interrupted"),
		message: fmt.Sprintf("stopped watching; the rotation of %s stays%s until somebody goes on with it", r.set.id, where),
		fix:     fmt.Sprintf("`verdict rotate %s` goes on, `verdict rotate %s --abort` goes back.", r.set.id, r.set.id)}
}
