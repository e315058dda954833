package authz

import (
	"encoding/json"
	"errors"
	"time"
)

// IntrospectionAnswer is what an issuer said of a token that it was asked about.
type IntrospectionAnswer struct {
	// Claims is the JSON object as received, active included: checked to be I-JSON,
	// at most 64 kB, not interpreted beyond active and exp. It is shared: never
	// change it.
	Claims []byte
	// At is when the issuer was asked; it said so no earlier. Age is how long ago.
	At  time.Time
	Age time.Duration
	// Freshness is Fresh, or Stale when the issuer cannot be asked.
	Freshness string
	// KnownSource says that the source is among the last four that presented this
	// token, before this call, while the answer was fresh.
	KnownSource bool
}

// What asking an issuer fails with, perhaps wrapped.
var (
	// ErrInactive: the issuer says that the token is not active, or its exp has
	// passed.
	ErrInactive = errors.New("the token is not active")
	// ErrUnavailable: the issuer cannot be reached, or gave no well-formed answer, and no
	// earlier answer may be used.
	ErrUnavailable = errors.New("the issuer of the token cannot be asked")
)

// SecretCandidate is a credential a secret may be of. What is remembered of a
// comparison holds for one ID, Version and Hash: change any of them and the next use
// is compared anew.
type SecretCandidate struct {
	ID string
	// Version changes when the secret is to be proved anew: the generation of the
	// credential is a good one. A revision that moves at each recorded use is not: it
	// would make every use cold.
	Version uint64
	// Hash is an argon2id hash in PHC form. One that is not never matches.
	Hash string `json:"-"`
	// Spent says that a match would only explain a denial: the credential was
	// retired or revoked.
	Spent bool
}

// What comparing a secret fails with, perhaps wrapped.
var (
	// ErrSecretMismatch: the secret is of none of the candidates.
	ErrSecretMismatch = errors.New("the secret is of no credential of the client")
	// ErrSecretThrottled: too many wrong secrets came for the client from this source.
	ErrSecretThrottled = errors.New("too many wrong secrets for the client from this source")
	// ErrSecretBusy: too many secrets are being compared; whether this one is right is
	// not known.
	ErrSecretBusy = errors.New("too many secrets are being compared")
)

// SecurityEvent is what a verified Security Event Token (SET, RFC 8417) says:
// signature, typ, iss, aud, that it is one event, and that it has neither sub nor
// exp were checked. The zero SecurityEvent says nothing.
type SecurityEvent struct {
	Issuer    *Issuer // that sent it, a registered one; shared, never to be changed
	JTI       string  // unique per issuer: an event seen before is not acted on again
	IssuedAt  time.Time
	Type      string          // the event's URI
	SubjectID json.RawMessage // the sub_id claim, an object (RFC 9493); not looked into
	Payload   json.RawMessage // the event, an object; not looked into
}

// EventRefusal is the error of a security event that is at fault: sending it again does
// not help.
// Both texts are shown to the transmitter and logged; of the token they hold names of
// members at most, never a value.
type EventRefusal struct {
	Err         string // a code of RFC 8935 section 2.4
	Description string
}

// Error is the description, after the code.
func (r *EventRefusal) Error() string { return r.Err + ": " + r.Description }
