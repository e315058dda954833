package authz

import (
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClaimMapping names the claims an issuer puts Verdict's facts in. An empty
// name means the default in brackets.
type ClaimMapping struct {
	Subject string `json:"subject,omitempty"` // [sub]: the machine user's id
	Tenant  string `json:"tenant,omitempty"`  // [tenant]
	Env     string `json:"env,omitempty"`     // [env]
	Scope   string `json:"scope,omitempty"`   // [scope]: space-separated, RFC 8693 section 4.2
	Methods string `json:"methods,omitempty"` // [amr]: how the subject authenticated, RFC 8176
	// Credential is [credential_id]: the credential the token was got with.
	Credential string `json:"credential,omitempty"`
}

// Kinds of issuers.
const (
	IssuerJWT           = "jwt"           // signs JWTs; its keys are a JWK Set
	IssuerIntrospection = "introspection" // is asked about opaque tokens, RFC 7662
	IssuerSPIFFE        = "spiffe"        // a trust domain: JWT-SVIDs and X.509-SVIDs; its keys are a SPIFFE bundle
	IssuerX509          = "x509"          // a certificate authority for client certificates; its keys are Roots
)

// What the subject claim of an issuer's tokens names.
const (
	SubjectIsMachineUser = "machine_user" // a machine user, by id
	SubjectIsFederated   = "federated"    // a name of the issuer's, found in a federated credential's Names
)

// Introspection is how an issuer is asked about opaque tokens (RFC 7662).
type Introspection struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"` // who we are to the issuer
	// Secret names the file that holds our secret there: <data>/secrets/<name>. The
	// secret itself is never stored.
	Secret string `json:"secret"`
	// DeadlineMS bounds one question, in milliseconds; 0 means 500.
	DeadlineMS int `json:"deadline_ms,omitzero"`
	// NegativeForS is how long "not active" is remembered, in seconds; 0 means 10.
	NegativeForS int `json:"negative_for_s,omitzero"`
	// TokenPrefix is what the issuer's tokens start with, so that they are known
	// as its own; empty when it is the only such issuer.
	TokenPrefix string `json:"token_prefix,omitempty"`
}

// EventStream is how an issuer's security events (SSF 1.0, RFC 8935) are accepted.
type EventStream struct {
	// Audience is the aud its security event tokens must have.
	Audience string `json:"audience"`
}

