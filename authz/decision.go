package authz

import "context"

// Outcome is allow or deny. The zero Outcome denies, and any other text is read as deny.
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

// AppendText is MarshalText without an allocation.
func (o Outcome) AppendText(b []byte) ([]byte, error) { return append(b, o.String()...), nil }

// UnmarshalText reads "allow" as Allow and anything else as Deny.
func (o *Outcome) UnmarshalText(text []byte) error {
	*o = Deny
	if string(text) == "allow" {
		*o = Allow
	}
	return nil
}

// Reason is one denial, or in WouldDeny one that its mode kept from denying. Code is
// stable; with ExplainNone the texts and details are left out.
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

// Trust is the strength of the subject's proof and what the call needed, 0 to 5.
type Trust struct {
	Level     int    `json:"level"`
	Required  int    `json:"required"`
	Freshness string `json:"freshness,omitempty"` // of what the issuer said
}

// PolicyRef names the policy set that answered.
type PolicyRef struct {
	Generation uint64 `json:"generation"`
	Digest     string `json:"digest"` // "sha256:<hex>"
}

// Decision is the answer to one question, as it goes over the wire. The zero Decision
// denies. Let a call through only when Outcome is Allow and every obligation can be
// met.
type Decision struct {
	ID      string  `json:"id"`
	Outcome Outcome `json:"decision"`
	// Reasons says why not: every denial, empty when allowed.
	Reasons []Reason `json:"reasons"`
	// WouldDeny lists denials that the mode of their guard kept from denying.
	WouldDeny []Reason `json:"would_deny,omitempty"`
	// Obligations must be met by the caller, or the answer is a deny to it.
	Obligations []Duty `json:"obligations,omitempty"`
	// Advice may be followed.
	Advice       []Duty    `json:"advice,omitempty"`
	Trust        Trust     `json:"trust"`
	Policy       PolicyRef `json:"policy"`
	DataRevision uint64    `json:"data_revision"`
	// CacheableForS is how long the answer may be reused, in seconds; 0 is not at all.
	CacheableForS int `json:"cacheable_for_s"`
	// IfPDPUnreachable is what to do when the next question gets no decision. The zero
	// Outcome, for a caller without any decision yet, denies.
	IfPDPUnreachable Outcome `json:"if_pdp_unreachable"`
	// Explanation is given with ExplainFull, and is no part of what is recorded.
	Explanation *Explanation `json:"explanation,omitempty"`

	// For the node itself, never sent.

	KeysRead int    `json:"-"` // store keys the evaluation read
	Subject  string `json:"-"` // machine user proved, empty when none
	// Credential is the id of the credential proved, empty when none is registered.
	Credential string `json:"-"`
	// Durability is how durable the policy wants the record to be, at least.
	Durability Durability `json:"-"`
}

// Explained returns d with the detail that was asked for: with ExplainNone reasons keep their
// codes and lose their texts and details, and only ExplainFull has an explanation. d
// itself is not changed.
func (d Decision) Explained(e Explain) Decision {
	if e != ExplainFull {
		d.Explanation = nil
	}
	if e == ExplainNone {
		d.Reasons, d.WouldDeny = withoutTexts(d.Reasons), withoutTexts(d.WouldDeny)
	}
	return d
}

func withoutTexts(reasons []Reason) []Reason {
	if len(reasons) == 0 {
		return nil
	}
	bare := make([]Reason, len(reasons))
	for i, r := range reasons {
		bare[i] = Reason{Code: r.Code, Guard: r.Guard, Status: r.Status, Mode: r.Mode}
	}
	return bare
}

// DecideFunc answers one question. An error means that no decision was made, and must not
// be treated as an allow.
type DecideFunc func(context.Context, Request) (Decision, error)

// DecideBatchFunc answers several on one snapshot. The result has one decision
// per item judged, in order; a batch whose semantics stopped it early is shorter.
type DecideBatchFunc func(context.Context, Batch) ([]Decision, error)
