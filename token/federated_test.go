package token_test

import (
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

const deploy = "repo:brightfold/app:ref:refs/heads/main"

// buildhub is a third party with names of its own.
func buildhub(t testing.TB, s *token.Signer) *authz.Issuer {
	issuer := demoIssuer(t, s)
	issuer.SubjectIs, issuer.Own = authz.SubjectIsFederated, false
	return issuer
}

// Whom a name means is looked up at every verification, remembered tokens too.
func TestFederatedNamesAreLookedUpLive(t *testing.T) {
	signer := newSigner(t, "ES256")
	d := &directory{registry: registry{demoURL: buildhub(t, signer)}}
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, with(map[string]any{"sub": deploy}))
	wantFault(t, verify(v, d, text), authz.CredentialUnknown, "federated_unknown")

	c := federatedIn(d, "demo", deploy)
	for range 2 {
		p := verify(v, d, text)
		if p.Fault != nil || p.Subject != "mu:user-svc" || p.Token.Subject != "mu:user-svc" || p.Credential.ID != "fed-1" || p.Credential.MadeAt != now || p.Level != 3 {
			t.Fatalf("principal %+v, fault %+v; want mu:user-svc by fed-1, at level 3", p, p.Fault)
		}
	}
	c.State = authz.CredentialRevoked // for policies to judge
	if p := verify(v, d, text); p.Fault != nil || p.Credential.State != authz.CredentialRevoked {
		t.Errorf("credential %+v, fault %+v; want the revoked credential, for policies to judge", p.Credential, p.Fault)
	}
	c.MachineUser = "mu:other"
	if p := verify(v, d, text); p.Subject != "mu:other" || p.Token.Subject != "mu:other" {
		t.Errorf("principal %+v, want mu:other, whose the credential is now", p)
	}
	d.credentials = nil
	wantFault(t, verify(v, d, text), authz.CredentialUnknown, "federated_unknown")
}

func TestFederatedNameMeansOneMachineUser(t *testing.T) {
	signer := newSigner(t, "ES256")
	text := sign(t, signer, nil, with(map[string]any{"sub": deploy}))
	credential := func(id, machineUser, state string, generation int, change ...func(*authz.Credential)) authz.Credential {
		c := authz.Credential{
			Header: authz.Header{ID: id}, MachineUser: machineUser, Kind: authz.KindFederated, Issuer: "demo",
			Names: []string{"other", deploy}, State: state, Generation: generation,
		}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	active, retired := authz.CredentialActive, authz.CredentialRetired
	tests := map[string]struct {
		credentials []authz.Credential
		want        string // id, or the cause of the fault
	}{
		"newest":                {[]authz.Credential{credential("a", "mu:a", active, 1), credential("b", "mu:a", active, 2)}, "b"},
		"accepted before newer": {[]authz.Credential{credential("a", "mu:a", active, 1), credential("b", "mu:a", retired, 2)}, "a"},
		"retired when alone":    {[]authz.Credential{credential("a", "mu:a", retired, 1)}, "a"},
		"first id of equals":    {[]authz.Credential{credential("b", "mu:a", active, 1), credential("a", "mu:a", active, 1)}, "a"},
		"now before newer":      {[]authz.Credential{credential("a", "mu:a", active, 1), credential("b", "mu:a", active, 2, func(c *authz.Credential) { c.NotBefore = now.Add(time.Second) })}, "a"},
		"now before older":      {[]authz.Credential{credential("a", "mu:a", active, 3, func(c *authz.Credential) { c.NotAfter = now }), credential("b", "mu:a", active, 2)}, "b"},
		"early before retired":  {[]authz.Credential{credential("a", "mu:a", active, 1, func(c *authz.Credential) { c.NotBefore = now.Add(time.Second) }), credential("b", "mu:a", retired, 2)}, "a"},
		"two machine users":     {[]authz.Credential{credential("a", "mu:a", active, 1), credential("b", "mu:b", retired, 2)}, "ambiguous"},
		"of another issuer":     {[]authz.Credential{credential("a", "mu:a", active, 1, func(c *authz.Credential) { c.Issuer = "else" })}, "federated_unknown"},
		"of another kind":       {[]authz.Credential{credential("a", "mu:a", active, 1, func(c *authz.Credential) { c.Kind = authz.KindCertificate })}, "federated_unknown"},
		"of another issuer's user too": {[]authz.Credential{credential("a", "mu:a", active, 1),
			credential("b", "mu:b", active, 1, func(c *authz.Credential) { c.Issuer = "else" })}, "a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &directory{registry: registry{demoURL: buildhub(t, signer)}}
			for _, c := range test.credentials {
				d.add(c)
			}
			p := verify(newVerifier(t, token.Config{}), d, text)
			switch {
			case p.Fault != nil:
				wantFault(t, p, authz.CredentialUnknown, test.want)
			case p.Credential.ID != test.want || p.Subject != "mu:a":
				t.Errorf("%+v of %s, want %s", p.Credential, p.Subject, test.want)
			}
		})
	}
}

