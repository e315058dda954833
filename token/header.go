package token

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// maxKidBytes is the longest kid accepted, in a token or in a key set. A kid is
// opaque: it is only ever compared.
const maxKidBytes = 256

// header is what is used of a JOSE header.
type header struct {
	alg string
	kid *string // nil when absent
	typ *string // nil when absent
	// hinted: it also names the certificate of its key.
	hinted bool
}

// parseHeader reads the header before any library does. Members that carry keys,
// point to keys or change how the token is read have a cause of their own.
func parseHeader(data []byte) (header, *authz.Fault) {
	members, err := readObject(data)
	if err != nil {
		return header{}, jsonFault("token's header", err)
	}
	var h header
	for _, m := range members {
		if fault := h.set(m); fault != nil {
			return header{}, fault
		}
	}
	if h.alg == "" {
		return header{}, invalid("alg_missing", "The token's header has no alg.", fixNewToken)
	}
	return h, nil
}

func (h *header) set(m member) *authz.Fault {
	switch m.name {
	case "alg":
		return h.setAlg(m.value)
	case "kid":
		return h.setKid(m.value)
	case "typ":
		return h.setTyp(m.value)
	case "crit":
		return invalid("crit", "The token's header has critical extensions (crit); none is supported.", fixNewToken)
	case "jwk", "jku", "x5u", "x5c", "b64", "zip":
		return invalid("header_"+m.name, "The token's header has "+m.name+"; keys come only from the registered issuer and the payload is plain.", fixNewToken)
	case "x5t", "x5t#S256":
		h.hinted = true
		return nil // well-known issuers name the key's certificate too; keys are found by kid only
	}
	return invalid("header_member", "The token's header has a member other than alg, kid, typ and x5t.", fixNewToken)
}

func (h *header) setAlg(value jsontext.Value) *authz.Fault {
	alg, ok := text(value)
	if !ok {
		return invalid("alg_missing", "The token's alg is not a string.", fixNewToken)
	}
	if strings.EqualFold(alg, "none") {
		return invalid("alg_none", "The token is not signed (alg none).", "Have the issuer sign its tokens.")
	}
	h.alg = alg
	return nil
}

func (h *header) setKid(value jsontext.Value) *authz.Fault {
	kid, ok := text(value)
	if !ok || kid == "" || len(kid) > maxKidBytes {
		return invalid("bad_kid", "The token's kid is not a string of 1 to 256 bytes.", fixNewToken)
	}
	h.kid = &kid
	return nil
}

func (h *header) setTyp(value jsontext.Value) *authz.Fault {
	typ, ok := text(value)
	if !ok {
		return invalid("bad_type", "The token's typ is not a string.", fixNewToken)
	}
	h.typ = &typ
	return nil
}

// foreignTypes are JWTs made for another purpose, which must never pass as
// access tokens, whatever a profile says (RFC 8725 section 3.11).
func foreignTypes() []string {
	return []string{
		"dpop+jwt", "secevent+jwt", "logout+jwt", "token-introspection+jwt",
		"client-authentication+jwt", "statuslist+jwt", "wit+jwt", "entity-statement+jwt",
	}
}

// mediaType brings a typ to the form types are compared in: lower case, without
// the optional application/ (RFC 7515 section 4.1.9).
func mediaType(typ string) string {
	typ = strings.ToLower(typ)
	if rest, ok := strings.CutPrefix(typ, "application/"); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return typ
}
