package token_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

func TestConfirmation(t *testing.T) {
	sum := token.Thumbprint([]byte("leaf"))
	jkt := token.Thumbprint([]byte("key"))
	type binding struct{ thumbprint, jkt string }
	refused := (*binding)(nil)
	for payload, want := range map[string]*binding{
		`{"cnf":{"x5t#S256":"` + sum + `"}}`:                       {thumbprint: sum},
		`{"cnf":{"jkt":"` + jkt + `"}}`:                            {jkt: jkt},
		`{"cnf":{"jkt":"` + jkt + `","x5t#S256":"` + sum + `"}}`:   {thumbprint: sum, jkt: jkt},
		`{"sub":"mu:a"}`:                                           {},
		`{"cnf":null}`:                                             refused,
		`{"cnf":{}}`:                                               refused,
		`{"cnf":[]}`:                                               refused,
		`{"cnf":"` + jkt + `"}`:                                    refused,
		`{"cnf":{"jwk":{"kty":"EC"}}}`:                             refused,
		`{"cnf":{"kid":"a"}}`:                                      refused,
		`{"cnf":{"x5t":"` + sum + `"}}`:                            refused,
		`{"cnf":{"jkt":"` + jkt + `","kid":"` + jkt + `"}}`:        refused,
		`{"cnf":{"JKT":"` + jkt + `"}}`:                            refused,
		`{"cnf":{"jkt":null}}`:                                     refused,
		`{"cnf":{"jkt":""}}`:                                       refused,
		`{"cnf":{"jkt":"` + jkt + `="}}`:                           refused,
		`{"cnf":{"jkt":"` + jkt[:42] + `"}}`:                       refused,
		`{"cnf":{"jkt":"` + strings.Repeat("A", 42) + `B"}}`:       refused, // unused bits set
		`{"cnf":{"jkt":"` + strings.Repeat("A", 42) + `\n"}}`:      refused,
		`{"cnf":{"x5t#S256":["` + sum + `"]}}`:                     refused,
		`{"cnf":{"x5t#S256":"` + strings.Repeat("0a", 32) + `"}}`:  refused, // hex
		`{"cnf":{"x5t#S256":"` + strings.Repeat("a+", 21) + `A"}}`: refused, // base64
	} {
		c, bound, fault := token.ReadConfirmation(payload)
		gotThumbprint, gotJKT := c.Named()
		if want == refused {
			if fault == nil || fault.Code != authz.TokenBindingMismatch || fault.Cause != "unsupported_binding" || bound || gotThumbprint != "" || gotJKT != "" {
				t.Errorf("%s: %+v, bound %v to %q %q", payload, fault, bound, gotThumbprint, gotJKT)
			}
			continue
		}
		if got := (binding{gotThumbprint, gotJKT}); fault != nil || got != *want || bound != (got != binding{}) {
			t.Errorf("%s: %+v, bound %v to %+v", payload, fault, bound, got)
		}
	}
}

// RFC 8705 appendix A.
func TestRFC8705Thumbprint(t *testing.T) {
	var e struct {
		AppendixA struct {
			DER string          `json:"certificate_der_base64"`
			CNF json.RawMessage `json:"cnf"`
		} `json:"rfc8705_appendix_a"`
	}
	if err := json.Unmarshal(vectors.Read(t, "jose/rfc-examples.json"), &e); err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(e.AppendixA.DER)
	if err != nil {
		t.Fatal(err)
	}
	c, bound, fault := token.ReadConfirmation(`{"cnf":` + string(e.AppendixA.CNF) + `}`)
	if fault != nil || !bound {
		t.Fatalf("bound %v, fault %+v; want a bound token", bound, fault)
	}
	if named, _ := c.Named(); named != token.Thumbprint(der) {
		t.Errorf("cnf names %q, the certificate is %q", named, token.Thumbprint(der))
	}
}
