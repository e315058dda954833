package question

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Evidence reads the credential of a question; without one there is no evidence. It does
// not verify it, but returns an error when it is ambiguous.
func Evidence(c *api.Credential, from Sender) (authz.Evidence, error) {
	if c == nil {
		return authz.Evidence{}, nil
	}
	claims := c.Claims
	if bytes.Equal(claims, []byte("null")) {
		claims = nil
	}
	if len(claims) > 0 && claims[0] != '{' {
		return authz.Evidence{}, authz.Invalid("credential.claims", "must be an object, the claims by name")
	}
	certificate, err := certificateOf(c, from)
	if err != nil {
		return authz.Evidence{}, err
	}
	evidence := authz.Evidence{
		Token:        c.Token,
		Issuer:       c.Issuer,
		Claims:       claims,
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		Assertion:    c.ClientAssertion,
		Certificate:  certificate,
	}
	if c.DPoP != nil {
		if evidence.Proof, err = proofOf(c.DPoP); err != nil {
			return authz.Evidence{}, err
		}
	}
	if !evidence.Given() && evidence.ClientID == "" {
		return authz.Evidence{}, authz.Invalid("credential", "is empty; give token, claims, client_id and client_secret, client_assertion or certificate, or leave it out")
	}
	return evidence, nil
}

func proofOf(p *api.DPoP) (*authz.Proof, error) {
	for _, member := range []struct{ name, value string }{{"proof", p.Proof}, {"method", p.Method}, {"url", p.URL}} {
		if member.value == "" {
			return nil, authz.Invalid("credential.dpop."+member.name, "is required: a proof is judged by the request it came with")
		}
	}
	return &authz.Proof{JWT: p.Proof, Method: p.Method, URL: p.URL}, nil
}

// certificateOf reads the one certificate a credential names, nil when it names
// none.
func certificateOf(c *api.Credential, from Sender) (*authz.Certificate, error) {
	given := 0
	for _, is := range []bool{c.Certificate != "", c.CertificateThumbprint != "", c.Connection} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, authz.Invalid("credential", "names a certificate in more than one way; send one of certificate, certificate_thumbprint and connection")
	case c.Connection && len(from.Certificates) == 0:
		return nil, authz.Invalid("credential.connection", "is true, but this connection has no client certificate; connect with one over TLS")
	case c.Connection:
		return &authz.Certificate{Chain: from.Certificates}, nil
	case c.CertificateThumbprint != "":
		return &authz.Certificate{Thumbprint: c.CertificateThumbprint, Asserted: true}, nil
	case c.Certificate != "":
		chain, err := ReadChain(c.Certificate)
		return &authz.Certificate{Chain: chain, Asserted: true}, err
	}
	return nil, nil
}

// maxChain bounds the certificates of one chain.
const maxChain = 10

// ReadChain reads a certificate and those that lead to its issuer, as their DER: from
// PEM, base64 of one DER, or RFC 9440's form of that between colons.
func ReadChain(text string) ([][]byte, error) {
	const field = "credential.certificate"
	if !strings.Contains(text, "-----BEGIN") {
		der, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(text, ":"))
		if err != nil || len(der) == 0 {
			return nil, authz.Invalid(field, "is neither PEM nor the base64 of a certificate's DER")
		}
		return [][]byte{der}, nil
	}
	var chain [][]byte
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(rest)) > 0 || len(chain) == 0 {
				return nil, authz.Invalid(field, "has text that is no PEM block")
			}
			return chain, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, authz.Invalid(field, "has a PEM block that is no CERTIFICATE; send certificates only, never a private key")
		}
		if len(chain) == maxChain {
			return nil, authz.Invalid(field, "has more certificates than a chain needs")
		}
		chain = append(chain, block.Bytes)
	}
}
