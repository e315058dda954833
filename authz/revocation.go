package authz

import "time"

// What a revocation or renewal names.
const (
	ByToken       = "token"       // one token, by TokenID
	ByCredential  = "credential"  // every token got with a credential
	BySubject     = "subject"     // every token of a machine user
	ByTenant      = "tenant"      // every token of a tenant
	ByIssuerKey   = "issuer_key"  // every token signed with a key, by IssuerKeyID
	ByIssuer      = "issuer"      // every token of an issuer, by its id
	ByCertificate = "certificate" // one client certificate, by CertificateID
	ByEverything  = "everything"  // every token; of is Everything
)

// LongestTokenLife is longer than any token is good for: no service may accept an
// older one. An entry that stops tokens and lasts as long has stopped them for good.
const LongestTokenLife = 367 * 24 * time.Hour

// Everything is the one Of of ByEverything.
const Everything = "all"

// Listed is what one entry of the revocation or renewal list names: By says
// what, Of which one. For a token, an issuer key or a certificate, Issuer and Name
// (jti and the issuer's url; kid and the issuer's url; serial number and the
// issuer's distinguished name) may be given instead of Of, which is then derived
// from them.
type Listed struct {
	By     string `json:"by"`
	Of     string `json:"of"`
	Issuer string `json:"issuer,omitempty"`
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (l *Listed) normalize() {
	if l.Of != "" || l.Issuer == "" || l.Name == "" {
		return
	}
	switch l.By {
	case ByToken:
		l.Of = TokenID(l.Issuer, l.Name)
	case ByIssuerKey:
		l.Of = IssuerKeyID(l.Issuer, l.Name)
	case ByCertificate:
		l.Of = CertificateID(l.Issuer, l.Name)
	}
}

func (l *Listed) validate() error {
	if err := validateOneOf("by", l.By, ByToken, ByCredential, BySubject, ByTenant, ByIssuerKey, ByIssuer, ByCertificate, ByEverything); err != nil {
		return err
	}
	if l.By == ByEverything && l.Of != Everything {
		return Invalid("of", "must be "+Everything+" for everything")
	}
	return firstError(
		l.validateDerived(),
		ValidateID("of", l.Of),
		validateText("issuer", l.Issuer),
		validateText("name", l.Name),
		validateText("reason", l.Reason),
	)
}

// Place implements Paired.
func (l *Listed) Place(by, of string) {
	defaultTo(&l.By, by)
	defaultTo(&l.Of, of)
}

// validateDerived refuses an entry that could match nothing and would look as if
// it did: of must be what issuer and name make, and only tokens, keys and certificates
// have them.
func (l *Listed) validateDerived() error {
	var derived, prefix string
	switch l.By {
	case ByToken:
		derived, prefix = TokenID(l.Issuer, l.Name), tokenPrefix
	case ByIssuerKey:
		derived, prefix = IssuerKeyID(l.Issuer, l.Name), keyPrefix
	case ByCertificate:
		derived, prefix = CertificateID(l.Issuer, l.Name), certificatePrefix
	default:
		if l.Issuer != "" || l.Name != "" {
			return Invalid("issuer", "and name belong to a token, an issuer_key or a certificate; name this by of alone")
		}
		return nil
	}
	if (l.Issuer == "") != (l.Name == "") {
		return Invalid("name", "and issuer go together: the jti, kid or serial number, and who gave it")
	}
	if l.By == ByCertificate && l.Name != "" && !isSerial(l.Name) {
		return Invalid("name", "is the certificate's serial number in hex, such as 5f:3a")
	}
	if l.Of == "" {
		return Invalid("of", "is required; or give issuer and name (the jti, kid or serial number) and it is derived")
	}
	if l.Issuer != "" && l.Of != derived {
		return Invalid("of", "is not what issuer and name make; leave it out")
	}
	if !isHashID(prefix, l.Of) {
		return Invalid("of", "has not the form of such an id; give issuer and name (the jti, kid or serial number) and leave it out")
	}
	return nil
}

// Field gives the filter "by".
func (l *Listed) Field(name string) string {
	if name == "by" {
		return l.By
	}
	return ""
}

// Revocations are the entries of the revocation list.
const Revocations Collection = "revocations"

var revocationKind = Kind{
	Collection: Revocations, Code: 10, New: func() Entity { return new(Revocation) },
	One: "revocation", About: "Stops tokens now.",
	First: "by", Second: "of", Example: "subject/mu:user-svc",
	Filters: []string{"by"},
	Columns: []string{"issued_before", "until", "reason"},
	Fact:    true, Hot: everyKey, KeptAfterEnd: keptListed,
}

// keptListed allows for clocks that disagree.
const keptListed = time.Hour

// Revocation stops tokens now, and by credential, subject, tenant, issuer or
// certificate the secrets and certificates presented without one. Its id is "by/of". Rego: data.revocations[by][of].
type Revocation struct {
	Header
	Listed
	// IssuedBefore limits the revocation to tokens issued before it; zero
	// revokes them whatever their age.
	IssuedBefore time.Time `json:"issued_before,omitzero"`
	// Until is when the entry ends by itself, normally when the last token it
	// stops has expired; zero never ends.
	Until time.Time `json:"until,omitzero"`
}

// AtLeast makes the entry stop all that another one of the same name stops, for at
// least as long; was may be nil.
func (r *Revocation) AtLeast(was *Revocation) {
	if was == nil {
		return
	}
	r.IssuedBefore = unlessZero(latest, r.IssuedBefore, was.IssuedBefore)
	r.Until = unlessZero(latest, r.Until, was.Until)
}

// unlessZero is the zero time, which stands for no limit, if either is.
func unlessZero(pick func(a, b time.Time) time.Time, a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	return pick(a, b)
}

// Collection is Revocations.
func (*Revocation) Collection() Collection { return Revocations }

// Expires implements Entity.
func (r *Revocation) Expires() time.Time { return r.Until }

// Normalize derives of and the id.
func (r *Revocation) Normalize() {
	r.normalize()
	defaultTo(&r.ID, PairKey(r.By, r.Of))
}

// Validate implements Entity.
func (r *Revocation) Validate() error {
	if r.By == ByEverything && r.IssuedBefore.IsZero() {
		return Invalid("issued_before", "is required for everything: without it no token would ever be good again")
	}
	return firstError(r.validate(), validatePairID(r.ID, "by", r.By, "of", r.Of))
}

// Renewals are the entries of the renewal list.
const Renewals Collection = "renewals"

var renewalKind = Kind{
	Collection: Renewals, Code: 11, New: func() Entity { return new(Renewal) },
	One: "renewal", About: "Makes tokens renew by a deadline.",
	First: "by", Second: "of", Example: "subject/mu:user-svc",
	Filters: []string{"by"},
	Columns: []string{"issued_before", "deadline", "until", "reason"},
	Fact:    true, Hot: everyKey, KeptAfterEnd: keptListed,
}

// Renewal makes tokens issued before IssuedBefore renew by a deadline: until
// then they are allowed with advice, after it they are denied. Its id is
// "by/of". Rego: data.renewals[by][of].
type Renewal struct {
	Header
	Listed
	IssuedBefore time.Time `json:"issued_before"`
	Deadline     time.Time `json:"deadline"`
	Until        time.Time `json:"until,omitzero"` // the entry ends by itself; zero never ends
}

// AtLeast makes the entry have all tokens renewed that another one of the same name
// does, no later and for at least as long; was may be nil.
func (r *Renewal) AtLeast(was *Renewal) {
	if was == nil {
		return
	}
	r.IssuedBefore = latest(r.IssuedBefore, was.IssuedBefore)
	r.Deadline = earliest(r.Deadline, was.Deadline)
	r.Until = unlessZero(latest, r.Until, was.Until)
}

// Collection is Renewals.
func (*Renewal) Collection() Collection { return Renewals }

// Expires implements Entity.
func (r *Renewal) Expires() time.Time { return r.Until }

// Normalize derives of and the id.
func (r *Renewal) Normalize() {
	r.normalize()
	defaultTo(&r.ID, PairKey(r.By, r.Of))
}

// Validate implements Entity.
func (r *Renewal) Validate() error {
	if r.IssuedBefore.IsZero() {
		return Invalid("issued_before", "is required: tokens issued later have been renewed")
	}
	if r.Deadline.IsZero() {
		return Invalid("deadline", "is required")
	}
	return firstError(r.validate(), validatePairID(r.ID, "by", r.By, "of", r.Of))
}
