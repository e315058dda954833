package token

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// maxKeys limits the keys of one set, because a set is parsed while a token waits.
const maxKeys = 100

// keySet is a parsed JWK Set. It is immutable.
type keySet struct {
	keys        map[string]*key     // :: kid -> key; "" is a single nameless key
	authorities []*x509.Certificate // trust anchors of certificates
	ignored     int                 // keys of the document that are not accepted
	unsafeKey   *authz.Error        // of the first unsafe key; nil if there is none
}

// parseSet parses a JWK Set key by key, so that a key that is not or must not be used
// does not affect the others (RFC 7517 section 5). Keys that share a kid are not used,
// because it is unclear which one a token means. The error means that the document is
// no JWK Set; its field is relative to the document.
func parseSet(document []byte, algorithms []string) (*keySet, error) {
	return parseSetFor(forSignatures, document, algorithms)
}

// parseSetFor parses the keys of a JWK Set for one purpose. Those for another purpose
// do not count as ignored.
func parseSetFor(purpose keyPurpose, document []byte, algorithms []string) (*keySet, error) {
	elements, err := readKeys(document)
	if err != nil {
		return nil, err
	}
	set := &keySet{keys: map[string]*key{}}
	twice := map[string]bool{} // :: kid -> it was seen more than once
	elsewhere := 0
	for i, element := range elements {
		k, problem := parseKey(element, algorithms, purpose)
		if problem == nil && k.kid == "" && len(elements) > 1 {
			problem = unsafeKey("kid", "is required in a set with more than one key")
		}
		if problem == nil && (twice[k.kid] || set.keys[k.kid] != nil) {
			twice[k.kid] = true
			delete(set.keys, k.kid)
			problem = unsafeKey("kid", "is used by another key of the set")
		}
		if problem != nil && problem.otherPurpose {
			elsewhere++
			continue
		}
		if problem != nil {
			set.noteUnsafe(i, problem)
			continue
		}
		set.keys[k.kid] = k
	}
	set.ignored = len(elements) - len(set.keys) - elsewhere
	return set, nil
}

// readKeys returns the JWKs of a set without parsing them.
func readKeys(document []byte) ([]jsontext.Value, error) {
	if len(document) > maxDocumentBytes {
		return nil, authz.Errorf(authz.CodeTooLarge, "is larger than %d kB", maxDocumentBytes>>10)
	}
	set, err := readObject(document)
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeInvalid, Message: "is not a JWK Set: one JSON object without duplicate members", Cause: err}
	}
	elements, ok := readArray(set.get("keys"))
	if !ok {
		return nil, authz.Invalid("keys", "is required: the list of keys of a JWK Set (RFC 7517 section 5)")
	}
	if len(elements) > maxKeys {
		return nil, authz.Errorf(authz.CodeTooLarge, "has more than %d keys", maxKeys)
	}
	return elements, nil
}

// noteUnsafe keeps the error of the first unsafe key.
func (s *keySet) noteUnsafe(index int, problem *keyProblem) {
	if s.unsafeKey != nil || !problem.unsafe {
		return
	}
	field := "keys[" + strconv.Itoa(index) + "]"
	if problem.member != "" {
		field += "." + problem.member
	}
	s.unsafeKey = authz.Invalid(field, problem.message)
}

// find returns the key with a kid, or the only key for nil.
func (s *keySet) find(kid *string) (*key, bool) {
	if kid != nil {
		k, ok := s.keys[*kid]
		return k, ok
	}
	if len(s.keys) == 1 {
		for _, k := range s.keys {
			return k, true
		}
	}
	return nil, false
}

// maxAuthorities limits the certificate authorities of one issuer. Together with
// maxChain it limits the cost of verifying a chain.
const maxAuthorities = 64

