package token

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// documentKind says what a fetched document is.
type documentKind int

const (
	keyDocument  documentKind = iota // a JWK Set or a SPIFFE bundle
	listDocument                     // a Status List Token
)

// Limits of fetched documents.
const (
	maxDocumentBytes = 256 << 10 // of keys
	maxListBytes     = 2 << 20   // of a status list
)

// shortestRefresh is the shortest time between refreshes that a document asks for
// itself: an issuer shall not have us fetch without end.
const shortestRefresh = 5 * time.Second

func (k documentKind) maxBytes() int {
	if k == listDocument {
		return maxListBytes
	}
	return maxDocumentBytes
}

// accept is the Accept header a document is fetched with.
func (k documentKind) accept() string {
	if k == listDocument {
		return "application/statuslist+jwt"
	}
	return "application/jwk-set+json, application/json"
}

// field is the issuer's field that holds the document's URL.
func (k documentKind) field() string {
	if k == listDocument {
		return "status_lists"
	}
	return "jwks_url"
}

// String names the document in logs.
func (k documentKind) String() string {
	if k == listDocument {
		return "status list"
	}
	return "keys"
}

// hints are what a document says about its own life.
type hints struct {
	refresh  time.Duration // fetch it anew after so long; 0 when it does not say
	ends     time.Time     // never to be used from then on; zero when it does not end
	sequence int64         // of a SPIFFE bundle; -1 of others
	issued   time.Time     // of a status list; zero of others
}

// readHints sees that a document is what it should be, so that a broken one never
// replaces a good one, and reads what it says about its own life. The error's text
// continues "the document". It verifies no signature.
func readHints(id sourceID, body []byte) (hints, error) {
	if len(body) > id.kind.maxBytes() {
		return hints{}, authz.Errorf(authz.CodeTooLarge, "is larger than %d kB", id.kind.maxBytes()>>10)
	}
	if id.kind == listDocument {
		return listHints(id.url, body)
	}
	if _, err := readKeys(body); err != nil {
		return hints{}, err
	}
	set, err := readObject(body)
	if err != nil {
		return hints{}, err
	}
	refresh, err := wholeNumber(set, "spiffe_refresh_hint", 0)
	if err != nil {
		return hints{}, err
	}
	sequence, err := wholeNumber(set, "spiffe_sequence", -1)
	if err != nil {
		return hints{}, err
	}
	h := hints{sequence: sequence}
	if refresh > 0 {
		h.refresh = max(shortestRefresh, time.Duration(min(refresh, maxHint))*time.Second)
	}
	return h, nil
}

// maxHint is the longest refresh hint looked at, in seconds: a year.
const maxHint = 365 * 24 * 3600

// wholeNumber reads an optional member that is a whole number, not negative.
func wholeNumber(o object, name string, absent int64) (int64, error) {
	value := o.get(name)
	if value == nil {
		return absent, nil
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		return 0, authz.Invalid(name, "is not a whole number")
	}
	return n, nil
}

func listHints(url string, body []byte) (hints, error) {
	token, fault := parseCompact(string(bytes.TrimSpace(body)))
	if fault != nil {
		return hints{}, fmt.Errorf("is not a status list token: %s", fault.Message)
	}
	list, err := statuslist.Parse(token.payload, url)
	if err != nil {
		return hints{}, fmt.Errorf("is not a status list token: %w", err)
	}
	h := hints{ends: list.ExpiresAt(), sequence: -1, issued: list.IssuedAt()}
	if list.TTL() > 0 {
		h.refresh = max(shortestRefresh, list.TTL())
	}
	return h, nil
}
