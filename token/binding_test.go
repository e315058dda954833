package token_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// authorityKey is the JWK of an authority in a SPIFFE bundle.
func authorityKey(t testing.TB, authority certified) map[string]any {
	t.Helper()
	data, err := json.Marshal(jose.JSONWebKey{Key: authority.PublicKey, Use: "x509-svid", Certificates: []*x509.Certificate{authority.Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	var key map[string]any
	if err := json.Unmarshal(data, &key); err != nil {
		t.Fatal(err)
	}
	return key
}

func x5t(c certified) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bound is everything row 19 needs: a trust domain, a certificate authority, a
// token issuer, and the user service with a credential of each kind.
type bound struct {
	v       *token.Verifier
	d       *directory
	signer  *token.Signer
	prover  *token.Signer // the user service's DPoP key
	issuer  *authz.Issuer
	domain  *authz.Issuer
	svid    certified // the user service's
	other   certified // another machine user's
	unnamed certified // of the domain, registered for nobody
	own     certified // self-signed
	cert    *authz.Credential
}

func newBound(t *testing.T) *bound {
	t.Helper()
	authority := newCA(t, nil, "prod", nil)
	b := &bound{v: newVerifier(t, token.Config{Now: newClock().Now}), signer: newSigner(t, "ES256"), prover: newSigner(t, "ES256")}
	b.issuer, b.domain = demoIssuer(t, b.signer), trustDomainOf(t, b.signer, authority)
	b.d = &directory{registry: registry{demoURL: b.issuer, prodDomain: b.domain}}
	leaf := func(id string) certified {
		return issue(t, &authority, ecKey(t, elliptic.P256()), svidTemplate(id, nil))
	}
	b.svid, b.other, b.unnamed = leaf(userSVID), leaf(prodDomain+"/billing"), leaf(prodDomain+"/unnamed")
	b.own = issue(t, nil, ecKey(t, elliptic.P256()), leafTemplate(nil))
	named := func(id, machineUser, name string) *authz.Credential {
		return b.d.add(authz.Credential{Header: authz.Header{ID: id, CreatedAt: now}, MachineUser: machineUser, Kind: authz.KindCertificate, Issuer: "prod", Names: []string{name}})
	}
	b.cert = named("crt-user", "mu:user-svc", userSVID)
	named("crt-billing", "mu:billing", prodDomain+"/billing")
	return b
}

// jkt is the RFC 7638 thumbprint of the DPoP key.
func (b *bound) jkt() string { return b.prover.KeyID() }

var proofs int

// proofFor makes a new DPoP proof for a token.
func (b *bound) proofFor(t *testing.T, text string, changes ...map[string]any) *authz.Proof {
	t.Helper()
	proofs++
	ath := sha256.Sum256([]byte(text))
	claims := map[string]any{
		"jti": fmt.Sprint("proof-", proofs), "htm": "POST", "htu": "https://email.example/send", "iat": now.Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	}
	for _, change := range changes {
		for name, value := range change {
			claims[name] = value
		}
	}
	public := jwk(t, b.prover, map[string]any{"kid": "", "use": "", "alg": ""})
	f := forgerOf(t, b.prover)
	header := mustJSON(t, map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": public})
	return &authz.Proof{JWT: f.token(header, mustJSON(t, claims)), Method: "POST", URL: "https://email.example/send"}
}

func TestCertificateProvesItsSubject(t *testing.T) {
	b := newBound(t)
	p := present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.svid)})
	want := authz.Principal{
		Subject: "mu:user-svc", Evidence: authz.EvidenceCertificate, Level: 4, Freshness: authz.Fresh,
		Credential: &authz.Proved{ID: "crt-user", Type: authz.KindCertificate, State: authz.CredentialActive, Generation: 1, MadeAt: now},
		Certificate: &authz.VerifiedCertificate{
			ID: authz.CertificateID(b.svid.Issuer.String(), b.svid.SerialNumber.Text(16)), Thumbprint: x5t(b.svid), Name: userSVID, Issuer: "prod", Credential: "crt-user",
			NotBefore: b.svid.NotBefore, NotAfter: b.svid.NotAfter,
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	b.domain.Attested = true
	if p := present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.svid)}); p.Level != 5 {
		t.Errorf("attested: level %d", p.Level)
	}
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.unnamed)}), authz.CredentialUnknown, "certificate_unknown")
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.own)}), authz.TokenInvalid, "certificate_untrusted")
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: &authz.Certificate{Thumbprint: x5t(b.svid)}}), authz.CredentialMissing, "thumbprint_only")
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: &authz.Certificate{Chain: evidenceOf(b.svid).Chain, Thumbprint: x5t(b.other)}}), authz.TokenInvalid, "certificate_ambiguous")
	wantFault(t, present(b.v, brokenRegistry{}, authz.Evidence{Certificate: evidenceOf(b.svid)}), authz.IssuerUnavailable, "issuer_lookup")

	b.cert.State = authz.CredentialRevoked // for policies to judge
	if p := present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.svid)}); p.Fault != nil || p.Credential.State != authz.CredentialRevoked {
		t.Errorf("credential %+v, fault %+v; want the revoked credential, for policies to judge", p.Credential, p.Fault)
	}
	// The authorities of a trust domain that cannot be had may well vouch for it.
	fetched := *b.domain
	fetched.Revision, fetched.Keys, fetched.JWKSURL = 9, nil, "https://prod.example/bundle"
	b.d.registry[prodDomain] = &fetched
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.svid)}), authz.IssuerUnavailable, "authorities_unavailable")
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.own)}), authz.TokenInvalid, "certificate_untrusted")
	// Verified by a registered root.
	delete(b.d.registry, prodDomain)
	wantFault(t, present(b.v, b.d, authz.Evidence{Certificate: evidenceOf(b.svid)}), authz.TokenInvalid, "certificate_untrusted")
}

