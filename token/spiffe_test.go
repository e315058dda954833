package token_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

// certificatesIn reads the certificates of a PEM file, none when it has none that
// parse.
func certificatesIn(data []byte) (chain []certified) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return chain
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			chain = append(chain, certified{Certificate: c})
		}
	}
}

// Every file of go-spiffe's X.509-SVIDs. Only one chain comes with what issued it;
// of the other good leaves the rules for leaves are checked.
func TestX509SVIDVectors(t *testing.T) {
	trustOf := func(authorities ...*x509.Certificate) []token.Trust {
		issuer := &authz.Issuer{Header: authz.Header{ID: "example"}, Kind: authz.IssuerSPIFFE, URL: "spiffe://example.org"}
		return []token.Trust{token.NewTrust(issuer, authorities...)}
	}
	seen := map[string]int{} // :: what was checked -> files
	for _, name := range vectors.Names(t, "spiffe/x509svid", 16) {
		chain := certificatesIn(vectors.Read(t, "spiffe/x509svid/"+name))
		switch {
		case len(chain) == 0:
			seen["no certificate"]++
			if _, fault := token.VerifyPeer(evidenceOf(), trustOf(), judged); fault == nil {
				t.Errorf("%s: verified", name)
			}
		case strings.HasPrefix(name, "wrong-intermediate"):
			seen["wrong intermediate"]++
			if err := token.SVIDProblem(chain[0].Certificate); err != nil {
				t.Errorf("%s: its leaf is good, but %v", name, err)
			}
			peer, fault := token.VerifyPeer(evidenceOf(chain[0]), trustOf(chain[1].Certificate), chain[0].NotBefore)
			wantCertificateFault(t, peer, fault, "certificate_untrusted")
		case name == "wrong-leaf-empty-id.pem": // no SPIFFE ID, so no X.509-SVID
			seen["no id"]++
			if token.SVIDProblem(chain[0].Certificate) == nil {
				t.Errorf("%s: is an X.509-SVID", name)
			}
			peer, fault := token.VerifyPeer(evidenceOf(chain[0]), trustOf(chain[0].Certificate), judged)
			wantCertificateFault(t, peer, fault, "certificate_untrusted")
		case strings.HasPrefix(name, "wrong-leaf"):
			seen["wrong leaf"]++
			peer, fault := token.VerifyPeer(evidenceOf(chain...), trustOf(chain[0].Certificate), chain[0].NotBefore)
			wantCertificateFault(t, peer, fault, "certificate_svid")
		case len(chain) == 2:
			seen["good chain"]++
			peer, fault := token.VerifyPeer(evidenceOf(chain[0]), trustOf(chain[1].Certificate), judged)
			if fault != nil || peer.Names()[0] != "spiffe://example.org/workload-1" || peer.IssuerID() != "example" {
				t.Errorf("%s: fault %+v, want workload-1 of example.org", name, fault)
			}
			peer, fault = token.VerifyPeer(evidenceOf(chain...), trustOf(newCA(t, nil, "SPIFFE", nil).Certificate), judged)
			wantCertificateFault(t, peer, fault, "certificate_untrusted")
		default:
			seen["good leaf"]++
			if err := token.SVIDProblem(chain[0].Certificate); err != nil {
				t.Errorf("%s: error %v, want none", name, err)
			}
		}
	}
	for what, least := range map[string]int{"no certificate": 5, "wrong intermediate": 2, "wrong leaf": 4, "no id": 1, "good chain": 1, "good leaf": 3} {
		if seen[what] < least {
			t.Errorf("%s: %d files, want %d", what, seen[what], least)
		}
	}
}

func TestSVIDUse(t *testing.T) {
	type uses struct{ jwt, x509 bool }
	for jwk, want := range map[string]uses{
		`{"use":"jwt-svid"}`: {jwt: true}, `{"use":"x509-svid"}`: {x509: true},
		`{"use":"wit-svid"}`: {}, `{"use":"sig"}`: {}, `{"use":["jwt-svid"]}`: {}, `{"use":"JWT-SVID"}`: {}, `{}`: {},
	} {
		var got uses
		if got.jwt, got.x509 = token.SVIDUse(jwk); got != want {
			t.Errorf("%s: uses %+v, want those of the test", jwk, got)
		}
	}
}
