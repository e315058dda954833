package decisionlog

import (
	"context"
	"errors"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/redact"
)

// maskTimeout bounds how long Config.Mask may take for one record.
const maskTimeout = time.Second

// mask redacts the input and the result of r. It returns why neither may be stored, empty
// when they may.
func (l *Log) mask(ctx context.Context, r *authz.Record) (why string) {
	masks, err := l.masksFor(ctx, r)
	if err != nil {
		return l.unmaskable("the mask policy failed", err)
	}
	secret, err := redact.Record(r, masks)
	var failed *redact.Error
	switch {
	case errors.As(err, &failed):
		return l.unmaskable(failed.Reason, failed.Cause)
	case err != nil:
		return l.unmaskable("it could not be masked", err)
	case secret:
		l.stats.backstop.Add(1)
	}
	return ""
}

// masksFor asks the policy what to mask of r. A panic of it is an error.
func (l *Log) masksFor(ctx context.Context, r *authz.Record) (masks []authz.Mask, err error) {
	if l.config.Mask == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maskTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the mask policy panicked")
		}
	}()
	seen := *r
	masks, err = l.config.Mask(ctx, &seen)
	if err == nil {
		err = ctx.Err()
	}
	return masks, err
}

// unmaskable logs, now and then, that records are stored without their input, and
// returns why. Of the cause only what is safe to show is logged.
func (l *Log) unmaskable(why string, cause error) string {
	l.unmaskableLog.Do(func() {
		attributes := []any{"why", why}
		var ours *authz.Error
		if errors.As(cause, &ours) {
			attributes = append(attributes, "error", ours)
		}
		l.config.Log.Error("decisions are recorded without their input", attributes...)
	})
	return why
}