// IssuerStatus is the present state of an issuer, in responses only.
type IssuerStatus struct {
	// State is fresh, stale, too_stale or missing.
	State     string    `json:"state"`
	Keys      int       `json:"keys"`    // tokens or certificates can be verified with
	Ignored   int       `json:"ignored"` // keys of its set that are not used
	FetchedAt time.Time `json:"fetched_at,omitzero"`
	// FreshUntil and UsableUntil are when the state changes if the issuer stays
	// unreachable; UsableUntilByTier when decisions about services of a tier do.
	FreshUntil        time.Time            `json:"fresh_until,omitzero"`
	UsableUntil       time.Time            `json:"usable_until,omitzero"`
	UsableUntilByTier map[string]time.Time `json:"usable_until_by_tier,omitempty"`
	// ChangesInS is how many seconds are left until the first decisions change;
	// absent while the issuer has no problem.
	ChangesInS  *int      `json:"changes_in_s,omitempty"`
	NextRefresh time.Time `json:"next_refresh,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Breaker is closed, open or half_open: whether an introspection endpoint is asked.
	Breaker string `json:"breaker,omitempty"`
	// StatusLists is the state of each of the issuer's status lists, by URL.
	StatusLists map[string]IssuerStatus `json:"status_lists,omitempty"`
}

// States of what an issuer publishes in which nothing is verified with it, beside
// Fresh and Stale.
const (
	TooStale = "too_stale" // older than usable_for_s, or past its own end
	Missing  = "missing"   // never fetched
)

// Until fills in when the state changes if the issuer publishes nothing newer: end returns
// when what it published last reaches a given age. It returns how many seconds are left
// from now until the first decisions change.
func (s *IssuerStatus) Until(issuer *Issuer, freshFor time.Duration, end func(time.Duration) time.Time, now time.Time) (left int) {
	s.FreshUntil = end(freshFor)
	s.UsableUntil = end(time.Duration(issuer.UsableForS) * time.Second)
	s.UsableUntilByTier = map[string]time.Time{}
	first := s.UsableUntil
	for tier := range Tiers {
		until := end(issuer.UsableFor(tier))
		s.UsableUntilByTier[strconv.Itoa(tier)] = until
		if until.Before(first) {
			first = until
		}
	}
	return int(max(0, first.Sub(now)) / time.Second)
}

// Issuers are the authorities whose tokens are accepted.
const Issuers Collection = "issuers"

var issuerKind = Kind{
	Collection: Issuers, Code: 9, New: func() Entity { return new(Issuer) },
	One: "issuer", About: "An authority whose tokens are accepted.",
	Filters: []string{"url", "kind"},
	Columns: []string{"url", "kind", "algorithms", "audiences", "own"},
	Hot:     everyKey,
}

// Issuer is an authority whose tokens or certificates are accepted. Policies see
// only its id and url in input.token.
type Issuer struct {
	Header
	// URL is the exact value of the iss claim; of a trust domain it is the SPIFFE id
	// "spiffe://prod.example"; of a certificate authority any name of its own.
	URL  string `json:"url"`
	Kind string `json:"kind"` // see the Issuer constants
	// Keys is a JWK Set (RFC 7517) of public keys, or a SPIFFE bundle; JWKSURL is
	// where to fetch one. A jwt or spiffe issuer has exactly one of them.
	Keys    json.RawMessage `json:"keys,omitempty"`
	JWKSURL string          `json:"jwks_url,omitempty"`
	// Algorithms is the closed list of accepted JWS algorithms, e.g. ["ES256"].
	Algorithms []string `json:"algorithms"`
	// Audiences are the aud values that mean us, beside the called service's id.
	Audiences []string `json:"audiences,omitempty"`
	// Types are the accepted typ header values, compared as media types
	// without case; empty means RFC 9068's ["at+jwt"].
	Types  []string     `json:"types,omitempty"`
	Claims ClaimMapping `json:"claims,omitzero"`
	// FreshForS is how long fetched keys count as fresh, UsableForS how long
	// they are used at all, in seconds. 0 means 600 and 86400.
	FreshForS  int `json:"fresh_for_s,omitzero"`
	UsableForS int `json:"usable_for_s,omitzero"`
	// UsableForSByTier shortens UsableForS for services of a tier, "0" to "3".
	UsableForSByTier map[string]int `json:"usable_for_s_by_tier,omitempty"`
	// LeewayS is the clock difference tolerated on exp, nbf and iat, in seconds.
	LeewayS int  `json:"leeway_s,omitzero"`
	Own     bool `json:"own"` // ours, or a third party's
	// SubjectIs says what the subject claim names: machine_user (the default) or
	// federated. A SPIFFE trust domain's are always federated.
	SubjectIs string `json:"subject_is,omitempty"`
	// Attested issuers attest a workload before they issue for it, which trust level 5
	// requires beyond 4.
	Attested bool `json:"attested,omitzero"`
	// Introspection is required of kind introspection, and refused of others.
	Introspection *Introspection `json:"introspection,omitempty"`
	// Roots are the PEM certificates an x509 issuer's client certificates lead to.
	Roots string `json:"roots,omitempty"`
	// StatusLists are the URLs of the OAuth Token Status Lists its tokens may refer
	// to. A token that refers to another is refused.
	StatusLists []string `json:"status_lists,omitempty"`
	// Events is how its security events are accepted; nil accepts none.
	Events *EventStream `json:"events,omitempty"`
	// Status is filled in answers and ignored in writes.
	Status *IssuerStatus `json:"status,omitempty"`
	noExpiry
}

// UsableFor returns how long what the issuer published is used for services of a tier.
func (i *Issuer) UsableFor(tier int) time.Duration {
	usable := i.UsableForS
	if limit, ok := i.UsableForSByTier[strconv.Itoa(tier)]; ok {
		usable = min(usable, limit)
	}
	return time.Duration(usable) * time.Second
}

// Algorithms a token may be signed with (RFC 7518, RFC 8037), asymmetric only.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Collection is Issuers.
func (*Issuer) Collection() Collection { return Issuers }

// Field implements Entity.
func (i *Issuer) Field(name string) string {
	switch name {
	case "url":
		return i.URL
	case "kind":
		return i.Kind
	}
	return ""
}

// Normalize fills kind, types, claim names and freshness limits, and drops the
// status, which is never written.
func (i *Issuer) Normalize() {
	i.Status = nil
	defaultTo(&i.Kind, IssuerJWT)
	if i.Kind == IssuerSPIFFE {
		i.normalizeSPIFFE()
	}
	if i.Kind == IssuerJWT && len(i.Types) == 0 {
		i.Types = []string{"at+jwt"}
	}
	defaultTo(&i.SubjectIs, SubjectIsMachineUser)
	defaultTo(&i.Claims.Subject, "sub")
	defaultTo(&i.Claims.Tenant, "tenant")
	defaultTo(&i.Claims.Env, "env")
	defaultTo(&i.Claims.Scope, "scope")
	defaultTo(&i.Claims.Methods, "amr")
	defaultTo(&i.Claims.Credential, "credential_id")
	if i.FreshForS == 0 {
		i.FreshForS = 600
	}
	if i.UsableForS == 0 {
		i.UsableForS = 86400
	}
}

// normalizeSPIFFE fills in what the JWT-SVID specification (section 2) fixes.
func (i *Issuer) normalizeSPIFFE() {
	if len(i.Types) == 0 {
		i.Types = []string{"", "JWT", "JOSE"}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = slices.DeleteFunc(Algorithms(), func(alg string) bool { return alg == "EdDSA" })
	}
	i.SubjectIs = SubjectIsFederated
}

// Validate implements Entity. Whether keys and roots are well formed and strong
// is checked by package token, before the issuer is stored.
func (i *Issuer) Validate() error {
	err := firstError(
		ValidateID("id", i.ID),
		validateOneOf("kind", i.Kind, IssuerJWT, IssuerIntrospection, IssuerSPIFFE, IssuerX509),
		validateOneOf("subject_is", i.SubjectIs, SubjectIsMachineUser, SubjectIsFederated),
		validateText("url", i.URL),
		validateRange("fresh_for_s", i.FreshForS, 1, 30*24*3600),
		validateRange("usable_for_s", i.UsableForS, i.FreshForS, 365*24*3600),
		validateRange("leeway_s", i.LeewayS, 0, 300),
	)
	if err != nil {
		return err
	}
	if i.URL == "" {
		return Invalid("url", "is required: the exact value of the iss claim")
	}
	if err := firstError(i.validateMaterial(), i.validateTiers(), i.validateIntrospection(), i.validateStatusLists()); err != nil {
		return err
	}
	if i.Events != nil && i.Events.Audience == "" {
		return Invalid("events.audience", "is required: the aud of the issuer's security event tokens")
	}
	for n, alg := range i.Algorithms {
		if !slices.Contains(Algorithms(), alg) {
			return Invalid("algorithms["+strconv.Itoa(n)+"]", "is "+strconv.Quote(alg)+", which is not accepted")
		}
	}
	for n, aud := range i.Audiences {
		if aud == "" {
			return Invalid("audiences["+strconv.Itoa(n)+"]", "is empty")
		}
	}
	return nil
}

// signs reports whether the issuer signs JWTs.
func (i *Issuer) signs() bool { return i.Kind == IssuerJWT || i.Kind == IssuerSPIFFE }

// validateMaterial requires what the kind verifies with, and returns an error for members
// that it does not use.
func (i *Issuer) validateMaterial() error {
	hasKeys, hasURL := len(i.Keys) > 0, i.JWKSURL != ""
	switch {
	case i.signs() && hasKeys == hasURL:
		return Invalid("keys", "or jwks_url is required, and not both")
	case i.Kind == IssuerIntrospection && (hasKeys || hasURL) && i.Events == nil:
		return Invalid("keys", "belong to an issuer that signs; of one that is introspected they verify its events only")
	case i.Kind == IssuerX509 && (hasKeys || hasURL):
		return Invalid("keys", "belong to an issuer that signs tokens; a certificate authority has roots")
	case (i.Kind == IssuerX509) != (i.Roots != ""):
		return Invalid("roots", "are required of an x509 issuer, and of no other")
	case i.signs() && len(i.Algorithms) == 0:
		return Invalid("algorithms", "is required; name the ones the issuer signs with")
	case i.Kind == IssuerSPIFFE && !validTrustDomain(i.URL):
		return Invalid("url", "of a spiffe issuer is its trust domain, such as spiffe://prod.example")
	case len(i.Roots) > maxRootsBytes:
		return Invalid("roots", "are larger than 64 kB")
	}
	if hasURL {
		return ValidateFetchURL("jwks_url", i.JWKSURL)
	}
	return nil
}

const maxRootsBytes = 64 << 10

// validTrustDomain holds url to the SPIFFE-ID specification, section 2.1.
func validTrustDomain(url string) bool {
	name, ok := strings.CutPrefix(url, NameSPIFFE)
	if !ok || name == "" || len(name) > 255 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

func (i *Issuer) validateTiers() error {
	for tier, usable := range i.UsableForSByTier {
		field := "usable_for_s_by_tier." + tier
		if len(tier) != 1 || tier < "0" || tier > "3" {
			return Invalid(field, "is no tier; they are 0 to 3")
		}
		if err := validateRange(field, usable, 1, i.UsableForS); err != nil {
			return err
		}
	}
	return nil
}

func (i *Issuer) validateIntrospection() error {
	in := i.Introspection
	if (in != nil) != (i.Kind == IssuerIntrospection) {
		return Invalid("introspection", "is required of an introspection issuer, and of no other")
	}
	if in == nil {
		return nil
	}
	return firstError(
		ValidateFetchURL("introspection.url", in.URL),
		ValidateID("introspection.secret", in.Secret),
		validateText("introspection.client_id", in.ClientID),
		validateText("introspection.token_prefix", in.TokenPrefix),
		validateRange("introspection.deadline_ms", in.DeadlineMS, 0, 10_000),
		validateRange("introspection.negative_for_s", in.NegativeForS, 0, 3600),
	)
}

// maxStatusLists bounds what is fetched for one issuer.
const maxStatusLists = 16

func (i *Issuer) validateStatusLists() error {
	if len(i.StatusLists) > maxStatusLists {
		return Invalid("status_lists", "has more than "+strconv.Itoa(maxStatusLists)+" entries")
	}
	for n, list := range i.StatusLists {
		if err := ValidateFetchURL("status_lists["+strconv.Itoa(n)+"]", list); err != nil {
			return err
		}
	}
	if len(i.StatusLists) > 0 && !i.signs() {
		return Invalid("status_lists", "belong to an issuer that signs its tokens")
	}
	return nil
}

// ValidateFetchURL accepts https URLs, and http to a loopback address only.
func ValidateFetchURL(field, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return Invalid(field, "is not an absolute URL without user or fragment")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return Invalid(field, "must be https (plain http only to a loopback address)")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