// The credential a token says it was got with is looked up at every verification.
func TestCredentialBehindAToken(t *testing.T) {
	signer := newSigner(t, "ES256")
	issuer := demoIssuer(t, signer)
	d := &directory{registry: registry{demoURL: issuer}}
	v := newVerifier(t, token.Config{})
	text := sign(t, signer, nil, with(map[string]any{"credential_id": "cred-1"}))
	wantFault(t, verify(v, d, text), authz.CredentialUnknown, "credential_removed")

	from, to := now.Add(-time.Hour), now.Add(time.Hour)
	c := d.add(authz.Credential{Header: authz.Header{ID: "cred-1", CreatedAt: now}, MachineUser: "mu:user-svc", Kind: authz.KindSharedSecret, Generation: 3, NotBefore: from, NotAfter: to})
	for _, state := range []string{authz.CredentialActive, authz.CredentialRetired, authz.CredentialRevoked} {
		c.State = state
		p := verify(v, d, text)
		want := authz.Proved{ID: "cred-1", Type: authz.KindSharedSecret, State: state, Generation: 3, MadeAt: from, NotBefore: from, NotAfter: to}
		if p.Fault != nil || *p.Credential != want {
			t.Errorf("credential %+v, fault %+v; want cred-1 as it is registered", p.Credential, p.Fault)
		}
	}
	c.MachineUser = "mu:other"
	wantFault(t, verify(v, d, text), authz.CredentialUnknown, "credential_subject")
	d.credentials = nil
	issuer.Own, issuer.Revision = false, 8 // a third party has credentials of its own
	if p := verify(v, d, text); p.Fault != nil || p.Credential != nil {
		t.Errorf("credential %+v, fault %+v; want none: it is the third party's own", p.Credential, p.Fault)
	}
}

