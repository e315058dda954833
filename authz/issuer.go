package authz

import (
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"
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

// Issuer is an authority whose tokens are accepted. Policies see only its id
// and url in input.token.
type Issuer struct {
	Header
	URL  string `json:"url"`  // exact value of the iss claim
	Kind string `json:"kind"` // jwt
	// Keys is a JWK Set (RFC 7517) of public keys; JWKSURL is where to fetch
	// one. Exactly one of them is given.
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
	// LeewayS is the clock difference tolerated on exp, nbf and iat, in seconds.
	LeewayS int  `json:"leeway_s,omitzero"`
	Own     bool `json:"own"` // ours, or a third party's
	noExpiry
}

// Algorithms a token may be signed with (RFC 7518, RFC 8037), asymmetric only.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Collection is Issuers.
func (*Issuer) Collection() Collection { return Issuers }

// Field implements Entity.
func (i *Issuer) Field(name string) string {
	if name == "url" {
		return i.URL
	}
	return ""
}

// Normalize fills kind, types, claim names and freshness limits.
func (i *Issuer) Normalize() {
	defaultTo(&i.Kind, "jwt")
	if len(i.Types) == 0 {
		i.Types = []string{"at+jwt"}
	}
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

// Validate implements Entity. That the keys are well formed and strong is the
// token room's to say, before the issuer is stored.
func (i *Issuer) Validate() error {
	err := firstError(
		ValidateID("id", i.ID),
		validateOneOf("kind", i.Kind, "jwt"),
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
	if (len(i.Keys) > 0) == (i.JWKSURL != "") {
		return Invalid("keys", "or jwks_url is required, and not both")
	}
	if i.JWKSURL != "" {
		if err := ValidateFetchURL("jwks_url", i.JWKSURL); err != nil {
			return err
		}
	}
	if len(i.Algorithms) == 0 {
		return Invalid("algorithms", "is required; name the ones the issuer signs with")
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
