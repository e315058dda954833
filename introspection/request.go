package introspection

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of one question.
const (
	maxAnswerBytes = 64 << 10
	maxHeaderBytes = 64 << 10
	maxTokenBytes  = 16 << 10
	dialTimeout    = 5 * time.Second
	tlsTimeout     = 5 * time.Second
)

// errBadRequest is an answer about the question rather than of a failing server.
var errBadRequest = errors.New("the authority answered 400")

// newHTTPClient never follows a redirect: a token and our credentials go nowhere
// but to the registered URL.
func newHTTPClient(transport http.RoundTripper, maxInFlight int) *http.Client {
	if transport == nil {
		// HTTP/1.1 alone: giving up on a question then closes its connection, so that
		// a dead one is not asked again.
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:    tlsTimeout,
			MaxIdleConnsPerHost:    maxInFlight,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// issuable says whether an authority can have issued the token: 1*VSCHAR (RFC 6749
// appendix A.12), and of bounded length.
func issuable(token string) bool {
	for i := range len(token) {
		if token[i] < 0x20 || token[i] > 0x7e {
			return false
		}
	}
	return 0 < len(token) && len(token) <= maxTokenBytes
}

// put asks the authority. The error's text is fit for an operator's eyes.
func put(ctx context.Context, client *http.Client, a Authority, token string) (reply, error) {
	request, err := newRequest(ctx, a, token)
	if err != nil {
		return reply{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, transportFault(err, a.Deadline)
	}
	defer response.Body.Close()
	if err := checkHead(response); err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return reply{}, transportFault(err, a.Deadline)
	}
	if len(body) > maxAnswerBytes {
		return reply{}, fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	}
	r, err := readReply(bytes.Clone(body)) // remembered: without the room it was read into
	if err != nil {
		return reply{}, fmt.Errorf("the answer %w", err)
	}
	return r, nil
}

// newRequest is RFC 7662 section 2.1.
func newRequest(ctx context.Context, a Authority, token string) (*http.Request, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the introspection URL cannot be asked")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(a.ClientID), url.QueryEscape(a.Secret))
	// Asking twice is harmless. An empty list, which is not sent, lets net/http
	// repeat the question when a kept connection turns out to be closed.
	request.Header["Idempotency-Key"] = []string{}
	return request, nil
}

func checkHead(response *http.Response) error {
	switch status := response.StatusCode; status {
	case http.StatusOK:
	case http.StatusBadRequest:
		return errBadRequest
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the authority answered %d: it does not accept our client id and secret", status)
	default:
		return fmt.Errorf("the authority answered %d, not 200", status)
	}
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return errors.New("the answer is not application/json")
	}
	return nil
}

// transportFault says what failed without what the server sent: net/http quotes
// it, and it may repeat the question.
func transportFault(err error, deadline time.Duration) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", deadline)
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	}
	return errors.New("the connection broke, or the answer is not HTTP")
}
