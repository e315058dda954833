package authz

import "time"

// Kinds of evidence a principal was proved by, as policies see them in
// input.credential.kind.
const (
	EvidenceNone        = "none"
	EvidenceJWT         = "jwt"
	EvidenceClaims      = "claims"
	EvidenceOpaque      = "opaque"    // a token its issuer was asked about, RFC 7662
	EvidenceSecret      = "secret"    // client id and secret
	EvidenceAssertion   = "assertion" // private_key_jwt, RFC 7523
	EvidenceCertificate = "certificate"
)

// Bindings of a token to a key its sender has proved to hold, by the member of
// the cnf claim that names the key.
const (
	BindingCertificate = "x5t#S256" // RFC 8705
	BindingProof       = "jkt"      // RFC 9449
)

// Methods (RFC 8176 amr) that bound the trust level of a token. The second and
// third are those of our own token service.
const (
	MethodPassword        = "pwd"              // level 1: the token relays a shared secret
	MethodClientSecret    = "client_secret"    // level 2
	MethodClientAssertion = "client_assertion" // no bound
)

// Supports of evidence whose issuer cannot be reached now: what else confirms the
// subject.
const (
	SupportCertificate = "certificate"  // a client certificate proves the same machine user
	SupportKnownSource = "known_source" // the token came from this source while its issuer confirmed it
)

// Freshness of what the issuer published: its keys, its answer about a token.
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
	// OnBehalfOf is the user or tenant the token was issued for; nil when it was
	// issued for the machine user itself.
	OnBehalfOf *OnBehalfOf
	// Status is what the issuer's status list says of the token: valid, invalid,
	// suspended, or another word of its own; empty when it is on no list.
	Status string
}

// OnBehalfOf is whom a token lets a machine user act for.
type OnBehalfOf struct {
	Type string // "user" or "tenant"
	ID   string
}

// Types of OnBehalfOf, also the prefixes of the sub claim that says it:
// "user:u-ana", "tenant:acme-logistics".
const (
	OnBehalfOfUser   = "user"
	OnBehalfOfTenant = "tenant"
)

// Proved is a registered credential that stands behind evidence: the one
// presented, or the one a token says it was got with.
type Proved struct {
	ID         string
	Type       string // Credential.Kind
	State      string
	Generation int
	MadeAt     time.Time // NotBefore, or else when it was registered
	NotBefore  time.Time
	NotAfter   time.Time
}

// VerifiedCertificate is a client certificate that chains to a registered issuer's trust
// roots, or one that a token is bound to and that chains to none.
type VerifiedCertificate struct {
	ID         string // CertificateID
	Thumbprint string // base64url SHA-256 of its DER
	Name       string // the name its subject was found by, as in Credential.Names; empty when none
	Issuer     string // id of the issuer; empty when it leads to none, and so proves a binding alone
	Credential string // id of the credential it was found by; empty when none is registered
	NotBefore  time.Time
	NotAfter   time.Time
}

// Fault is why evidence proved no subject. It becomes the only reason of a deny.
type Fault struct {
	Code    ReasonCode
	Cause   string // short stable word, e.g. "bad_signature"; shown in details.cause
	Message string
	Fix     string
}

// MaxLevel is the highest trust level. The levels: 0 nothing proved, 1 a shared
// secret (or a token got with one), 2 client credentials or an opaque or
// long-lived token, 3 a short-lived audience-bound JWT, 4 mTLS or a
// sender-constrained JWT, 5 the same from an attested workload.
const MaxLevel = 5

// Tiers is how many tiers of services there are, 0 the most critical.
const Tiers = 4

// Principal is who the evidence proved. Only the token room makes one.
type Principal struct {
	Subject     string               // machine user id; empty when Fault is set
	Evidence    string               // one of the Evidence constants
	Token       *Token               // nil when the evidence is no token
	Credential  *Proved              // nil when no registered credential stands behind it
	Certificate *VerifiedCertificate // nil when none was presented and verified
	Binding     string               // BindingCertificate, BindingProof or ""
	Level       int                  // trust level, see MaxLevel
	Freshness   string
	// Age is how old the issuer's information behind the proof is, UsableFor how old it
	// may be for services of each tier. Both are zero for evidence that is verified
	// without the issuer.
	Age       time.Duration
	UsableFor [Tiers]time.Duration
	Supports  []string // Support constants, sorted
	Fault     *Fault   // set: no subject was proved, and nothing may be allowed
}
