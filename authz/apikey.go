package authz

import (
	"slices"
	"strconv"
	"time"
)

// Role is one permission of an API key.
type Role string

// The roles. None contains another; a key lists what it may do.
const (
	RoleDecide       Role = "decide"        // ask for decisions
	RoleAssertClaims Role = "assert-claims" // send claims it has verified itself instead of a token
	// RoleAssertCertificates sends the client certificate of a TLS connection it
	// ended itself. Certificates are public, so a caller that may assert one may speak
	// for every machine user that has one.
	RoleAssertCertificates Role = "assert-certificates"
	RoleSimulate           Role = "simulate" // ask hypothetical questions
	RoleOperate            Role = "operate"  // read and write entities, keys, backups
	RoleAuthor             Role = "author"   // push, activate and roll back policies
	RoleReview             Role = "review"   // read entities, the change feed, policies and the decision log
	RoleTransmit           Role = "transmit" // push security events (RFC 8935)
)

// Roles lists every role.
func Roles() []Role {
	return []Role{RoleDecide, RoleAssertClaims, RoleAssertCertificates, RoleSimulate, RoleOperate, RoleAuthor, RoleReview, RoleTransmit}
}

// Caller is who calls Verdict's own API: a policy enforcement point or an
// operator, known by its API key. It is not the subject of a decision.
type Caller struct {
	ID    string
	Name  string // of the API key; may be empty
	Roles []Role
}

// Has reports whether the caller holds role.
func (c Caller) Has(role Role) bool { return slices.Contains(c.Roles, role) }

// MayAsk returns an error for a caller whose roles do not include questions, or
// hypothetical ones when simulated. It is the part of Request.Permitted that can be
// checked before the question is read.
func (c Caller) MayAsk(simulated bool) error {
	role := RoleDecide
	if simulated {
		role = RoleSimulate
	}
	if c.Has(role) {
		return nil
	}
	return Errorf(CodeForbidden, "this needs the role %s, which API key %s does not have", role, c.ID)
}

// mayVouch returns an error for a caller without the role that the content of field
// needs.
func (c Caller) mayVouch(role Role, field, instead string) error {
	if c.Has(role) {
		return nil
	}
	return &Error{
		Code:    CodeForbidden,
		Field:   field,
		Message: "needs the role " + string(role) + ", which API key " + c.ID + " does not have; " + instead,
	}
}

// APIKeys are the keys of callers.
const APIKeys Collection = "api_keys"

var apiKeyKind = Kind{
	Collection: APIKeys, Code: 12, New: func() Entity { return new(APIKey) },
	One: "API key", About: "Who may call this API, and what it may do.",
	Columns: []string{"name", "roles", "revoked", "expires_at"},
	Hot:     everyKey, Apart: true,
	NotPut:     "api_keys are not written this way; make them with POST /v1/keys or `verdict key create`",
	NotDeleted: "api_keys are revoked and kept, so that their use can be explained",
}

// APIKey lets a caller use the API. The key itself is shown once, at creation;
// Hash is all that is kept.
type APIKey struct {
	Header
	Name string `json:"name,omitempty"`
	// Hash is the lower-case hex SHA-256 of the whole key, which is 256 random
	// bits. No response contains it.
	Hash      string    `json:"hash,omitempty"`
	Roles     []Role    `json:"roles"`
	Revoked   bool      `json:"revoked,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	noExpiry            // kept after ExpiresAt, so that its use can be explained
}

// Redacted implements Redactor: it leaves the hash out.
func (k *APIKey) Redacted() Entity {
	without := *k
	without.Hash = ""
	return &without
}

// Collection is APIKeys.
func (*APIKey) Collection() Collection { return APIKeys }

// Field implements Entity; API keys have no filters.
func (*APIKey) Field(string) string { return "" }

// Normalize does nothing.
func (*APIKey) Normalize() {}

// Validate implements Entity.
func (k *APIKey) Validate() error {
	if err := firstError(ValidateID("id", k.ID), validateText("name", k.Name)); err != nil {
		return err
	}
	if len(k.Hash) != 64 {
		return Invalid("hash", "must be a hex SHA-256")
	}
	if len(k.Roles) == 0 {
		return Invalid("roles", "is required")
	}
	for i, role := range k.Roles {
		if !slices.Contains(Roles(), role) {
			return Invalid("roles["+strconv.Itoa(i)+"]", "is "+strconv.Quote(string(role))+", which is not a role")
		}
		if slices.Contains(k.Roles[:i], role) {
			return Invalid("roles["+strconv.Itoa(i)+"]", "repeats "+strconv.Quote(string(role)))
		}
	}
	return nil
}
