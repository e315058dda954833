package token_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

type rfcExamples struct {
	RFC7515 []struct {
		ID    string          `json:"id"`
		Alg   string          `json:"alg"`
		JWK   json.RawMessage `json:"jwk"`
		Token json.RawMessage `json:"token"`
	} `json:"rfc7515"`
	RFC9449 struct {
		AccessToken string `json:"access_token"`
		Proofs      []struct {
			Proof string `json:"proof"`
		} `json:"proofs"`
	} `json:"rfc9449"`
}

func examples(t *testing.T) (e rfcExamples) {
	t.Helper()
	if err := json.Unmarshal(vectors.Read(t, "jose/rfc-examples.json"), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// RFC 7515 appendix A. Its tokens have no sub and no typ: the issuer "joe" is
// registered so that the signature is what counts.
func TestRFC7515Examples(t *testing.T) {
	want := map[string]string{"A.1": "alg_not_allowed", "A.2": "", "A.3": "", "A.5": "alg_none", "A.6": "not_compact"}
	seen := map[string]string{}
	for _, example := range examples(t).RFC7515 {
		text := string(example.Token)
		if err := json.Unmarshal(example.Token, &text); err != nil && example.ID != "A.6" {
			t.Fatal(err)
		}
		issuer := &authz.Issuer{
			Header: authz.Header{ID: "joe"}, URL: "joe", Algorithms: []string{"RS256", "ES256"}, Types: []string{"JWT", ""},
			Claims: authz.ClaimMapping{Subject: "iss"}, Keys: json.RawMessage(`{"keys":[` + string(example.JWK) + `]}`),
		}
		issuer.Normalize()
		v := newVerifier(t, token.Config{})
		p := verify(v, registry{"joe": issuer}, text)
		if p.Fault != nil {
			seen[example.ID] = p.Fault.Cause
			continue
		}
		seen[example.ID] = ""
		if p.Subject != "joe" || p.Token.ExpiresAt.Unix() != 1300819380 || p.Level != 2 {
			t.Errorf("%s: token %+v, want joe's of level 2 until 1300819380", example.ID, p.Token)
		}
		changed := text[:len(text)-10] + strings.Repeat("A", 10)
		wantFault(t, verify(v, registry{"joe": issuer}, changed), authz.TokenInvalid, "bad_signature")
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

// RFC 9449: neither its opaque access token nor its proofs are access tokens.
func TestRFC9449Examples(t *testing.T) {
	e := examples(t).RFC9449
	v := newVerifier(t, token.Config{})
	wantFault(t, verify(v, registry{}, e.AccessToken), authz.TokenInvalid, "not_compact") // it has two dots, so only a hint could say that it is opaque
	for _, proof := range e.Proofs {
		wantFault(t, verify(v, registry{}, proof.Proof), authz.TokenInvalid, "header_jwk")
	}
}

// SPIFFE bundles: keys for JWT-SVIDs and authorities for X.509-SVIDs. Sets made
// for another purpose have nothing for a trust domain.
func TestSPIFFEBundles(t *testing.T) {
	type counts struct{ Keys, Ignored int }
	want := map[string]counts{
		"jwtbundle-jwks_missing_kid":               {0, 2},
		"jwtbundle-jwks_valid_1":                   {0, 1},
		"jwtbundle-jwks_valid_2":                   {0, 2},
		"witbundle-jwks_missing_kid":               {0, 2},
		"witbundle-jwks_valid_1":                   {0, 1},
		"witbundle-jwks_valid_2":                   {0, 2},
		"spiffebundle-spiffebundle_missing_kid":    {1, 1},
		"spiffebundle-spiffebundle_multiple_x509":  {1, 1},
		"spiffebundle-spiffebundle_no_keys":        {0, 0},
		"spiffebundle-spiffebundle_valid_1":        {2, 0},
		"spiffebundle-spiffebundle_valid_2":        {7, 0},
		"spiffebundle-spiffebundle_valid_with_wit": {3, 2},
	}
	v := newVerifier(t, token.Config{})
	for name, counted := range want {
		issuer := &authz.Issuer{
			Header: authz.Header{ID: name}, URL: "spiffe://spiffe.example", Kind: authz.IssuerSPIFFE,
			Keys: vectors.Read(t, "spiffe/bundles/"+name+".json"),
		}
		issuer.Normalize()
		status := v.Status(issuer)
		if diff := cmp.Diff(counted, counts{status.Keys, status.Ignored}); diff != "" {
			t.Errorf("%s: keys and ignored keys (-want +got):\n%s", name, diff)
		}
		err := token.CheckIssuer(issuer)
		if usable := counted.Keys > 0 && !strings.Contains(name, "missing_kid"); usable != (err == nil) {
			t.Errorf("%s: error %v, want one only without a usable key", name, err)
		}
	}
}
