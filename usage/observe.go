package usage

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Observe notes the use of the credential that a decision was asked for with, if the
// decision proves that it is in use. Whether a rotation may go on hangs on it. Like Seen,
// it is for the hot path.
func (u *Uses) Observe(_ context.Context, r authz.Request, d authz.Decision) {
	if d.Credential != "" && isInUse(r.Evidence, d) {
		u.Seen(d.Credential, time.Time{}, u.config.Now(), sourceOf(r))
	}
}

// isInUse reports whether a decision is evidence that its credential is in use. A secret,
// an assertion or a certificate was proved by its holder. A token only names the credential
// that it was got with: one that is expired, revoked or of an issuer that may not speak for
// the machine user is no evidence, or any token could move a rotation on.
func isInUse(e authz.Evidence, d authz.Decision) bool {
	if e.Token == "" && len(e.Claims) == 0 {
		return true
	}
	return !slices.ContainsFunc(slices.Concat(d.Reasons, d.WouldDeny), func(r authz.Reason) bool {
		return r.Status == http.StatusUnauthorized
	})
}

// sourceOf is the address a request says it came from, "" when that is none.
func sourceOf(r authz.Request) string {
	text, _ := r.Context["source_ip"].(string)
	if _, err := netip.ParseAddr(text); err != nil {
		return ""
	}
	return text
}