// Names of certificates of a certificate authority: a DNS name means somebody with
// the issuer only, a thumbprint by itself.
func TestCertificateNames(t *testing.T) {
	authority := newCA(t, nil, "partners", nil)
	roots := &authz.Issuer{Header: authz.Header{ID: "partners"}, URL: "partners", Kind: authz.IssuerX509, Roots: pemOf("CERTIFICATE", authority.Raw)}
	roots.Normalize()
	if err := token.CheckIssuer(roots); err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, &authority, ecKey(t, elliptic.P256()), leafTemplate(nil))
	dns, print := authz.NameDNS+"user.example.com", authz.NameThumbprint+x5t(leaf)
	for name, test := range map[string]struct {
		names  []string
		issuer string
		want   string
		cause  string
	}{
		"DNS name":                       {[]string{dns}, "partners", dns, ""},
		"DNS name of another issuer":     {[]string{dns}, "else", "", "certificate_unknown"},
		"URI":                            {[]string{"uri:urn:svc:user"}, "partners", "uri:urn:svc:user", ""},
		"thumbprint, no issuer":          {[]string{print}, "", print, ""},
		"thumbprint of the issuer":       {[]string{print}, "partners", print, ""},
		"thumbprint of another issuer":   {[]string{print}, "else", "", "certificate_unknown"},
		"thumbprint of another":          {[]string{authz.NameThumbprint + "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}, "", "", "certificate_unknown"},
		"a wildcard of the certificate":  {[]string{"dns:*.example.com"}, "partners", "", "certificate_unknown"},
		"a name the certificate has not": {[]string{"dns:example.com"}, "partners", "", "certificate_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &directory{registry: registry{"partners": roots}}
			d.add(authz.Credential{Header: authz.Header{ID: "c"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: test.issuer, Names: test.names})
			p := present(newVerifier(t, token.Config{}), d, authz.Evidence{Certificate: evidenceOf(leaf)})
			if test.cause != "" {
				wantFault(t, p, authz.CredentialUnknown, test.cause)
				return
			}
			if p.Fault != nil || p.Subject != "mx:a" || p.Certificate.Name != test.want || p.Certificate.Issuer != "partners" {
				t.Errorf("certificate %+v, fault %+v; want the name and issuer of the test", p.Certificate, p.Fault)
			}
		})
	}
	// A generation that is registered ahead of its time does not stand in the way.
	early := &directory{registry: registry{"partners": roots}}
	early.add(authz.Credential{Header: authz.Header{ID: "a"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{dns}})
	early.add(authz.Credential{Header: authz.Header{ID: "b"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{dns}, Generation: 2, NotBefore: now.Add(time.Second)})
	if p := present(newVerifier(t, token.Config{}), early, authz.Evidence{Certificate: evidenceOf(leaf)}); p.Fault != nil || p.Credential.ID != "a" {
		t.Errorf("credential %+v, fault %+v; want a, which is accepted now", p.Credential, p.Fault)
	}
	d := &directory{registry: registry{"partners": roots}}
	d.add(authz.Credential{Header: authz.Header{ID: "a"}, MachineUser: "mx:a", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{dns}})
	d.add(authz.Credential{Header: authz.Header{ID: "b"}, MachineUser: "mx:b", Kind: authz.KindCertificate, Names: []string{print}})
	wantFault(t, present(newVerifier(t, token.Config{}), d, authz.Evidence{Certificate: evidenceOf(leaf)}), authz.CredentialUnknown, "ambiguous")
}

// Row 19 and its relatives: what a token is bound to, what came with it, and what
// that proves.
func TestBindings(t *testing.T) {
	b := newBound(t)
	type cnf = map[string]any
	x5tOf := func(c certified) cnf { return cnf{"x5t#S256": x5t(c)} }
	key := cnf{"jkt": b.jkt()}
	print := func(c certified) *authz.Certificate { return &authz.Certificate{Thumbprint: x5t(c)} }
	const withProof = true
	tests := map[string]struct {
		cnf         cnf
		certificate *authz.Certificate
		proof       bool
		code        authz.ReasonCode
		cause       string
		level       int
		binding     string
		told        bool // a certificate is among the facts
		supported   bool // by a certificate
	}{
		"nothing":                              {level: 3},
		"row 19: cert A, bound to cert B":      {cnf: x5tOf(b.other), certificate: evidenceOf(b.svid), code: authz.TokenBindingMismatch, cause: "certificate_mismatch"},
		"bound, its certificate":               {cnf: x5tOf(b.svid), certificate: evidenceOf(b.svid), level: 4, binding: "x5t#S256", told: true, supported: true},
		"bound, its thumbprint":                {cnf: x5tOf(b.svid), certificate: print(b.svid), level: 4, binding: "x5t#S256"},
		"bound, another thumbprint":            {cnf: x5tOf(b.svid), certificate: print(b.other), code: authz.TokenBindingMismatch, cause: "certificate_mismatch"},
		"bound, nothing presented":             {cnf: x5tOf(b.svid), code: authz.TokenBindingMismatch, cause: "certificate_missing"},
		"bound, empty certificate":             {cnf: x5tOf(b.svid), certificate: &authz.Certificate{}, code: authz.TokenBindingMismatch, cause: "certificate_missing"},
		"bound, a proof instead":               {cnf: x5tOf(b.svid), proof: withProof, code: authz.TokenBindingMismatch, cause: "certificate_missing"},
		"bound, and a proof of no key":         {cnf: x5tOf(b.svid), certificate: print(b.svid), proof: withProof, code: authz.TokenBindingMismatch, cause: "proof_unbound"},
		"bound to another's certificate":       {cnf: x5tOf(b.other), certificate: evidenceOf(b.other), code: authz.SubjectMismatch, cause: "certificate_subject"},
		"bound, certificate of nobody":         {cnf: x5tOf(b.unnamed), certificate: evidenceOf(b.unnamed), level: 4, binding: "x5t#S256", told: true},
		"bound, self-signed (RFC 8705 2.2)":    {cnf: x5tOf(b.own), certificate: evidenceOf(b.own), level: 4, binding: "x5t#S256", told: true},
		"bound to what is no certificate":      {cnf: cnf{"x5t#S256": token.Thumbprint([]byte{1})}, certificate: &authz.Certificate{Chain: [][]byte{{1}}}, code: authz.TokenInvalid, cause: "certificate_malformed"},
		"unbound, certificate of the subject":  {certificate: evidenceOf(b.svid), level: 4, told: true, supported: true},
		"unbound, certificate of another":      {certificate: evidenceOf(b.other), code: authz.SubjectMismatch, cause: "certificate_subject"},
		"unbound, certificate of nobody":       {certificate: evidenceOf(b.unnamed), code: authz.CredentialUnknown, cause: "certificate_unknown"},
		"unbound, self-signed":                 {certificate: evidenceOf(b.own), code: authz.TokenInvalid, cause: "certificate_untrusted"},
		"unbound, no certificate at all":       {certificate: &authz.Certificate{Chain: [][]byte{{1}}}, code: authz.TokenInvalid, cause: "certificate_malformed"},
		"unbound, a thumbprint proves nothing": {certificate: print(b.svid), level: 3},
		"two certificates":                     {certificate: &authz.Certificate{Chain: evidenceOf(b.svid).Chain, Thumbprint: x5t(b.other)}, code: authz.TokenInvalid, cause: "certificate_ambiguous"},
		"key, its proof":                       {cnf: key, proof: withProof, level: 4, binding: "jkt"},
		"key, nothing presented":               {cnf: key, code: authz.TokenBindingMismatch, cause: "proof_missing"},
		"key, a certificate instead":           {cnf: key, certificate: evidenceOf(b.svid), code: authz.TokenBindingMismatch, cause: "proof_missing"},
		"key, another's proof":                 {cnf: cnf{"jkt": b.signer.KeyID()}, proof: withProof, code: authz.TokenBindingMismatch, cause: "proof_key_mismatch"},
		"key, proof and certificate":           {cnf: key, proof: withProof, certificate: evidenceOf(b.svid), level: 4, binding: "jkt", told: true, supported: true},
		"unbound, with a proof":                {proof: withProof, code: authz.TokenBindingMismatch, cause: "proof_unbound"},
		"both":                                 {cnf: cnf{"x5t#S256": x5t(b.svid), "jkt": b.jkt()}, certificate: print(b.svid), proof: withProof, level: 4, binding: "x5t#S256"},
		"both, no proof":                       {cnf: cnf{"x5t#S256": x5t(b.svid), "jkt": b.jkt()}, certificate: print(b.svid), code: authz.TokenBindingMismatch, cause: "proof_missing"},
		"both, no certificate":                 {cnf: cnf{"x5t#S256": x5t(b.svid), "jkt": b.jkt()}, proof: withProof, code: authz.TokenBindingMismatch, cause: "certificate_missing"},
	}
	for name, test := range tests {
		claims := with(map[string]any{"cnf": any(test.cnf)})
		if test.cnf == nil {
			claims = good()
		}
		text := sign(t, b.signer, nil, claims)
		check := func(t *testing.T, e authz.Evidence) {
			p := present(b.v, b.d, e)
			if test.code != "" {
				wantFault(t, p, test.code, test.cause)
				return
			}
			if p.Fault != nil {
				t.Fatalf("fault %+v, want none", p.Fault)
			}
			if p.Level != test.level || p.Binding != test.binding || (p.Certificate != nil) != test.told || slices.Contains(p.Supports, authz.SupportCertificate) != test.supported {
				t.Errorf("principal %+v, want level, binding, certificate and support of the test", p)
			}
		}
		t.Run(name, func(t *testing.T) {
			for range 2 { // verified, then remembered
				e := authz.Evidence{Token: text, Certificate: test.certificate}
				if test.proof {
					e.Proof = b.proofFor(t, text)
				}
				check(t, e)
			}
		})
		if !test.proof {
			t.Run(name+", asserted", func(t *testing.T) {
				check(t, authz.Evidence{Claims: json.RawMessage(mustJSON(t, claims)), Certificate: test.certificate})
			})
		}
	}
}

// A proof is good once, and only if everything else is.
func TestProofIsUsedUpLast(t *testing.T) {
	b := newBound(t)
	text := sign(t, b.signer, nil, with(map[string]any{"cnf": map[string]any{"jkt": b.jkt()}}))
	e := authz.Evidence{Token: text, Proof: b.proofFor(t, text), Certificate: evidenceOf(b.other)}
	wantFault(t, present(b.v, b.d, e), authz.SubjectMismatch, "certificate_subject")
	e.Certificate = nil
	rehearsed := b.v.Verify(t.Context(), authz.Presentation{Evidence: e, Directory: b.d, Now: now, Rehearsal: true})
	if rehearsed.Fault != nil {
		t.Errorf("rehearsal: %+v", rehearsed.Fault)
	}
	if p := present(b.v, b.d, e); p.Fault != nil {
		t.Errorf("fault %+v, want none: the rehearsal used nothing", p.Fault)
	}
	wantFault(t, present(b.v, b.d, e), authz.TokenBindingMismatch, "proof_replayed")
}

// What a relayed secret caps, no binding lifts.
func TestLevelOfBoundTokens(t *testing.T) {
	b := newBound(t)
	at := func(change map[string]any, c *authz.Certificate) int {
		p := present(b.v, b.d, authz.Evidence{Token: sign(t, b.signer, nil, with(change)), Certificate: c})
		if p.Fault != nil {
			t.Fatal(p.Fault)
		}
		return p.Level
	}
	tied := func(more map[string]any) map[string]any {
		more["cnf"] = map[string]any{"x5t#S256": x5t(b.svid)}
		return more
	}
	print := &authz.Certificate{Thumbprint: x5t(b.svid)}
	secret, password := []string{authz.MethodClientSecret}, []string{authz.MethodPassword}
	for _, test := range []struct {
		name  string
		level int
		got   int
	}{
		{"bound", 4, at(tied(map[string]any{}), print)},
		{"bound, long-lived", 4, at(tied(map[string]any{"exp": now.Unix() + 99999}), print)},
		{"password", 1, at(map[string]any{"amr": password}, nil)},
		{"password, bound", 1, at(tied(map[string]any{"amr": password}), print)},
		{"client secret", 2, at(map[string]any{"amr": secret}, nil)},
		{"client secret, bound", 2, at(tied(map[string]any{"amr": secret}), print)},
		{"client secret and certificate", 2, at(map[string]any{"amr": secret}, evidenceOf(b.svid))},
		{"client assertion", 3, at(map[string]any{"amr": []string{authz.MethodClientAssertion}}, nil)},
		{"client assertion, bound", 4, at(tied(map[string]any{"amr": []string{authz.MethodClientAssertion}}), print)},
	} {
		if test.got != test.level {
			t.Errorf("%s: level %d, want %d", test.name, test.got, test.level)
		}
	}
	b.domain.Attested = true
	if got := at(nil, evidenceOf(b.svid)); got != 5 {
		t.Errorf("attested certificate: %d", got)
	}
	if got := at(tied(map[string]any{}), print); got != 4 {
		t.Errorf("bound to a certificate nobody showed: %d", got)
	}
	b.domain.Attested, b.issuer.Attested = false, true
	if got := at(tied(map[string]any{}), print); got != 5 {
		t.Errorf("bound token of an attested issuer: %d", got)
	}
	if got := at(nil, nil); got != 3 {
		t.Errorf("unbound token of an attested issuer: %d", got)
	}
}

// A certificate whose own credential is dead supports nothing, and is what policies
// judge.
func TestDeadCertificateBesideAToken(t *testing.T) {
	b := newBound(t)
	b.d.add(authz.Credential{Header: authz.Header{ID: "cred-1"}, MachineUser: "mu:user-svc", Kind: authz.KindSharedSecret})
	text := sign(t, b.signer, nil, with(map[string]any{"credential_id": "cred-1"}))
	e := authz.Evidence{Token: text, Certificate: evidenceOf(b.svid)}
	if p := present(b.v, b.d, e); p.Fault != nil || p.Credential.ID != "cred-1" || p.Certificate.Credential != "crt-user" || p.Level != 4 {
		t.Errorf("principal %+v, fault %+v; want cred-1, with the certificate's crt-user, at level 4", p, p.Fault)
	}
	for name, kill := range map[string]func(*authz.Credential){
		"retired":       func(c *authz.Credential) { c.State = authz.CredentialRetired },
		"revoked":       func(c *authz.Credential) { c.State = authz.CredentialRevoked },
		"over":          func(c *authz.Credential) { c.NotAfter = now },
		"not yet valid": func(c *authz.Credential) { c.NotBefore = now.Add(time.Second) },
	} {
		alive := *b.cert
		kill(b.cert)
		p := present(b.v, b.d, e)
		if p.Fault != nil || p.Credential.ID != "crt-user" || p.Level != 3 || p.Supports != nil {
			t.Errorf("%s: principal %+v, fault %+v; want crt-user judged, at level 3", name, p, p.Fault)
		}
		*b.cert = alive
	}
	// Without a credential of its own, the token stands beside the certificate's.
	if p := present(b.v, b.d, authz.Evidence{Token: sign(t, b.signer, nil, good()), Certificate: evidenceOf(b.svid)}); p.Credential == nil || p.Credential.ID != "crt-user" {
		t.Errorf("credential %+v, want the certificate's, crt-user", p.Credential)
	}
	// So does a secret.
	v := newVerifier(t, token.Config{Secrets: secretsFunc(plain)})
	b.d.add(secretOf("gen-1", "s1", authz.CredentialActive, 1))
	shared := authz.Evidence{ClientID: "mu:billing", ClientSecret: "s1", Certificate: evidenceOf(b.other)}
	if p := present(v, b.d, shared); p.Fault != nil || p.Level != 1 || p.Certificate == nil || !slices.Contains(p.Supports, authz.SupportCertificate) {
		t.Errorf("principal %+v, fault %+v; want level 1, supported by the certificate", p, p.Fault)
	}
	shared.Certificate = evidenceOf(b.svid)
	wantFault(t, present(v, b.d, shared), authz.SubjectMismatch, "certificate_subject")
}

// pinned is a user service whose token is bound to a certificate that is registered
// by its thumbprint.
type pinned struct {
	v          *token.Verifier
	d          *directory
	roots      *authz.Issuer
	leaf       certified
	credential *authz.Credential
	text       string
}

func newPinned(t *testing.T) *pinned {
	t.Helper()
	authority, signer := newCA(t, nil, "partners", nil), newSigner(t, "ES256")
	leaf := issue(t, &authority, ecKey(t, elliptic.P256()), leafTemplate(nil))
	roots := &authz.Issuer{Header: authz.Header{ID: "partners"}, URL: "partners", Kind: authz.IssuerX509, Roots: pemOf("CERTIFICATE", authority.Raw)}
	roots.Normalize()
	p := &pinned{v: newVerifier(t, token.Config{}), roots: roots, leaf: leaf}
	p.d = &directory{registry: registry{demoURL: demoIssuer(t, signer), "partners": roots}}
	p.credential = p.d.add(authz.Credential{Header: authz.Header{ID: "crt-pin"}, MachineUser: "mu:user-svc", Kind: authz.KindCertificate, Issuer: "partners", Names: []string{authz.NameThumbprint + x5t(leaf)}})
	p.text = sign(t, signer, nil, with(map[string]any{"cnf": map[string]any{"x5t#S256": x5t(leaf)}}))
	return p
}

// What is registered for the certificate a token is bound to is judged however the
// certificate is shown and whatever became of its issuer, and so is the certificate.
func TestBoundCertificateIsAlwaysJudged(t *testing.T) {
	whole := func(p *pinned) *authz.Certificate { return evidenceOf(p.leaf) }
	for name, test := range map[string]struct {
		show   func(*pinned) *authz.Certificate
		change func(*pinned)
		facts  func(*authz.VerifiedCertificate) // nil tells none
	}{
		"verified":                 {whole, func(*pinned) {}, func(c *authz.VerifiedCertificate) { c.Issuer, c.Name = "partners", authz.NameThumbprint+c.Thumbprint }},
		"its thumbprint alone":     {func(p *pinned) *authz.Certificate { return &authz.Certificate{Thumbprint: x5t(p.leaf)} }, func(*pinned) {}, nil},
		"its issuer was removed":   {whole, func(p *pinned) { delete(p.d.registry, "partners") }, func(*authz.VerifiedCertificate) {}},
		"its issuer is unreadable": {whole, func(p *pinned) { p.roots.Roots, p.roots.Revision = "?", 9 }, func(*authz.VerifiedCertificate) {}},
		"a chain of garbage": {func(p *pinned) *authz.Certificate {
			return &authz.Certificate{Chain: [][]byte{p.leaf.Raw, {1}}}
		}, func(*pinned) {}, func(*authz.VerifiedCertificate) {}},
		"a chain too long": {func(p *pinned) *authz.Certificate {
			return evidenceOf(p.leaf, p.leaf, p.leaf, p.leaf, p.leaf, p.leaf)
		}, func(*pinned) {}, func(*authz.VerifiedCertificate) {}},
		"registered for another issuer": {whole, func(p *pinned) { p.credential.Issuer = "else" }, func(c *authz.VerifiedCertificate) { c.Issuer = "partners" }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPinned(t)
			test.change(b)
			for _, state := range []string{authz.CredentialActive, authz.CredentialRevoked} {
				b.credential.State = state
				p := present(b.v, b.d, authz.Evidence{Token: b.text, Certificate: test.show(b)})
				if p.Fault != nil || p.Binding != authz.BindingCertificate || p.Credential == nil || p.Credential.ID != "crt-pin" || p.Credential.State != state {
					t.Fatalf("state %s: credential %+v, fault %+v; want crt-pin in that state", state, p.Credential, p.Fault)
				}
				if supported := slices.Contains(p.Supports, authz.SupportCertificate); supported != (name == "verified" && state == authz.CredentialActive) {
					t.Errorf("%s: supports %v", state, p.Supports)
				}
				var want *authz.VerifiedCertificate
				if test.facts != nil {
					want = &authz.VerifiedCertificate{
						ID: authz.CertificateID(b.leaf.Issuer.String(), b.leaf.SerialNumber.Text(16)), Thumbprint: x5t(b.leaf),
						Credential: "crt-pin", NotBefore: b.leaf.NotBefore, NotAfter: b.leaf.NotAfter,
					}
					test.facts(want)
				}
				if diff := cmp.Diff(want, p.Certificate); diff != "" {
					t.Error(diff)
				}
			}
			b.credential.MachineUser = "mu:other"
			p := present(b.v, b.d, authz.Evidence{Token: b.text, Certificate: test.show(b)})
			wantFault(t, p, authz.SubjectMismatch, "certificate_subject")
		})
	}
	b := newPinned(t)
	thumbprint := authz.Evidence{Token: b.text, Certificate: &authz.Certificate{Thumbprint: x5t(b.leaf)}}
	wantFault(t, present(b.v, nameless{b.d}, thumbprint), authz.IssuerUnavailable, "credential_lookup")
	wantFault(t, present(b.v, nameless{b.d}, authz.Evidence{Token: b.text, Certificate: evidenceOf(b.leaf)}), authz.IssuerUnavailable, "credential_lookup")
}

// Whoever spoils the chain of the certificate a token is bound to is no better off: a
// revoked certificate, or another machine user's, is known by the names it has.
func TestBoundCertificateIsKnownByItsNames(t *testing.T) {
	authority, signer := newCA(t, nil, "partners", nil), newSigner(t, "ES256")
	const own = "mu:user-svc"
	for name, test := range map[string]struct {
		leaf  certified
		named string
	}{
		"DNS name":  {issue(t, &authority, ecKey(t, elliptic.P256()), leafTemplate(nil)), authz.NameDNS + "user.example.com"},
		"URI":       {issue(t, &authority, ecKey(t, elliptic.P256()), leafTemplate(nil)), "uri:urn:svc:user"},
		"SPIFFE ID": {issue(t, &authority, ecKey(t, elliptic.P256()), svidTemplate(userSVID, nil)), userSVID},
	} {
		text := sign(t, signer, nil, with(map[string]any{"cnf": map[string]any{"x5t#S256": x5t(test.leaf)}}))
		ask := func(directory authz.Directory) authz.Principal {
			chain := [][]byte{test.leaf.Raw, {1}} // nobody can vouch for it
			return present(newVerifier(t, token.Config{}), directory, authz.Evidence{Token: text, Certificate: &authz.Certificate{Chain: chain}})
		}
		registered := func(state, machineUser string) *directory {
			d := &directory{registry: registry{demoURL: demoIssuer(t, signer)}}
			d.add(authz.Credential{Header: authz.Header{ID: "crt"}, MachineUser: machineUser, Kind: authz.KindCertificate, Issuer: "partners", Names: []string{test.named}, State: state})
			return d
		}
		t.Run(name, func(t *testing.T) {
			revoked := registered(authz.CredentialRevoked, own)
			if p := ask(revoked); p.Fault != nil || p.Credential == nil || p.Credential.State != authz.CredentialRevoked || p.Certificate.Credential != "crt" {
				t.Errorf("revoked: %+v %+v", p.Credential, p.Fault)
			}
			// It proves nothing, but its credential can still be named on a list.
			p := ask(registered(authz.CredentialActive, own))
			if p.Fault != nil || p.Credential != nil || p.Supports != nil || p.Certificate.Credential != "crt" {
				t.Errorf("active: %+v %+v", p, p.Fault)
			}
			// The one that is accepted stands for the name, as with a good chain.
			revoked.add(authz.Credential{Header: authz.Header{ID: "next"}, MachineUser: own, Kind: authz.KindCertificate, Issuer: "partners", Names: []string{test.named}})
			if p := ask(revoked); p.Fault != nil || p.Credential != nil || p.Certificate.Credential != "next" {
				t.Errorf("replaced: %+v %+v", p, p.Fault)
			}
			for _, state := range []string{authz.CredentialActive, authz.CredentialRevoked} {
				p := ask(registered(state, "mu:other"))
				wantFault(t, p, authz.SubjectMismatch, "certificate_subject")
			}
			wantFault(t, ask(nameless{revoked}), authz.IssuerUnavailable, "credential_lookup")
		})
	}
	crowded := issue(t, &authority, ecKey(t, elliptic.P256()), leafTemplate(func(c *x509.Certificate) {
		for i := range 65 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("h%d.example.com", i))
		}
	}))
	text := sign(t, signer, nil, with(map[string]any{"cnf": map[string]any{"x5t#S256": x5t(crowded)}}))
	d := &directory{registry: registry{demoURL: demoIssuer(t, signer)}}
	wantFault(t, present(newVerifier(t, token.Config{}), d, authz.Evidence{Token: text, Certificate: evidenceOf(crowded)}), authz.TokenInvalid, "certificate_malformed")
}

