package api

import (
	"encoding/json"

	"github.com/verdict-pdp/verdict/authz"
)

// DecideRequest is the body of PathDecide and PathSimulate.
type DecideRequest struct {
	Credential *Credential `json:"credential,omitempty"`
	// Subject is optional: the credential decides, and a conflict denies.
	Subject  *Subject  `json:"subject,omitempty"`
	Action   *Action   `json:"action,omitempty"`
	Resource *Resource `json:"resource,omitempty"`
	// Context is what the caller knows of the call, such as source_ip. In a
	// simulation, context.time (RFC 3339) is the time to judge at.
	Context map[string]any `json:"context,omitempty"`
	// AtLeast is the data revision the answer must include; 0 asks for none.
	AtLeast uint64 `json:"at_least,omitzero"`
	// Explain is how much detail the decision has; empty means reasons.
	Explain Explain `json:"explain,omitempty"`
}

// Credential is the proof of the subject. Exactly one of token, claims,
// client_secret (with client_id) and client_assertion is given, or a certificate
// alone; a certificate beside one of them, or a dpop beside a token, proves that
// the sender holds the key the token is bound to.
type Credential struct {
	// Token is the subject's access token: a JWT, or one whose issuer is asked.
	Token string `json:"token,omitempty"`
	// Issuer is the id of the issuer of a token that does not say itself. Needed
	// only when several such issuers are registered and the token has no prefix of
	// one.
	Issuer string `json:"issuer,omitempty"`
	// Claims are a JSON object the caller has verified itself. It needs a key
	// that may assert claims.
	Claims json.RawMessage `json:"claims,omitempty"`
	// ClientID is the machine user's id, ClientSecret one of its secrets.
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// ClientAssertion is a JWT the machine user signed itself (private_key_jwt,
	// RFC 7523). It may be sent once.
	ClientAssertion string `json:"client_assertion,omitempty"`
	// Certificate is the client certificate of the subject's TLS connection to the
	// caller: PEM with the leaf first, base64 of the leaf's DER, or the same between
	// colons (RFC 9440). It needs a key that may assert certificates.
	Certificate string `json:"certificate,omitempty"`
	// CertificateThumbprint is the base64url SHA-256 of that certificate
	// (x5t#S256), from a caller that knows no more. It proves a binding, no subject.
	CertificateThumbprint string `json:"certificate_thumbprint,omitempty"`
	// Connection uses the client certificate of the TLS connection of this request: the
	// subject asks for itself.
	Connection bool `json:"connection,omitzero"`
	// DPoP is the proof sent beside the token, RFC 9449.
	DPoP *DPoP `json:"dpop,omitempty"`
}

// DPoP is a proof of possession and the request it was made for, as the service
// that received it saw it.
type DPoP struct {
	Proof  string `json:"proof"`
	Method string `json:"method"` // POST
	URL    string `json:"url"`    // https://email.example/v1/send
}

// What a question is about.
type (
	Subject  = authz.Subject
	Action   = authz.Action
	Resource = authz.Resource
)

// Explain is how much detail a decision has: ExplainNone, ExplainReasons or ExplainFull.
type Explain = authz.Explain

// Semantics says when a batch stops: ExecuteAll, DenyOnFirstDeny or
// PermitOnFirstPermit.
type Semantics = authz.Semantics

// Values of Explain and Semantics.
const (
	ExplainNone    = authz.ExplainNone
	ExplainReasons = authz.ExplainReasons
	ExplainFull    = authz.ExplainFull

	ExecuteAll          = authz.ExecuteAll
	DenyOnFirstDeny     = authz.DenyOnFirstDeny
	PermitOnFirstPermit = authz.PermitOnFirstPermit
)
