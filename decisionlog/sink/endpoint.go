package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of one exchange.
const (
	maxAnswerBytes = 64 << 10
	maxTokenBytes  = 16 << 10
)

// Endpoint is where an HTTP sink sends, and how.
type Endpoint struct {
	// URL is https, or http to a loopback address. The sink's own path is added.
	URL string
	// TokenFile holds the bearer token; it is read for each request. Empty sends none.
	TokenFile string
	// Timeout bounds one request with its answer; 0 or less means 30 s.
	Timeout time.Duration
	// Transport sends the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// poster posts bodies to one URL.
type poster struct {
	url       string
	tokenFile string
	timeout   time.Duration
	client    *http.Client
}

// newPoster makes a poster to path below the endpoint's URL.
func newPoster(e Endpoint, path string) (*poster, error) {
	if err := authz.ValidateFetchURL("url", e.URL); err != nil {
		return nil, err
	}
	to, err := url.Parse(e.URL)
	if err != nil {
		return nil, authz.Invalid("url", "is not a URL")
	}
	if e.Timeout <= 0 {
		e.Timeout = 30 * time.Second
	}
	return &poster{
		url: to.JoinPath(path).String(), tokenFile: e.TokenFile, timeout: e.Timeout,
		client: &http.Client{
			Transport: e.Transport,
			// Records and token go nowhere but to where the configuration says.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// post sends body gzipped and returns the answer to it. The error is ErrRefused when
// the server will not have this body, and a *busyError when it named a delay. Its
// text has nothing that the server chose.
func (p *poster) post(ctx context.Context, contentType string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := p.request(ctx, contentType, body)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, p.transportError(err)
	}
	defer response.Body.Close()
	if err := refusal(response); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, p.transportError(err)
	}
	if len(answer) > maxAnswerBytes {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	}
	return answer, nil
}

func (p *poster) request(ctx context.Context, contentType string, body []byte) (*http.Request, error) {
	zipped := &bytes.Buffer{}
	z := gzip.NewWriter(zipped)
	if _, err := z.Write(body); err != nil {
		return nil, fmt.Errorf("compressing records: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compressing records: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, zipped)
	if err != nil {
		return nil, errors.New("the URL cannot be posted to")
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Content-Encoding", "gzip")
	// Sending twice is harmless. An empty list, which is not sent, lets net/http
	// repeat the request when a pooled connection turns out to be closed.
	request.Header["Idempotency-Key"] = []string{}
	if p.tokenFile == "" {
		return request, nil
	}
	token, err := readToken(p.tokenFile)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return request, nil
}

// readToken reads a bearer token (RFC 6750 section 2.1 allows no blanks in one).
func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("opening the token file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenBytes+1))
	if err != nil {
		return "", fmt.Errorf("reading the token file: %w", err)
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 || len(text) > maxTokenBytes || bytes.ContainsFunc(token, notInToken) {
		return "", fmt.Errorf("the token file %s holds no token: one word of at most %d bytes", path, maxTokenBytes)
	}
	return string(token), nil
}

func notInToken(r rune) bool { return r <= ' ' || r > '~' }

// refusal is the error of an answer other than a success.
func refusal(response *http.Response) error {
	switch status := response.StatusCode; status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: the server answered %d", ErrRefused, status)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the server answered %d: it does not accept our token", status)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &busyError{status: status, after: retryAfter(response.Header)}
	default:
		if status/100 != 2 {
			return fmt.Errorf("the server answered %d, not 2xx", status)
		}
		return nil
	}
}

// busyError is the answer of a server that takes nothing for a while.
type busyError struct {
	status int
	after  time.Duration // 0: it did not say how long
}

// Error says what the server answered.
func (e *busyError) Error() string {
	if e.after == 0 {
		return fmt.Sprintf("the server answered %d", e.status)
	}
	return fmt.Sprintf("the server answered %d, to be asked again after %v", e.status, e.after)
}

// retryAfter reads the delay of a Retry-After in seconds; a date is not read.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 20)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// transportError says what failed without what the server sent: net/http quotes it.
func (p *poster) transportError(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", p.timeout)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	}
	return errors.New("the connection broke, or the answer is not HTTP")
}