// A third party has no word on our credentials: naming one that is accepted says
// nothing of it. One that is not, and those the party verifies itself, are judged.
func TestCredentialNamedByAThirdParty(t *testing.T) {
	signer := newSigner(t, "ES256")
	text := sign(t, signer, nil, with(map[string]any{"credential_id": "cred-1"}))
	ours := map[string]authz.Credential{
		"secret":                        {Kind: authz.KindSharedSecret, SecretHash: "h"},
		"key":                           {Kind: authz.KindPublicKey, Keys: []byte(`{"keys":[]}`)},
		"certificate":                   {Kind: authz.KindCertificate, Names: []string{authz.NameThumbprint + "x"}},
		"federated of another issuer":   {Kind: authz.KindFederated, Issuer: "else", Names: []string{"n"}},
		"certificate of a trust domain": {Kind: authz.KindCertificate, Issuer: "prod", Names: []string{userSVID}},
	}
	theirs := map[string]authz.Credential{
		"secret we have no hash of": {Kind: authz.KindSharedSecret},
		"key we do not have":        {Kind: authz.KindPublicKey},
		"federated of the issuer":   {Kind: authz.KindFederated, Issuer: "demo", Names: []string{"n"}},
	}
	check := func(t *testing.T, c authz.Credential, own bool, change func(*authz.Credential)) authz.Principal {
		issuer := demoIssuer(t, signer)
		issuer.Own = own
		d := &directory{registry: registry{demoURL: issuer}}
		c.ID, c.MachineUser = "cred-1", "mu:user-svc"
		change(&c)
		d.add(c)
		return verify(newVerifier(t, token.Config{}), d, text)
	}
	dead := map[string]func(*authz.Credential){
		"retired": func(c *authz.Credential) { c.State = authz.CredentialRetired }, "revoked": func(c *authz.Credential) { c.State = authz.CredentialRevoked },
		"over": func(c *authz.Credential) { c.NotAfter = now }, "early": func(c *authz.Credential) { c.NotBefore = now.Add(time.Second) },
	}
	alive := map[string]func(*authz.Credential){
		"pending": func(c *authz.Credential) { c.State = authz.CredentialPending }, "active": func(*authz.Credential) {},
		"retiring": func(c *authz.Credential) { c.State = authz.CredentialRetiring },
	}
	for name, c := range ours {
		for state, change := range alive {
			if p := check(t, c, false, change); p.Fault != nil || p.Credential != nil || p.Token.Credential != "cred-1" {
				t.Errorf("%s, %s: credential %+v, fault %+v; want none proved, and cred-1 named", name, state, p.Credential, p.Fault)
			}
			if p := check(t, c, true, change); p.Fault != nil || p.Credential == nil {
				t.Errorf("%s, %s, named by our own: %+v %+v", name, state, p.Credential, p.Fault)
			}
		}
		for state, change := range dead {
			if p := check(t, c, false, change); p.Fault != nil || p.Credential == nil {
				t.Errorf("%s, %s: credential %+v, fault %+v; want it judged, because it is not accepted", name, state, p.Credential, p.Fault)
			}
		}
		wantFault(t, check(t, c, false, func(c *authz.Credential) { c.MachineUser = "mu:other" }), authz.CredentialUnknown, "credential_subject")
	}
	for name, c := range theirs {
		if p := check(t, c, false, alive["active"]); p.Fault != nil || p.Credential == nil {
			t.Errorf("%s: credential %+v, fault %+v; want it judged, because it is the issuer's", name, p.Credential, p.Fault)
		}
	}
}

// Tokens of our own service name the machine user in client_id, and in sub whom
// they were issued for.
func TestOnBehalfOf(t *testing.T) {
	signer := newSigner(t, "ES256")
	issuer := demoIssuer(t, signer)
	issuer.Claims.Subject = "client_id"
	v := newVerifier(t, token.Config{})
	claims := func(sub any) string {
		return sign(t, signer, nil, with(map[string]any{"client_id": "mu:billing", "sub": sub}))
	}
	user := &authz.OnBehalfOf{Type: authz.OnBehalfOfUser, ID: "u-ana"}
	tenant := &authz.OnBehalfOf{Type: authz.OnBehalfOfTenant, ID: "acme:eu"}
	for name, test := range map[string]struct {
		sub   any
		want  *authz.OnBehalfOf
		cause string
	}{
		"user": {"user:u-ana", user, ""}, "tenant": {"tenant:acme:eu", tenant, ""},
		"itself": {"mu:billing", nil, ""}, "absent": {nil, nil, ""},
		"another machine user": {"mu:other", nil, "bad_on_behalf_of"},
		"unknown type":         {"org:acme", nil, "bad_on_behalf_of"},
		"no id":                {"user:", nil, "bad_on_behalf_of"},
		"no valid id":          {"user:a/b", nil, "bad_on_behalf_of"},
		"upper case":           {"User:u-ana", nil, "bad_on_behalf_of"},
		"a number":             {7, nil, "claim_type"},
	} {
		t.Run(name, func(t *testing.T) {
			p := verify(v, registry{demoURL: issuer}, claims(test.sub))
			if test.cause != "" {
				wantFault(t, p, authz.TokenInvalid, test.cause)
				return
			}
			if p.Fault != nil || p.Subject != "mu:billing" {
				t.Fatalf("fault %+v, want mu:billing", p.Fault)
			}
			if got := p.Token.OnBehalfOf; (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("on behalf of %+v, want %+v", got, test.want)
			}
		})
	}
	issuer.Own, issuer.Revision = false, 8 // nobody else may say so
	if p := verify(v, registry{demoURL: issuer}, claims("user:u-ana")); p.Fault != nil || p.Token.OnBehalfOf != nil {
		t.Errorf("token %+v, fault %+v; want it on behalf of none: the issuer is not our own", p.Token, p.Fault)
	}
}
