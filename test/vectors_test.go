package test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
	"github.com/verdict-pdp/verdict/test/vectors"
)

type joseExamples struct {
	RFC7515 []struct {
		ID    string          `json:"id"`
		Alg   string          `json:"alg"`
		JWK   json.RawMessage `json:"jwk"`
		Token json.RawMessage `json:"token"`
	} `json:"rfc7515"`
	RFC9449 struct {
		AccessToken string `json:"access_token"`
		JKT         string `json:"jkt"`
		Proofs      []struct {
			Proof string `json:"proof"`
		} `json:"proofs"`
	} `json:"rfc9449"`
	RFC8705 struct {
		DER string            `json:"certificate_der_base64"`
		CNF map[string]string `json:"cnf"`
	} `json:"rfc8705_appendix_a"`
}

func readExamples(t *testing.T) (e joseExamples) {
	t.Helper()
	unmarshal(t, vectors.Read(t, "jose/rfc-examples.json"), &e)
	return e
}

// TestTheTokensOfRFCsAreDenied: with the issuer of RFC 7515's examples registered by
// the keys printed there, and with nobody registered, in every place a JWT is sent.
func TestTheTokensOfRFCsAreDenied(t *testing.T) {
	t.Parallel()
	e := readExamples(t)
	var texts []string
	for _, example := range e.RFC7515 {
		text := string(example.Token)
		if strings.HasPrefix(text, `"`) {
			unmarshal(t, example.Token, &text)
		}
		texts = append(texts, text)
	}
	for _, proof := range e.RFC9449.Proofs {
		texts = append(texts, proof.Proof)
	}
	texts = append(texts, e.RFC9449.AccessToken)
	if len(texts) < 8 {
		t.Fatalf("only %d texts", len(texts))
	}
	for _, registered := range []bool{false, true} {
		p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
		if registered {
			registerJoe(t, p, e)
		}
		for _, text := range texts {
			for _, credential := range []map[string]any{
				{"token": text}, {"client_assertion": text}, {"client_id": "mu:user-svc", "client_secret": text},
				{"token": p.Token("mu:user-svc"), "dpop": map[string]any{"proof": text, "method": "POST", "url": "https://server.example.com/token"}},
			} {
				q := invoiceToAna("")
				q["credential"] = credential
				if d := p.Ask(q); d.Outcome != api.Deny || len(d.Reasons) == 0 {
					t.Errorf("%s: got %+v; want Outcome Deny, some Reasons", text, d)
				}
			}
		}
	}
}

// registerJoe registers the issuer of RFC 7515's examples by its public keys, once
// each, and sees that its secret is refused.
func registerJoe(t *testing.T, p *pdptest.PDP, e joseExamples) {
	t.Helper()
	refused, accepted := 0, 0
	for _, example := range e.RFC7515 {
		if len(example.JWK) == 0 {
			continue
		}
		issuer := &authz.Issuer{
			URL: "joe", Algorithms: []string{"RS256", "ES256"}, Types: []string{"JWT", ""}, Own: true,
			Claims: authz.ClaimMapping{Subject: "iss"}, Keys: json.RawMessage(`{"keys":[` + string(example.JWK) + `]}`),
		}
		answer := p.Call(http.MethodPut, p.AdminURL()+"/v1/issuers/joe", p.Operator(), marshal(t, issuer))
		switch {
		case answer.Status < 300:
			accepted++
		case answer.Status < 500:
			refused++
		default:
			t.Errorf("%s: got status %d, body %s; want status below 500", example.ID, answer.Status, answer.Body)
		}
	}
	if refused != 1 || accepted < 2 {
		t.Errorf("%d keys refused and %d accepted; the secret of A.1 alone is to be refused", refused, accepted)
	}
}

// TestRFC8705Binding: the certificate of its appendix A, self-signed, is what a token
// bound to its thumbprint needs, and proves nobody by itself. It expired in 2022, which
// is a reason of its own wherever it can be seen.
func TestRFC8705Binding(t *testing.T) {
	t.Parallel()
	e := readExamples(t).RFC8705
	der, err := base64.StdEncoding.DecodeString(e.DER)
	if err != nil {
		t.Fatal(err)
	}
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	claims := p.Claims("mu:user-svc")
	claims["cnf"] = e.CNF
	token := p.Sign(claims)
	for form, certificate := range map[string]string{
		"PEM": pemOf("CERTIFICATE", der), "base64": e.DER, "RFC 9440": ":" + e.DER + ":",
	} {
		q := invoiceToAna("")
		q["credential"] = map[string]any{"token": token, "certificate": certificate}
		d := p.AskAsserting(q)
		if diff := cmp.Diff([]string{"CREDENTIAL_EXPIRED"}, pdptest.Codes(d.Reasons)); diff != "" || d.Trust.Level != 4 {
			t.Errorf("%s: level %d %s", form, d.Trust.Level, diff)
		}
		q["credential"] = map[string]any{"certificate": certificate}
		if diff := cmp.Diff([]string{"TOKEN_INVALID"}, pdptest.Codes(p.AskAsserting(q).Reasons)); diff != "" {
			t.Errorf("%s alone: %s", form, diff)
		}
	}
	q := invoiceToAna("")
	q["credential"] = map[string]any{"token": token, "certificate_thumbprint": e.CNF["x5t#S256"]}
	if d := p.AskAsserting(q); d.Outcome != api.Allow || d.Trust.Level != 4 {
		t.Errorf("by its thumbprint: %+v", d)
	}
	q = invoiceToAna(token)
	if diff := cmp.Diff([]string{"TOKEN_BINDING_MISMATCH"}, pdptest.Codes(p.Ask(q).Reasons)); diff != "" {
		t.Error(diff)
	}
}

