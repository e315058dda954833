package token_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

const (
	prodDomain = "spiffe://prod.brightfold.example"
	userSVID   = prodDomain + "/user-svc"
)

// trustDomainOf is a registered trust domain whose JWT-SVIDs the signer signs.
func trustDomainOf(t testing.TB, s *token.Signer, authorities ...certified) *authz.Issuer {
	t.Helper()
	keys := []any{jwk(t, s, map[string]any{"use": "jwt-svid", "alg": ""})}
	for _, authority := range authorities {
		keys = append(keys, authorityKey(t, authority))
	}
	issuer := &authz.Issuer{Header: authz.Header{ID: "prod", Revision: 3}, URL: prodDomain, Kind: authz.IssuerSPIFFE, Audiences: []string{"brightfold"}}
	issuer.Algorithms = []string{s.Algorithm()}
	issuer.Keys = setOf(t, keys...)
	issuer.Normalize()
	if err := issuer.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := token.CheckIssuer(issuer); err != nil {
		t.Fatal(err)
	}
	return issuer
}

// federatedIn adds the credential that makes name of issuer the user service.
func federatedIn(d *directory, issuer, name string) *authz.Credential {
	return d.add(authz.Credential{
		Header: authz.Header{ID: "fed-1", CreatedAt: now}, MachineUser: "mu:user-svc", Kind: authz.KindFederated, Issuer: issuer, Names: []string{name},
	})
}

func svidPayload(more ...string) string {
	return "{" + strings.Join(append([]string{`"sub":"` + userSVID + `"`, `"aud":["brightfold"]`, fmt.Sprintf(`"exp":%d,"iat":%d`, now.Unix()+300, now.Unix())}, more...), ",") + "}"
}

func TestJWTSVID(t *testing.T) {
	signer := newSigner(t, "ES256")
	f := forgerOf(t, signer)
	domain := trustDomainOf(t, signer)
	d := &directory{registry: registry{prodDomain: domain}}
	federatedIn(d, "prod", userSVID)
	v := newVerifier(t, token.Config{})
	header := func(more ...string) string {
		return "{" + strings.Join(append([]string{`"alg":"ES256"`, fmt.Sprintf(`"kid":%q`, f.kid)}, more...), ",") + "}"
	}
	other := "spiffe://other.example/user-svc"
	tests := map[string]struct {
		header, payload string
		code            authz.ReasonCode
		cause           string
	}{
		"no typ":                {header(), svidPayload(), "", ""},
		"typ JWT":               {header(`"typ":"JWT"`), svidPayload(), "", ""},
		"typ JOSE":              {header(`"typ":"JOSE"`), svidPayload(), "", ""},
		"an iss as well":        {header(), svidPayload(`"iss":"https://spire.example"`), "", ""},
		"typ in lower case":     {header(`"typ":"jwt"`), svidPayload(), authz.TokenInvalid, "bad_type"},
		"typ of access tokens":  {header(`"typ":"at+jwt"`), svidPayload(), authz.TokenInvalid, "bad_type"},
		"typ of WIT-SVIDs":      {header(`"typ":"wit+jwt"`), svidPayload(), authz.TokenInvalid, "bad_type"},
		"another header member": {header(`"x5t":"AA"`), svidPayload(), authz.TokenInvalid, "header_member"},
		"EdDSA":                 {`{"alg":"EdDSA"}`, svidPayload(), authz.TokenInvalid, "alg_not_allowed"},
		"no aud":                {header(), strings.Replace(svidPayload(), `"aud"`, `"oud"`, 1), authz.TokenInvalid, "missing_aud"},
		"empty aud":             {header(), strings.Replace(svidPayload(), `["brightfold"]`, `[]`, 1), authz.TokenInvalid, "missing_aud"},
		"no exp":                {header(), strings.Replace(svidPayload(), `"exp"`, `"oxp"`, 1), authz.TokenInvalid, "missing_exp"},
		"trust domain itself":   {header(), strings.Replace(svidPayload(), userSVID, prodDomain, 1), authz.IssuerUntrusted, ""},
		"upper case domain":     {header(), strings.Replace(svidPayload(), "prod.b", "PROD.b", 1), authz.TokenInvalid, "missing_iss"},
		"dot segment":           {header(), strings.Replace(svidPayload(), "/user-svc", "/../user-svc", 1), authz.TokenInvalid, "missing_iss"},
		"trailing slash":        {header(), strings.Replace(svidPayload(), "/user-svc", "/user-svc/", 1), authz.TokenInvalid, "missing_iss"},
		"another domain":        {header(), strings.Replace(svidPayload(), userSVID, other, 1), authz.IssuerUntrusted, "issuer_unknown"},
		"another, by iss":       {header(), strings.Replace(svidPayload(`"iss":"`+prodDomain+`"`), userSVID, other, 1), authz.TokenInvalid, "bad_spiffe_id"},
		"no SPIFFE id, by iss":  {header(), strings.Replace(svidPayload(`"iss":"`+prodDomain+`"`), userSVID, "mu:user-svc", 1), authz.TokenInvalid, "bad_spiffe_id"},
		"nobody we know":        {header(), strings.Replace(svidPayload(), "/user-svc", "/nobody", 1), authz.CredentialUnknown, "federated_unknown"},
		"bound":                 {header(), svidPayload(`"cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}`), authz.TokenBindingMismatch, "certificate_missing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := verify(v, d, f.token(test.header, test.payload))
			switch {
			case test.code == "":
				if p.Fault != nil || p.Subject != "mu:user-svc" || p.Token.Subject != "mu:user-svc" || p.Token.IssuerURL != prodDomain || p.Level != 3 || p.Credential.ID != "fed-1" {
					t.Errorf("principal %+v, fault %+v; want mu:user-svc of the trust domain, by fed-1, at level 3", p, p.Fault)
				}
			case test.cause == "":
				if p.Fault == nil {
					t.Error("accepted")
				}
			default:
				wantFault(t, p, test.code, test.cause)
			}
		})
	}
	asserted := present(v, d, authz.Evidence{Claims: json.RawMessage(svidPayload())})
	if asserted.Fault != nil || asserted.Subject != "mu:user-svc" || asserted.Evidence != authz.EvidenceClaims {
		t.Errorf("asserted: %+v", asserted.Fault)
	}
}