// parseRoots parses the PEM certificates of an x509 issuer: 1 to 64 certificate
// authorities. The error is an *authz.Error about the field roots.
func parseRoots(text string) ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if len(roots) == maxAuthorities {
			return nil, authz.Invalid("roots", "have more than "+strconv.Itoa(maxAuthorities)+" certificates")
		}
		root, problem := readRoot(block)
		if problem != "" {
			return nil, authz.Invalid("roots", "certificate "+strconv.Itoa(len(roots)+1)+" "+problem)
		}
		roots = append(roots, root)
	}
	switch {
	case strings.Count(text, "-----BEGIN ") != len(roots): // the decoder skips what it cannot read
		return nil, authz.Invalid("roots", "have a PEM block that is damaged")
	case len(roots) == 0:
		return nil, authz.Invalid("roots", "have no PEM block; write the certificates of the authority as -----BEGIN CERTIFICATE-----")
	}
	return roots, nil
}

func readRoot(block *pem.Block) (root *x509.Certificate, problem string) {
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, "is a private key; register certificates only, and replace this key"
	case block.Type != "CERTIFICATE":
		return nil, "is a PEM block of another type; only CERTIFICATE has a place here"
	case len(block.Bytes) > maxCertificateBytes:
		return nil, "is larger than 16 kB"
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, "is not an X.509 certificate in DER"
	}
	return root, authorityProblem(root)
}

// authorityProblem returns why a certificate cannot be a trust anchor, or "".
func authorityProblem(c *x509.Certificate) string {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return "is not a certificate authority (basic constraints cA); register the authority, not what it issued"
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return "may not sign certificates (its key usage lacks keyCertSign)"
	}
	return weakness(c.PublicKey)
}

// parseBundle returns the X.509 authorities of a SPIFFE bundle (SPIFFE Trust Domain and
// Bundle section 4.2): the keys with use x509-svid, each with exactly one certificate,
// which must be an authority and have the same key. ignored counts the keys with that
// use that are not accepted; keys for other uses do not count. The error means that the
// document is no JWK Set, or has too many authorities. A bundle without authorities is
// valid: no certificate of the trust domain is accepted then.
func parseBundle(document []byte) (authorities []*x509.Certificate, ignored int, err error) {
	elements, err := readKeys(document)
	if err != nil {
		return nil, 0, err
	}
	for i, element := range elements {
		jwk, err := readObject(element)
		if err != nil {
			continue // no object, so no use
		}
		if _, forX509 := svidUse(jwk); !forX509 {
			continue
		}
		authority, ok := readAuthority(jwk)
		if !ok {
			ignored++
			continue
		}
		if len(authorities) == maxAuthorities {
			return nil, 0, authz.Invalid("keys["+strconv.Itoa(i)+"]", "is one authority more than the "+strconv.Itoa(maxAuthorities)+" a bundle may have")
		}
		authorities = append(authorities, authority)
	}
	return authorities, ignored, nil
}

// readAuthority returns the certificate of a JWK (RFC 7517 section 4.7).
func readAuthority(jwk object) (*x509.Certificate, bool) {
	if checkPublic(jwk) != nil {
		return nil, false
	}
	public, _, problem := readPublic(jwk)
	if problem != nil {
		return nil, false
	}
	der, ok := onlyCertificate(jwk.get("x5c"))
	if !ok {
		return nil, false
	}
	c, err := x509.ParseCertificate(der)
	if err != nil || authorityProblem(c) != "" {
		return nil, false
	}
	key, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return c, ok && key.Equal(public)
}

// onlyCertificate decodes an x5c with one certificate, which is base64, not base64url.
func onlyCertificate(x5c jsontext.Value) (der []byte, ok bool) {
	certificates, ok := texts(x5c)
	if !ok || len(certificates) != 1 || len(certificates[0]) > base64.StdEncoding.EncodedLen(maxCertificateBytes) {
		return nil, false
	}
	der, err := base64.StdEncoding.DecodeString(certificates[0])
	return der, err == nil
}
