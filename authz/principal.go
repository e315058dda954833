package authz

import "time"

// Kinds of evidence a principal was proved by, as policies see them in
// input.credential.kind.
const (
	EvidenceNone   = "none"
	EvidenceJWT    = "jwt"
	EvidenceClaims = "claims"
)

// Freshness of the keys a token was verified with.
const (
	Fresh = "fresh"
	Stale = "stale"
)

// Token is what a verified token, or asserted claims, said. Times are whole
// seconds; the zero time means that the claim was absent.
type Token struct {
	ID                string // TokenID(issuer, jti); of the token's hash when it has no jti
	Issuer            string // the registered issuer's id
	IssuerURL         string
	KeyID             string // IssuerKeyID(issuer, kid); empty for asserted claims
	Subject           string
	Audiences         []string
	AcceptedAudiences []string // the issuer's audiences that mean us
	IssuedAt          time.Time
	NotBefore         time.Time
	ExpiresAt         time.Time
	Leeway            time.Duration // clock difference tolerated for this issuer
	Tenant            string
	Env               string
	Scopes            []string
	Methods           []string // RFC 8176 amr: "pwd" means a shared secret
	Credential        string   // id of the credential it was got with, when the issuer says
	Own               bool     // issued by our own organisation
}

// Fault says why evidence proved nobody. It becomes the one reason of a deny.
type Fault struct {
	Code    ReasonCode
	Cause   string // short stable word, e.g. "bad_signature"; shown in details.cause
	Message string
	Fix     string
}

// Principal is who the evidence proved. Only the token room makes one.
type Principal struct {
	Subject   string // machine user id; empty when Fault is set
	Evidence  string // EvidenceJWT, EvidenceClaims or EvidenceNone
	Token     *Token // nil for EvidenceNone
	Level     int    // trust level 0..5, domain.md row 25
	Freshness string
	Fault     *Fault // set: nobody was proved, nothing may be allowed
}