// Only the keys a bundle means for JWT-SVIDs verify them.
func TestJWTSVIDKeyUses(t *testing.T) {
	signer, other := newSigner(t, "ES256"), newSigner(t, "ES256")
	domain := trustDomainOf(t, other)
	d := &directory{registry: registry{prodDomain: domain}}
	federatedIn(d, "prod", userSVID)
	f := forgerOf(t, signer)
	for use, cause := range map[any]string{"jwt-svid": "", "x509-svid": "unknown_key", "sig": "unknown_key", "wit-svid": "unknown_key", "": "unknown_key"} {
		domain.Revision++
		domain.Keys = setOf(t, jwk(t, signer, map[string]any{"use": use}), jwk(t, other, map[string]any{"use": "jwt-svid"}))
		p := verify(newVerifier(t, token.Config{}), d, f.token(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, f.kid), svidPayload()))
		if cause == "" && p.Fault == nil {
			continue
		}
		wantFault(t, p, authz.TokenInvalid, cause)
	}
	// And a key for JWT-SVIDs verifies no other issuer's tokens.
	issuer := demoIssuer(t, other)
	issuer.Keys = setOf(t, jwk(t, signer, map[string]any{"use": "jwt-svid"}), jwk(t, other, nil))
	wantFault(t, verify(newVerifier(t, token.Config{}), registry{demoURL: issuer}, sign(t, signer, nil, good())), authz.TokenInvalid, "unknown_key")
}

// A trust domain is the one authority for its SPIFFE ids: registering it takes
// them from an issuer that spoke for them until then, remembered tokens too.
func TestTrustDomainTakesItsNames(t *testing.T) {
	signer := newSigner(t, "ES256")
	issuer := demoIssuer(t, signer)
	issuer.SubjectIs, issuer.Own = authz.SubjectIsFederated, false
	d := &directory{registry: registry{demoURL: issuer}}
	federatedIn(d, "demo", userSVID)
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, with(map[string]any{"sub": userSVID}))
	for range 2 {
		if p := verify(v, d, text); p.Fault != nil {
			t.Fatal(p.Fault)
		}
	}
	d.registry[prodDomain] = trustDomainOf(t, newSigner(t, "ES256"))
	if p := verify(v, d, text); p.Fault == nil {
		t.Error("an issuer still speaks for the names of a registered trust domain")
	}
}

func TestCheckIssuerOfTrustDomain(t *testing.T) {
	signer := newSigner(t, "ES256")
	for name, test := range map[string]struct {
		change func(*authz.Issuer)
		field  string
	}{
		"EdDSA":              {func(i *authz.Issuer) { i.Algorithms = []string{"ES256", "EdDSA"} }, "algorithms[1]"},
		"typ at+jwt":         {func(i *authz.Issuer) { i.Types = []string{"JWT", "at+jwt"} }, "types[1]"},
		"no key of its uses": {func(i *authz.Issuer) { i.Keys = publicSet(t, signer) }, "keys"},
		"key without kid": {func(i *authz.Issuer) {
			i.Keys = setOf(t, jwk(t, signer, map[string]any{"use": "jwt-svid", "kid": ""}))
		}, "keys.keys[0].kid"},
	} {
		issuer := trustDomainOf(t, signer)
		test.change(issuer)
		err, ok := token.CheckIssuer(issuer).(*authz.Error)
		if !ok || err.Field != test.field {
			t.Errorf("%s: error %v, want one of the field of the test", name, err)
		}
	}
}

// The schema of JWT-SVIDs names the algorithms a trust domain may sign with.
func TestJWTSVIDSchema(t *testing.T) {
	schema := string(vectors.Read(t, "spiffe/JWT-SVID.schema.yaml"))
	issuer := &authz.Issuer{URL: prodDomain, Kind: authz.IssuerSPIFFE}
	issuer.Normalize()
	for _, alg := range authz.Algorithms() {
		if in := strings.Contains(schema, fmt.Sprintf("- %q\n", alg)); in != slices.Contains(issuer.Algorithms, alg) {
			t.Errorf("%s: the schema has it %v, a trust domain %v", alg, in, issuer.Algorithms)
		}
	}
	// Whatever a trust domain is registered with, it signs with no other.
	signer := newSigner(t, "EdDSA")
	issuer.ID, issuer.Algorithms, issuer.Keys = "prod", authz.Algorithms(), setOf(t, jwk(t, signer, map[string]any{"use": "jwt-svid"}))
	text := sign(t, signer, map[string]any{"typ": "JWT"}, map[string]any{"sub": userSVID, "aud": "brightfold", "exp": now.Unix() + 60})
	wantFault(t, verify(newVerifier(t, token.Config{}), registry{prodDomain: issuer}, text), authz.TokenInvalid, "alg_not_allowed")
}