// nameless cannot look up names.
type nameless struct{ *directory }

func (nameless) CredentialsNamed(string) ([]*authz.Credential, error) { return nil, errDisk }

// The bundle of the certificate's trust domain cannot be had: the binding holds, and
// the certificate can still be revoked.
func TestBoundCertificateOfAnAbsentTrustDomain(t *testing.T) {
	b := newBound(t)
	fetched := *b.domain
	fetched.Revision, fetched.Keys, fetched.JWKSURL = 9, nil, "https://prod.example/bundle"
	b.d.registry[prodDomain] = &fetched
	text := sign(t, b.signer, nil, with(map[string]any{"cnf": map[string]any{"x5t#S256": x5t(b.svid)}}))
	p := present(b.v, b.d, authz.Evidence{Token: text, Certificate: evidenceOf(b.svid)})
	if p.Fault != nil || p.Supports != nil || p.Certificate == nil {
		t.Fatalf("principal %+v, fault %+v; want the certificate, and no support", p, p.Fault)
	}
	if want := authz.CertificateID(b.svid.Issuer.String(), b.svid.SerialNumber.Text(16)); p.Certificate.ID != want || p.Certificate.Issuer != "" || p.Certificate.Name != "" {
		t.Errorf("certificate %+v, want its id, and neither issuer nor name", p.Certificate)
	}
}

