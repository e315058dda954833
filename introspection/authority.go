package introspection

import (
	"fmt"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// What the zero of an Authority's Deadline and NegativeFor means.
const (
	DefaultDeadline    = 500 * time.Millisecond
	DefaultNegativeFor = 10 * time.Second
)

// Authority is an issuer of opaque tokens and how to ask it.
type Authority struct {
	Issuer string // the registered issuer's id
	// Revision is the issuer entity's: answers got under another are not used.
	Revision uint64
	URL      string // introspection endpoint: https, or http to a loopback address
	// ClientID and Secret are who we are to the authority: HTTP Basic, both
	// form-urlencoded first (RFC 6749 section 2.3.1).
	ClientID string
	Secret   string `json:"-"`
	// Deadline bounds one question, from dialing to the last byte of the answer.
	Deadline time.Duration
	// FreshFor is how long a positive answer is repeated without asking, UsableFor
	// how long while the authority cannot be asked. Zero is not at all, and UsableFor
	// bounds both.
	FreshFor, UsableFor time.Duration
	// NegativeFor is how long the answer "inactive" is repeated without asking.
	NegativeFor time.Duration
}

// AuthorityOf is the authority of a registered issuer of kind introspection, where our
// secret is ours.
func AuthorityOf(issuer *authz.Issuer, ours string) Authority {
	in := issuer.Introspection
	return Authority{
		Issuer:      issuer.ID,
		Revision:    issuer.Revision,
		URL:         in.URL,
		ClientID:    in.ClientID,
		Secret:      ours,
		Deadline:    time.Duration(in.DeadlineMS) * time.Millisecond,
		FreshFor:    time.Duration(issuer.FreshForS) * time.Second,
		UsableFor:   time.Duration(issuer.UsableForS) * time.Second,
		NegativeFor: time.Duration(in.NegativeForS) * time.Second,
	}
}

// String names the authority without its secret.
func (a Authority) String() string {
	return fmt.Sprintf("authority of %s at %s, revision %d, as client %q", a.Issuer, a.URL, a.Revision, a.ClientID)
}

// GoString is String: %#v would show the secret.
func (a Authority) GoString() string { return a.String() }

func (a Authority) withDefaults() Authority {
	if a.Deadline <= 0 {
		a.Deadline = DefaultDeadline
	}
	if a.NegativeFor <= 0 {
		a.NegativeFor = DefaultNegativeFor
	}
	a.FreshFor = min(a.FreshFor, a.UsableFor)
	return a
}

// validate says whether the authority can be asked at all.
func (a Authority) validate() error {
	switch {
	case a.Issuer == "":
		return authz.Invalid("issuer", "is required: the registered issuer's id")
	case a.ClientID == "":
		return authz.Invalid("client_id", "is required: RFC 7662 section 2.1 asks for an authenticated client")
	}
	return authz.ValidateFetchURL("introspection_url", a.URL)
}
