package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Defaults of Config.
const (
	DefaultAttempts  = 3
	DefaultMaxAnswer = 256 << 20 // a page of 1000 entities of the largest size
)

// answerTimeout bounds an attempt whose answer is one document, when the caller's
// context does not.
const answerTimeout = 75 * time.Second // above the longest wait a server grants

// Config says which server a Client calls, as whom, and whom it trusts.
type Config struct {
	// Server is an http or https URL, or a Unix socket such as
	// unix:/run/verdict/admin.sock.
	Server string
	// Key is the API key; none is presented when it is empty.
	Key string
	// KeyFunc, when not nil, is asked for the key before each request instead, so that
	// the key may change. It is called from many goroutines at once.
	KeyFunc   func(context.Context) (string, error)
	UserAgent string // empty: verdict-client
	// TLS has the authorities to trust and the certificate to present; nil means the
	// system's, and none.
	TLS *tls.Config
	// Attempts is how often a call is made at most when that does no harm; 0 means
	// DefaultAttempts, 1 never a second time.
	Attempts int
	// MaxAnswer bounds what is read of an answer, or of a line of a stream, in bytes; 0
	// means DefaultMaxAnswer. What is copied to a caller's writer has no bound.
	MaxAnswer int64
}

// Client calls one listener of one server. It is made by New, and safe for concurrent
// use.
type Client struct {
	name      string // of the server, in errors
	base      string // URL without a trailing slash
	key       func(context.Context) (string, error)
	userAgent string
	attempts  int
	maxAnswer int64
	http      *http.Client
	strict    bool        // unknown members of answers are errors: for tests
	asked     atomic.Bool // the server asked for a certificate
	presents  bool        // and there is one
}

// New makes a client. It does not connect yet.
func New(c Config) (*Client, error) {
	client := &Client{
		name: c.Server, base: strings.TrimSuffix(c.Server, "/"), key: c.KeyFunc,
		userAgent: cmp.Or(c.UserAgent, "verdict-client"),
		attempts:  cmp.Or(c.Attempts, DefaultAttempts),
		maxAnswer: min(cmp.Or(c.MaxAnswer, DefaultMaxAnswer), math.MaxInt-1), // one byte more is read
	}
	socket, err := api.ParseSocket(c.Server)
	switch {
	case err != nil:
		return nil, authz.Invalid("server", err.Error())
	case socket != nil:
		client.name, client.base = socket.String(), "http://localhost"
	case !isURL(c.Server):
		return nil, authz.Invalid("server", "is not a URL such as http://127.0.0.1:8182, nor a socket such as unix:/run/verdict/admin.sock")
	}
	if client.key == nil {
		client.key = func(context.Context) (string, error) { return c.Key, nil }
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
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
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
	present := trust.GetClientCertificate
	if present != nil {
		c.presents = true
	} else {
		own := new(tls.Certificate) // none
		if len(trust.Certificates) > 0 {
			own, c.presents = &trust.Certificates[0], true
		}
		present = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	noting.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c.asked.Store(true)
		return present(request)
	}
	return noting
}

// Answer is a 2xx answer as it came.
type Answer struct {
	Status int
	Header http.Header
	// Body is the JSON that the method decoded: of Replay the report, of a method that
	// copies to a writer nothing.
	Body []byte
}

type answerKey struct{}

// KeepAnswer returns a context that has the answers to calls made with it kept in into,
// the last one of several: for those who show what a server said, and not what they
// understood.
func KeepAnswer(ctx context.Context, into *Answer) context.Context {
	return context.WithValue(ctx, answerKey{}, into)
}

func storeAnswer(ctx context.Context, answer Answer) {
	if into, ok := ctx.Value(answerKey{}).(*Answer); ok {
		*into = answer
	}
}
