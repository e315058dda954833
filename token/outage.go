package token

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of what is remembered of outages.
const (
	maxOutages = 1024 // issuers; beyond them all are forgotten, and logged again
	maxCauses  = 8    // logged of one outage
)

// outages are the issuers that cannot be asked about opaque tokens just now, so that
// the log has each cause once an outage and not once a token. The zero outages is
// ready for use, by any number of goroutines.
type outages struct {
	mu sync.Mutex
	of map[string]*outage // :: issuer id -> its outage; guarded by mu
}

// outage is one issuer's.
type outage struct {
	causes []string // logged
	failed time.Time
}

// news says whether a failure at a time is to be logged.
func (o *outages) news(issuer, cause string, at time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil || len(o.of) >= maxOutages && o.of[issuer] == nil {
		o.of = map[string]*outage{}
	}
	if o.of[issuer] == nil {
		o.of[issuer] = &outage{}
	}
	last := o.of[issuer]
	last.failed = at
	if len(last.causes) == maxCauses || slices.Contains(last.causes, cause) {
		return false
	}
	last.causes = append(last.causes, cause)
	return true
}

// end closes an outage with an answer the issuer gave at a time. One that was given
// before the last failure, and is remembered, closes none.
func (o *outages) end(issuer string, answered time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last := o.of[issuer]; last != nil && answered.After(last.failed) {
		delete(o.of, issuer)
	}
}

// reportOutage logs why an issuer cannot be asked about a token, unless it is the
// caller who gave up, or the log has it already.
func (v *Verifier) reportOutage(ctx context.Context, issuer *authz.Issuer, token string, err error) {
	if ctx.Err() != nil {
		return
	}
	cause := strings.ReplaceAll(err.Error(), token, "[token]")
	if v.outages.news(issuer.ID, cause, v.now()) {
		v.log.WarnContext(ctx, "issuer cannot be asked about opaque tokens", "issuer", issuer.ID, "error", cause)
	}
}