func TestAmbiguousEvidence(t *testing.T) {
	v := newVerifier(t, token.Config{})
	for _, e := range []authz.Evidence{
		{Token: "a", ClientSecret: "s", ClientID: "c"}, {Token: "a", Assertion: "b"}, {Claims: []byte(`{}`), Assertion: "b"}, {ClientSecret: "s", Assertion: "b"},
	} {
		p := present(v, registry{}, e)
		wantFault(t, p, authz.TokenInvalid, "ambiguous")
		if p.Evidence != authz.EvidenceNone {
			t.Errorf("evidence %q", p.Evidence)
		}
	}
	wantFault(t, present(v, registry{}, authz.Evidence{Proof: &authz.Proof{}}), authz.CredentialMissing, "no_evidence")
}

// An opaque token is bound by what its issuer says of it.
func TestBoundOpaqueToken(t *testing.T) {
	b := newBound(t)
	issuer := ledgerlink("ledgerlink", "")
	b.d.registry[issuer.URL] = issuer
	b.d.add(authz.Credential{Header: authz.Header{ID: "crt-ledger"}, MachineUser: "mx:ledgerlink", Kind: authz.KindCertificate, Issuer: "prod", Names: []string{prodDomain + "/unnamed"}})
	told := func(cnf string) *token.Verifier {
		return newVerifier(t, token.Config{Introspector: &asked{answer: active(cnf)}, Now: newClock().Now})
	}
	const text = "2YotnFZFEjr1zCsicMWpAA"
	byKey := told(`,"cnf":{"jkt":"` + b.jkt() + `"}`)
	if p := present(byKey, b.d, authz.Evidence{Token: text, Proof: b.proofFor(t, text)}); p.Fault != nil || p.Level != 4 || p.Binding != authz.BindingProof {
		t.Errorf("principal %+v, fault %+v; want level 4 by the proof", p, p.Fault)
	}
	wantFault(t, present(byKey, b.d, authz.Evidence{Token: text, Proof: b.proofFor(t, text+"x")}), authz.TokenBindingMismatch, "proof_token")
	byCertificate := told(`,"cnf":{"x5t#S256":"` + x5t(b.own) + `"}`)
	if p := present(byCertificate, b.d, authz.Evidence{Token: text, Certificate: &authz.Certificate{Thumbprint: x5t(b.own)}}); p.Fault != nil || p.Level != 4 || p.Binding != authz.BindingCertificate {
		t.Errorf("principal %+v, fault %+v; want level 4 by the certificate", p, p.Fault)
	}
	// A certificate of the same machine user stands by an issuer that is down.
	down := active("")
	down.Freshness, down.Age, down.KnownSource = authz.Stale, 4*time.Minute, true
	v := newVerifier(t, token.Config{Introspector: &asked{answer: down}})
	p := present(v, b.d, authz.Evidence{Token: text, Certificate: evidenceOf(b.unnamed)})
	if diff := cmp.Diff([]string{authz.SupportCertificate, authz.SupportKnownSource}, p.Supports); diff != "" || p.Level != 4 || p.Freshness != authz.Stale {
		t.Errorf("principal %+v, fault %+v; want a stale one of level 4; supports (-want +got):\n%s", p, p.Fault, diff)
	}
	// Claims about an opaque token are no better than the token.
	asserted := mustJSON(t, with(map[string]any{"iss": issuer.URL}))
	if p := present(v, b.d, authz.Evidence{Claims: json.RawMessage(asserted)}); p.Fault != nil || p.Level != 2 {
		t.Errorf("principal %+v, fault %+v; want level 2, that of the opaque token", p, p.Fault)
	}
}
