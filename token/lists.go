package token

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// statusListType is the typ of a Status List Token.
const statusListType = "statuslist+jwt"

// verifiedList is a document read as a status list, verified with one key set. It is
// immutable.
type verifiedList struct {
	keys     keySetID
	document uint64
	list     *statuslist.List // nil if err is set
	err      error
}

// statusOf returns the status of a token in the fetched copy of one of its issuer's
// registered status lists. If the list cannot be relied on, the fault is the issuer's;
// if the place is outside the list, it is the token's.
func (v *Verifier) statusOf(issuer *authz.Issuer, reference statuslist.Reference, now time.Time) (status string, fresh freshness, fault *authz.Fault) {
	s := v.source(sourceID{issuer: issuer.ID, kind: listDocument, url: reference.URI})
	document := s.current.Load()
	if document == nil {
		return "", freshness{}, listUnavailable("has not been fetched yet")
	}
	fresh, usable := document.freshness(issuer, now)
	if !usable {
		return "", freshness{}, listUnavailable("is too old to be used and cannot be fetched")
	}
	keys, fault := v.issuerKeys(issuer, now)
	if fault != nil {
		return "", freshness{}, fault
	}
	list, err := v.verifiedListOf(s, document, issuer, keys)
	if err != nil {
		return "", freshness{}, listUnavailable("cannot be verified with its keys")
	}
	value, err := list.Value(reference.Index)
	if err != nil {
		return "", freshness{}, invalid("status_out_of_range", "The token's status is at a place its issuer's status list does not have.", fixNewToken)
	}
	return value.String(), fresh, nil
}

func listUnavailable(how string) *authz.Fault {
	return unavailable("status_list_unavailable", "The issuer's status list "+how+".")
}

// verifiedListOf verifies and parses a document once for each key set: a list that was
// signed with a key the issuer no longer has is not used. If it does not verify, a
// fetch is requested.
func (v *Verifier) verifiedListOf(s *source, document *fetchedDocument, issuer *authz.Issuer, keys issuerKeys) (*statuslist.List, error) {
	known := s.list.Load()
	if known == nil || known.keys != keys.id || known.document != document.number {
		known = &verifiedList{keys: keys.id, document: document.number}
		known.list, known.err = v.verifyList(s.id.url, document.body, issuer, keys)
		s.list.Store(known)
	}
	if known.err != nil && s.requestFetch(v.now()) {
		v.wakeUp()
	}
	return known.list, known.err
}

// verifyList verifies a Status List Token (draft-ietf-oauth-status-list section 8.3):
// typ, algorithm, signature, issuer and subject. The error's text continues "the
// document".
func (v *Verifier) verifyList(url string, body []byte, issuer *authz.Issuer, keys issuerKeys) (*statuslist.List, error) {
	token, fault := parseCompact(string(bytes.TrimSpace(body)))
	if fault != nil {
		return nil, listError(fault)
	}
	h, fault := parseHeader(token.header)
	if fault != nil {
		return nil, listError(fault)
	}
	if h.typ == nil || mediaType(*h.typ) != statusListType {
		return nil, errors.New("is not of type " + statusListType)
	}
	if !h.allowedBy(issuer) {
		return nil, errors.New("is signed with an algorithm its issuer is not registered with")
	}
	key, fault := v.findKey(keys, issuer, h)
	if fault != nil {
		return nil, listError(fault)
	}
	if fault := key.verify(token); fault != nil {
		return nil, listError(fault)
	}
	payload, err := readObject(token.payload)
	if err != nil {
		return nil, fmt.Errorf("is not a status list token: %w", err)
	}
	if payload.get("iss") != nil {
		if iss, fault := issuerURL(payload); fault != nil || iss != issuer.URL {
			return nil, errors.New("is of another issuer (iss)")
		}
	}
	return statuslist.Parse(token.payload, url)
}

func listError(fault *authz.Fault) error {
	return errors.New("cannot be verified: " + fault.Cause)
}
