package token

import (
	"crypto/x509"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// maxKeys is how many keys one set may have: a set is parsed while a token waits.
const maxKeys = 100

// keySet is a parsed JWK Set. It is immutable.
type keySet struct {
	keys        map[string]*key     // :: kid -> key; "" is a single nameless key
	authorities []*x509.Certificate // what certificates are verified with
	ignored     int                 // keys of the document that are not used
	refusal     *authz.Error        // of the first unsafe key; nil when there is none
}

// parseSet reads a JWK Set key by key, so that one key it cannot use, or must
// not, costs none of the others (RFC 7517 section 5). Of keys that share a kid
// none is used: there is no telling which was meant. The error means that the
// document is no JWK Set at all; its field is relative to the document.
func parseSet(document []byte, algorithms []string) (*keySet, error) {
	return parseSetFor(forSignatures, document, algorithms)
}

// parseSetFor reads the keys of a JWK Set that are for one purpose. Those of
// another that is read elsewhere are not counted.
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
		if problem != nil && problem.elsewhere {
			elsewhere++
			continue
		}
		if problem != nil {
			set.refuse(i, problem)
			continue
		}
		set.keys[k.kid] = k
	}
	set.ignored = len(elements) - len(set.keys) - elsewhere
	return set, nil
}

// readKeys reads the set's keys without looking into them.
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

func (s *keySet) refuse(index int, problem *keyProblem) {
	if s.refusal != nil || !problem.unsafe {
		return
	}
	field := "keys[" + strconv.Itoa(index) + "]"
	if problem.member != "" {
		field += "." + problem.member
	}
	s.refusal = authz.Invalid(field, problem.message)
}

// find picks the key a token names. A token without kid means the only key.
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
