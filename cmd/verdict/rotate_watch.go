package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// maxMissed is for how many looks in a row the server may give no answer.
const maxMissed = 30

// watch shows the rotation until it has ended.
func (r *rotate) watch(ctx context.Context) error {
	s := r.newStepper()
	var last rotation
	missed := 0
	for {
		now, err := r.set.status(ctx)
		if err == nil {
			err = s.show(now)
		}
		switch {
		case ctx.Err() != nil:
			return r.stopped(last)
		case err == nil && !now.running():
			return r.ended(now)
		case err == nil:
			missed, last = 0, now
		case failureOf(err).status != exitUnreachable || missed == maxMissed:
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
			return r.stopped(last)
		}
	}
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

// stopped is how the command ends when it is interrupted, after it showed last.
func (r *rotate) stopped(last rotation) error {
	where, goes := "", "goes on by itself"
	if last.Phase != "" {
		where = " is in phase " + last.Phase + " and"
	}
	fix := fmt.Sprintf("`verdict rotate %s` watches it again, `verdict rotate %s --abort` goes back.", r.set.id, r.set.id)
	if last.manual() {
		goes = "stays there until somebody goes on with it"
		fix = fmt.Sprintf("`verdict rotate %s --advance` goes on, `verdict rotate %s --abort` goes back.", r.set.id, r.set.id)
	}
	return &failure{status: exitNotRotated, code: authz.CodeUnavailable, cause: errors.New("interrupted"),
		message: fmt.Sprintf("stopped watching; the rotation of %s%s %s", r.set.id, where, goes), fix: fix}
}
