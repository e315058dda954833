package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of one fetch.
const (
	maxHeaderBytes = 64 << 10
	maxRedirects   = 3
	fetchTimeout   = 10 * time.Second
)

// fetcher gets documents over https, or over http from a loopback address.
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

// checkRedirect follows a redirect only to where the issuer's registration
// already points: the same host and port, and never from https to http.
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

// get fetches a document. When the server says that last still is the document,
// the result has its number and body. The caller sets at. The error's text is
// fit for an operator's eyes.
func (f fetcher) get(ctx context.Context, id sourceID, last *fetched) (*fetched, error) {
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
		return &fetched{hints: last.hints, number: last.number, etag: last.etag, body: last.body}, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d, not 200", response.StatusCode)
	}
	return readDocument(id, response, last)
}

// readDocument reads an answer whole and sees that it is what was asked for.
func readDocument(id sourceID, response *http.Response, last *fetched) (*fetched, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(id.kind.maxBytes())+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	hints, err := readHints(id, body)
	if err != nil {
		return nil, fmt.Errorf("the answer %w", err)
	}
	document := &fetched{hints: hints, etag: response.Header.Get("ETag"), body: body}
	if last != nil && bytes.Equal(last.body, body) {
		document.number = last.number
	} else {
		document.number = documents.Add(1)
	}
	return document, nil
}
