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

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Limits of one exchange.
const (
	maxAnswerBytes = 64 << 10
	maxHeaderBytes = 64 << 10
	maxTokenBytes  = 16 << 10
	dialTimeout    = 5 * time.Second
	tlsTimeout     = 5 * time.Second
)

// errBadRequest is a failure because of what was sent, not because of the server.
var errBadRequest = errors.New("the authority answered 400")

// newHTTPClient returns a client that never follows a redirect: a token and our
// credentials are sent to the registered URL only.
func newHTTPClient(transport http.RoundTripper, maxInFlight int) *http.Client {
	if transport == nil {
		// HTTP/1.1 only: giving up on a request then closes its connection, so that a
		// dead connection is not used again.
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

// issuable reports whether an authority can have issued the token: 1*VSCHAR (RFC 6749
// appendix A.12), of at most maxTokenBytes.
func issuable(token string) bool {
	for i := range len(token) {
		if token[i] < 0x20 || token[i] > 0x7e {
			return false
		}
	}
	return 0 < len(token) && len(token) <= maxTokenBytes
}

// exchange sends one request and reads the reply. The error's text may be shown to
// operators: it has neither the token nor our secret.
func exchange(ctx context.Context, client *http.Client, a Authority, token string) (reply, error) {
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
	r, err := readReply(bytes.Clone(body)) // it is cached: drop ReadAll's spare capacity
	if err != nil {
		return reply{}, fmt.Errorf("the answer %w", err)
	}
	return r, nil
}

// newRequest returns the request of RFC 7662 section 2.1.
func newRequest(ctx context.Context, a Authority, token string) (*http.Request, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the introspection URL cannot be asked")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(a.ClientID), url.QueryEscape(a.Secret))
	// Sending it twice is harmless. An empty list, which is not sent, lets net/http
	// repeat the request when a kept-alive connection turns out to be closed.
	request.Header["Idempotency-Key"] = []string{}
	return request, nil
}

// checkHead reports an error if status or content type are not those of an answer.
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

// transportFault describes err without what the server sent: net/http quotes it, and a
// server may repeat the token and secret that it received.
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

// reply is an authority's well-formed answer to one request.
type reply struct {
	active bool
	body   []byte
	exp    numericDate
}

// readReply parses the body of an answer. The error's text continues "the answer" and
// names no members but active and exp, since the authority chose the rest.
func readReply(body []byte) (reply, error) {
	var members struct {
		Active *bool       `json:"active"`
		Exp    numericDate `json:"exp"`
	}
	if err := ijson.UnmarshalOpen(body, &members); err != nil {
		return reply{}, malformed(err)
	}
	if members.Active == nil {
		return reply{}, errors.New("lacks active, which RFC 7662 section 2.2 requires to be true or false")
	}
	return reply{active: *members.Active, body: body, exp: members.Exp}, nil
}

// malformed returns the error of readReply for one of ijson.
func malformed(err error) error {
	var detail *authz.Error
	if !errors.As(err, &detail) {
		return errors.New("is not one JSON object")
	}
	switch detail.Field {
	case "active", "exp":
		return errors.New("is malformed: " + detail.Error())
	}
	return errors.New("is malformed: a member, or the whole, " + detail.Message)
}

// numericDate is an RFC 7519 NumericDate. The zero value stands for an absent one.
type numericDate struct {
	present bool
	at      time.Time
}

var errNotADate = errors.New("it must be a number of seconds since 1970, 0 to 2^53")

// UnmarshalJSON implements json.Unmarshaler. Fractions of a second are dropped.
func (d *numericDate) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := ijson.Unmarshal(text, &seconds); err != nil || seconds < 0 { // more than 2^53 is no number to ijson
		return errNotADate
	}
	*d = numericDate{present: true, at: time.Unix(int64(seconds), 0)}
	return nil
}

// passed reports whether the date is present and not after now: RFC 7519 section 4.1.4
// requires now to be before exp.
func (d numericDate) passed(now time.Time) bool { return d.present && !now.Before(d.at) }
