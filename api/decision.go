package api

// Values of Decision.Decision.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Decision is the answer to one question. Let a call through only when
// Decision equals Allow and every obligation can be met.
type Decision struct {
	ID       string `json:"id"`
	Decision string `json:"decision"`
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
	// CacheableForS is how long the answer may be reused, in seconds; 0 is not
	// at all.
	CacheableForS int `json:"cacheable_for_s"`
	// IfPDPUnreachable is what to do when the next question gets no decision:
	// "deny" or "allow".
	IfPDPUnreachable string `json:"if_pdp_unreachable"`
	// Explanation is given with explain "full".
	Explanation *Explanation `json:"explanation,omitempty"`
}

// Reason is one denial. Code is stable; with explain "none" the texts and
// details are left out.
type Reason struct {
	Code    string         `json:"code"`
	Guard   string         `json:"guard"`
	Message string         `json:"message,omitempty"`
	Fix     string         `json:"fix,omitempty"`
	Status  int            `json:"status,omitzero"` // HTTP status to answer one's own caller with
	Mode    string         `json:"mode,omitempty"`  // in would_deny: observe or flag
	Details map[string]any `json:"details,omitempty"`
}

// Duty is one obligation or advice; its "id" says what it is.
type Duty = map[string]any

// Trust is the strength of the subject's proof and what the call needed, 0 to 5.
type Trust struct {
	Level     int    `json:"level"`
	Required  int    `json:"required"`
	Freshness string `json:"freshness,omitempty"` // of the keys the token was verified with
}

// PolicyRef names the policy set that answered.
type PolicyRef struct {
	Generation uint64 `json:"generation"`
	Digest     string `json:"digest"`
}
