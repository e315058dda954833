package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

// documentKind is the kind of a fetched document.
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

// shortestRefresh is the shortest time between refreshes that a document can ask for,
// so that an issuer cannot make us fetch without end.
const shortestRefresh = 5 * time.Second

func (k documentKind) maxBytes() int {
	if k == listDocument {
		return maxListBytes
	}
	return maxDocumentBytes
}

// accept returns the Accept header of a fetch.
func (k documentKind) accept() string {
	if k == listDocument {
		return "application/statuslist+jwt"
	}
	return "application/jwk-set+json, application/json"
}

// field returns the issuer's field that has the document's URL.
func (k documentKind) field() string {
	if k == listDocument {
		return "status_lists"
	}
	return "jwks_url"
}

// String is the document's kind in logs.
func (k documentKind) String() string {
	if k == listDocument {
		return "status list"
	}
	return "keys"
}

// hints has what a document says about its own lifetime.
type hints struct {
	refresh   time.Duration // fetch it again after this time; 0 if it does not say
	expiresAt time.Time     // not to be used from then on; zero if it does not expire
	sequence  int64         // of a SPIFFE bundle; -1 of others
	issuedAt  time.Time     // of a status list; zero of others
}

// readHints checks the form of a document, so that a broken one never replaces a good
// one, and returns its hints. It verifies no signature. The error's text continues "the
// document".
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

// maxHint is the longest refresh hint that is used, in seconds: a year.
const maxHint = 365 * 24 * 3600

// wholeNumber reads an optional member that must be a whole number, not negative.
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
	h := hints{expiresAt: list.ExpiresAt(), sequence: -1, issuedAt: list.IssuedAt()}
	if list.TTL() > 0 {
		h.refresh = max(shortestRefresh, list.TTL())
	}
	return h, nil
}

// Limits of one fetch.
const (
	maxHeaderBytes = 64 << 10
	maxRedirects   = 3
	fetchTimeout   = 10 * time.Second
)

// fetcher fetches documents over https, or over http from a loopback address.
type fetcher struct {
	client *http.Client
}

func newFetcher(transport http.RoundTripper) fetcher {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    fetchTimeout,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return fetcher{client: &http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: checkRedirect}}
}

// checkRedirect allows redirects only within what the issuer is registered with: the
// same host and port, and the same scheme.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return errors.New("redirected too often")
	case next.URL.Host != first.Host:
		return errors.New("redirected to another host")
	case next.URL.Scheme != first.Scheme:
		return errors.New("redirected to another scheme")
	}
	return nil
}

// get fetches a document. If the server says that last has not changed, the result has
// its number and body. The caller sets at. The error's text may be shown to operators.
func (f fetcher) get(ctx context.Context, id sourceID, last *fetchedDocument) (*fetchedDocument, error) {
	if err := authz.ValidateFetchURL(id.kind.field(), id.url); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, id.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", id.kind.accept())
	if last != nil && last.etag != "" {
		request.Header.Set("If-None-Match", last.etag)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && last != nil {
		return &fetchedDocument{hints: last.hints, number: last.number, etag: last.etag, body: last.body}, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d, not 200", response.StatusCode)
	}
	return readDocument(id, response, last)
}

// readDocument reads a whole answer and checks its form.
func readDocument(id sourceID, response *http.Response, last *fetchedDocument) (*fetchedDocument, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(id.kind.maxBytes())+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	hints, err := readHints(id, body)
	if err != nil {
		return nil, fmt.Errorf("the answer %w", err)
	}
	document := &fetchedDocument{hints: hints, etag: response.Header.Get("ETag"), body: body}
	if last != nil && bytes.Equal(last.body, body) {
		document.number = last.number
	} else {
		document.number = documents.Add(1)
	}
	return document, nil
}
