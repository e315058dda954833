package sources

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limits of one fetch.
const (
	maxRedirects  = 3
	maxTokenBytes = 16 << 10
)

// bundleType is the type of answers of a server that holds them back until there is
// something new.
const bundleType = "application/vnd.openpolicyagent.bundles"

// server gets a bundle from a URL.
type server struct {
	source Source
	client *http.Client
	holds  bool // as of its last answer with a body
}

func newServer(s Source, transport http.RoundTripper) *server {
	return &server{source: s, client: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

// checkRedirect follows a redirect only to where the configuration already points:
// the same scheme, host and port.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return errRedirect
	}
	return nil
}

var errRedirect = errors.New("redirected to another host or scheme, or too often; give the URL it leads to")

// fetch implements origin. The error's text has nothing that the server chose.
func (s *server) fetch(ctx context.Context, have version) (bundle, error) {
	within := s.source.Timeout + s.source.LongPoll
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := s.request(ctx, have)
	if err != nil {
		return bundle{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return bundle{}, fault(err, within)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && have.etag != "" {
		return bundle{version: have, unchanged: true, holds: s.holds}, nil
	}
	if err := refusal(response); err != nil {
		return bundle{}, err
	}
	body, err := s.body(response, within)
	if err != nil {
		return bundle{}, err
	}
	contentType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	s.holds = s.source.LongPoll > 0 && contentType == bundleType
	return bundle{
		version: version{etag: response.Header.Get("ETag"), digest: digestOf(body)},
		body:    body, holds: s.holds,
	}, nil
}

func (s *server) request(ctx context.Context, have version) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.source.URL, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be asked")
	}
	prefer := "modes=snapshot"
	if s.source.LongPoll > 0 {
		prefer += ";wait=" + strconv.Itoa(int(s.source.LongPoll/time.Second))
	}
	request.Header.Set("Prefer", prefer)
	// The bundle is compressed, and must arrive as it is.
	request.Header.Set("Accept-Encoding", "identity")
	if have.etag != "" {
		request.Header.Set("If-None-Match", have.etag)
	}
	if s.source.TokenFile == "" {
		return request, nil
	}
	token, err := readToken(s.source.TokenFile)
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
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > maxTokenBytes || strings.ContainsFunc(token, unfit) {
		return "", fmt.Errorf("the token file %s holds no token: one word of at most %d bytes", path, maxTokenBytes)
	}
	return token, nil
}

func unfit(r rune) bool { return r <= ' ' || r > '~' }

// refusal is what an answer without a bundle says.
func refusal(response *http.Response) error {
	switch status := response.StatusCode; status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the server answered %d: it does not accept our token", status)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &busyError{status: status, after: retryAfter(response.Header)}
	case http.StatusNotModified:
		return errors.New("the server answered 304, though nothing was said to be known")
	default:
		return fmt.Errorf("the server answered %d, not 200", status)
	}
}

// body reads an answer whole.
func (s *server) body(response *http.Response, within time.Duration) ([]byte, error) {
	tooLarge := fmt.Errorf("the bundle is larger than %d bytes", s.source.MaxBytes)
	if response.ContentLength > s.source.MaxBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, s.source.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fault(err, within)
	case int64(len(body)) > s.source.MaxBytes:
		return nil, tooLarge
	case len(body) == 0:
		return nil, errors.New("the server answered 200 without a bundle")
	}
	return body, nil
}

// busyError is the answer of a server that is not to be asked again for a while.
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

// fault is what failed without what the server sent: net/http quotes it.
func fault(err error, within time.Duration) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRedirect):
		return errRedirect
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no whole answer within %v", within)
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network):
		return network
	}
	return errors.New("the connection broke, or the answer is not HTTP")
}

// wait implements origin.
func (s *server) wait(ctx context.Context, d time.Duration) { pause(ctx, d) }

// close implements origin. Connections are the transport's.
func (s *server) close() error { return nil }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
