package authz

import "context"

// Outcome is allow or deny. The zero Outcome denies.
type Outcome uint8

// The outcomes.
const (
	Deny Outcome = iota
	Allow
)

// String is "allow" for Allow and "deny" for everything else.
func (o Outcome) String() string {
	if o == Allow {
		return "allow"
	}
	return "deny"
}

// MarshalText writes "allow" or "deny".
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads "allow" as Allow and anything else as Deny.
func (o *Outcome) UnmarshalText(text []byte) error {
	*o = Deny
	if string(text) == "allow" {
		*o = Allow
	}
	return nil
}

// Reason is one denial, or in WouldDeny one that its mode kept from denying.
type Reason struct {
	Code    ReasonCode     `json:"code"`
	Guard   string         `json:"guard"`
	Message string         `json:"message,omitempty"`
	Fix     string         `json:"fix,omitempty"`
	Status  int            `json:"status,omitzero"` // HTTP status a PEP should answer its own caller with
	Mode    string         `json:"mode,omitempty"`  // in would_deny: observe or flag
	Details map[string]any `json:"details,omitempty"`
}

// Duty is one obligation (the PEP must do it, or treat the answer as a deny) or
// advice (it may). Its "id" says what it is.
type Duty map[string]any

// Trust is the strength of the caller's proof and what the call needed.
type Trust struct {
	Level     int    `json:"level"`
	Required  int    `json:"required"`
	Freshness string `json:"freshness,omitempty"`
}

// PolicyRef names the policy set that answered.
type PolicyRef struct {
	Generation uint64 `json:"generation"`
	Digest     string `json:"digest"` // "sha256:<hex>"
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	ID               string    `json:"id"`
	Outcome          Outcome   `json:"decision"`
	Reasons          []Reason  `json:"reasons"`
	WouldDeny        []Reason  `json:"would_deny,omitempty"`
	Obligations      []Duty    `json:"obligations,omitempty"`
	Advice           []Duty    `json:"advice,omitempty"`
	Trust            Trust     `json:"trust"`
	Policy           PolicyRef `json:"policy"`
	DataRevision     uint64    `json:"data_revision"`
	CacheableForS    int       `json:"cacheable_for_s"`    // 0: do not cache
	IfPDPUnreachable string    `json:"if_pdp_unreachable"` // deny, or allow for tiers the policy says so
	KeysRead         int       `json:"-"`                  // store keys the evaluation read
	Subject          string    `json:"-"`                  // machine user proved, empty when none
	// Credential is the id of the credential proved, empty when none is registered.
	Credential string `json:"-"`
	// Durability is how durable the policy wants the record to be, at least.
	Durability  Durability   `json:"-"`
	Explanation *Explanation `json:"-"` // with ExplainFull
}

// DecideFunc answers one question. An error means that no decision was made;
// surfaces answer it closed.
type DecideFunc func(context.Context, Request) (Decision, error)

// DecideBatchFunc answers several on one snapshot. The result has one decision
// per item judged, in order; a batch whose semantics stopped it early is shorter.
type DecideBatchFunc func(context.Context, Batch) ([]Decision, error)
