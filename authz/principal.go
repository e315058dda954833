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

// MaxLevel is the highest trust level. The ladder: 0 nothing proved, 1 a shared
// secret (or a token got with one), 2 client credentials or an opaque or
// long-lived token, 3 a short-lived audience-bound JWT, 4 mTLS or a
// sender-constrained JWT, 5 the same from an attested workload.
const MaxLevel = 5

// Principal is who the evidence proved. Only the token room makes one.
type Principal struct {
	Subject   string // machine user id; empty when Fault is set
	Evidence  string // EvidenceJWT, EvidenceClaims or EvidenceNone
	Token     *Token // nil for EvidenceNone
	Level     int    // trust level, see MaxLevel
	Freshness string
	Fault     *Fault // set: nobody was proved, nothing may be allowed
}