// TestSPIFFECertificates asks with the X.509-SVIDs of go-spiffe's tests, of which one
// leads to an authority that is registered here: the intermediate it comes with.
func TestSPIFFECertificates(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 3, 24, 14, 30, 0, 0, time.UTC)
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: at})
	chain := certificatesIn(t, vectors.Read(t, "spiffe/x509svid/good-leaf-and-intermediate.pem"))
	if len(chain) != 2 {
		t.Fatalf("%d certificates", len(chain))
	}
	p.Put(&authz.Issuer{
		Header: authz.Header{ID: "example"}, Kind: authz.IssuerSPIFFE, URL: "spiffe://example.org",
		Keys: pdptest.Bundle(t, chain[1]),
	})
	p.Put(&authz.Credential{
		Header: authz.Header{ID: "workload-1"}, MachineUser: "mu:user-svc", Kind: authz.KindCertificate, Issuer: "example",
		Names: []string{"spiffe://example.org/workload-1"},
	})
	tests := map[string]string{ // :: file -> cause of the denial, "" for none
		"good-leaf-and-intermediate.pem": "", "good-leaf-only.pem": "certificate_untrusted",
		"wrong-intermediate-no-ca.pem": "certificate_untrusted", "wrong-intermediate-no-key-cert-sign.pem": "certificate_untrusted",
		"wrong-leaf-ca-true.pem": "certificate_svid", "wrong-leaf-cert-sign.pem": "certificate_svid", "wrong-leaf-crl-sign.pem": "certificate_svid",
		"wrong-leaf-no-digital-signature.pem": "certificate_svid", "wrong-leaf-empty-id.pem": "certificate_untrusted",
		"corrupt-cert.pem": "certificate_malformed", "corrupt-key.pem": "refused", "good-cert-and-key.pem": "refused", "good-key-and-cert.pem": "refused",
		"key-pkcs8-ecdsa.pem": "refused", "key-pkcs8-rsa.pem": "refused", "not-pem": "refused",
	}
	for file, want := range tests {
		q := invoiceToAna("")
		q["credential"] = map[string]any{"certificate": string(vectors.Read(t, "spiffe/x509svid/"+file))}
		answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, p.Asserting(), marshal(t, q))
		if got := outcome(t, answer); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// outcome is the cause of a denial, "" of an allow, and "refused" of a question that
// could not be asked.
func outcome(t *testing.T, answer pdptest.Answer) string {
	t.Helper()
	switch {
	case answer.Status >= 400 && answer.Status < 500:
		return "refused"
	case answer.Status != http.StatusOK:
		t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
	}
	var d api.Decision
	unmarshal(t, answer.Body, &d)
	if d.Outcome == api.Allow {
		return ""
	}
	return strings.Join(causes(d.Reasons), ",")
}

func certificatesIn(t *testing.T, text []byte) (ders [][]byte) {
	t.Helper()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			ders = append(ders, block.Bytes)
		}
	}
	return ders
}

// TestSPIFFEBundlesAreRegistered: those that a trust domain can be verified with are
// taken, the others refused.
func TestSPIFFEBundlesAreRegistered(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{})
	for name, want := range map[string]int{
		"spiffebundle-spiffebundle_valid_1": 201, "spiffebundle-spiffebundle_valid_2": 201,
		"spiffebundle-spiffebundle_valid_with_wit": 201, "spiffebundle-spiffebundle_multiple_x509": 201,
		"spiffebundle-spiffebundle_missing_kid": 400, "spiffebundle-spiffebundle_no_keys": 400,
		"jwtbundle-jwks_missing_kid": 400, "jwtbundle-jwks_valid_1": 400, "jwtbundle-jwks_valid_2": 400,
		"witbundle-jwks_missing_kid": 400, "witbundle-jwks_valid_1": 400, "witbundle-jwks_valid_2": 400,
	} {
		issuer := map[string]any{"kind": authz.IssuerSPIFFE, "url": "spiffe://" + strings.ToLower(name), "keys": json.RawMessage(vectors.Read(t, "spiffe/bundles/"+name+".json"))}
		answer := p.Call(http.MethodPut, p.AdminURL()+"/v1/issuers/"+name, p.Operator(), marshal(t, issuer))
		if answer.Status != want {
			t.Errorf("%s: %d, want %d: %s", name, answer.Status, want, answer.Body)
		}
	}
}
