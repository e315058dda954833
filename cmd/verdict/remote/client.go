package remote

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// answerTimeout bounds a call whose answer is one document.
const answerTimeout = 75 * time.Second // above the longest wait a server grants

// maxAnswer bounds a document: a page of 1000 entities of the largest size.
const maxAnswer = 256 << 20

// Config says which server a Client calls, as whom, and whom it trusts.
type Config struct {
	// Server is an http or https URL, or a Unix socket (api.Socket).
	Server string
	// Key is the API key to present; an empty one is not presented.
	Key       string
	UserAgent string
	// TLS has the authorities to trust and the certificate to present; nil means the
	// system's, and none.
	TLS *tls.Config
}

// Client calls one listener of one server. It is made by New.
type Client struct {
	name      string // of the server, in errors
	server    string // base URL without a trailing slash
	key       string // secret
	userAgent string
	http      *http.Client
	asked     atomic.Bool // the server asked for a certificate
	presents  bool        // and there is one
}

// New makes a client. It does not connect yet.
func New(c Config) (*Client, error) {
	client := &Client{name: c.Server, server: strings.TrimSuffix(c.Server, "/"), key: c.Key, userAgent: c.UserAgent}
	socket, err := api.ParseSocket(c.Server)
	switch {
	case err != nil:
		return nil, authz.Invalid("server", err.Error())
	case socket != nil:
		client.name, client.server = socket.String(), "http://localhost"
	case !isURL(c.Server):
		return nil, authz.Invalid("server", "is not a URL such as http://127.0.0.1:8182, nor a socket such as unix:/run/verdict/admin.sock")
	}
	client.http = &http.Client{
		Transport:     client.transport(socket, c.TLS),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, nil
}

func isURL(base string) bool {
	u, err := url.Parse(base)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func (c *Client) transport(socket *api.Socket, trust *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dialer.DialContext,
		// A server that refuses an import answers before it has read the whole.
		ExpectContinueTimeout: time.Second,
	}
	if socket != nil {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket.Path)
		}
		return transport
	}
	if trust == nil {
		trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig = c.presenting(trust)
	return transport
}

// presenting is trust that notes whether the server asks for a certificate: what it
// says when it refuses one may be lost on the way.
func (c *Client) presenting(trust *tls.Config) *tls.Config {
	noting := trust.Clone()
	own := new(tls.Certificate) // none
	if len(trust.Certificates) > 0 {
		own, c.presents = &trust.Certificates[0], true
	}
	noting.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c.asked.Store(true)
		return own, nil
	}
	return noting
}

// Call is one request. Path is escaped already and starts with a slash.
type Call struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	Body         io.Reader // nil sends none
	ContentType  string    // empty with a body means application/json
}

// Answer is a 2xx answer read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends call and reads the answer whole, within a time limit.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.Upload(ctx, call)
}

// Upload sends call, whose body may take any time, and reads the answer whole.
func (c *Client) Upload(ctx context.Context, call Call) (*Answer, error) {
	response, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Download sends call and copies the answer to w as it arrives. On an error w
// has received a part that is worthless.
func (c *Client) Download(ctx context.Context, call Call, w io.Writer) error {
	response, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := &failing{Reader: response.Body}
	_, err = io.Copy(w, body)
	if body.err != nil {
		return c.lost(ctx, body.err)
	}
	return err
}

// Lines sends call and gives each line of the answer (NDJSON) to take as it arrives,
// without its end. A line is only good until take returns; an error of take ends
// it, and is returned.
func (c *Client) Lines(ctx context.Context, call Call, take func(line []byte) error) error {
	response, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		if err := take(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.lost(ctx, err)
	}
	return nil
}

// failing remembers the error of reading, to tell it from one of writing.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func (c *Client) send(ctx context.Context, call Call) (*http.Response, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer response.Body.Close()
		return nil, readProblem(response, c.name)
	}
	return response, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	target := c.server + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, target, call.Body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, values := range call.Header {
		request.Header[name] = values
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	request.Header.Set("User-Agent", c.userAgent)
	if call.Body != nil {
		request.Header.Set("Content-Type", api.TypeJSON)
		if call.ContentType != "" {
			request.Header.Set("Content-Type", call.ContentType)
		}
	}
	return request, nil
}

// lost explains a connection that failed. The caller's own wish to stop stays
// what it is.
func (c *Client) lost(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Unreachable{Server: c.name, Cause: fmt.Errorf("none within %s", answerTimeout)}
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &Unreachable{Server: c.name, Cause: err, AskedCertificate: c.asked.Load(), PresentedCertificate: c.asked.Load() && c.presents}
}
