package introspection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// What 0 or less means in Config.
const (
	DefaultFailuresToOpen = 5
	DefaultOpenFor        = 5 * time.Second
)

// Config has the limits and dependencies of a Client. The zero Config is usable.
type Config struct {
	// Transport sends the requests to authorities. It must honour the request's
	// context. Nil means net/http's HTTP/1.1 with a timeout for dialing.
	Transport http.RoundTripper
	// Now is the clock for ages and expiry; nil means time.Now. Deadlines and the
	// breaker always use the system's clock.
	Now func() time.Time
	// CacheSize is how many positive answers are cached for each issuer, and how many
	// negative ones. 0 or less means 10,000.
	CacheSize int
	// MaxInFlight limits the requests in flight to one issuer's authority. 0 or less
	// means 32.
	MaxInFlight int
	// FailuresToOpen is how many failures in a row open an issuer's breaker; it then
	// lets one request through every OpenFor. 0 or less means DefaultFailuresToOpen and
	// DefaultOpenFor.
	FailuresToOpen int
	OpenFor        time.Duration
	// Secrets is the folder of our client secrets at authorities: the file
	// <Secrets>/<name> for each authz.Introspection.Secret. Required for Introspect.
	Secrets string
	// Log receives every state change of a breaker; nil discards it.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 10_000
	}
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = 32
	}
	if c.FailuresToOpen <= 0 {
		c.FailuresToOpen = DefaultFailuresToOpen
	}
	if c.OpenFor <= 0 {
		c.OpenFor = DefaultOpenFor
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Client asks authorities about tokens and caches their answers. It is safe for
// concurrent use.
type Client struct {
	config  Config
	http    *http.Client
	secrets *secretFiles

	mu        sync.RWMutex
	endpoints map[string]*endpoint // :: issuer id -> its endpoint; guarded by mu
}

// New returns a Client with an empty cache.
func New(config Config) *Client {
	config = config.withDefaults()
	return &Client{
		config:    config,
		http:      newHTTPClient(config.Transport, config.MaxInFlight),
		secrets:   newSecretFiles(config.Secrets, config.Now),
		endpoints: map[string]*endpoint{},
	}
}

// Introspect is Ask for a registered issuer, with the client secret read from its file.
// If that cannot be read, the error is authz.ErrUnavailable.
func (c *Client) Introspect(ctx context.Context, issuer *authz.Issuer, token, source string) (authz.IntrospectionAnswer, error) {
	clientSecret, err := c.secrets.read(issuer.Introspection.Secret)
	if err != nil {
		return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return c.Ask(ctx, AuthorityOf(issuer, clientSecret), token, source)
}

// Ask returns what the authority answers about a token, cached or new. source is where
// the token was presented from, such as an address; the answer reports whether it was
// presented from there before (empty: never). The error is authz.ErrInactive, or
// authz.ErrUnavailable with its cause. Ask waits for a.Deadline at most.
//
// If ctx ends first, the error is authz.ErrUnavailable with ctx's error, even if a stale
// answer is cached: a caller must not get a stale answer from a healthy authority by not
// waiting for a fresh one. Give ctx more time than a.Deadline.
func (c *Client) Ask(ctx context.Context, a Authority, token, source string) (authz.IntrospectionAnswer, error) {
	if !issuable(token) {
		return authz.IntrospectionAnswer{}, authz.ErrInactive
	}
	a = a.withDefaults()
	e, key := c.endpoint(a.Issuer), keyOf(a.Revision, token)
	if answer, found, err := e.cache.get(key, a, source, a.FreshFor); found || err != nil {
		return answer, err
	}
	p, cause := e.ask(ctx, a, key, token)
	switch {
	case cause == nil:
		return e.cache.confirmed(p, source), nil
	case errors.Is(cause, authz.ErrInactive):
		return authz.IntrospectionAnswer{}, authz.ErrInactive
	case ctx.Err() != nil:
		return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, ctx.Err())
	}
	if answer, found, err := e.cache.get(key, a, source, a.UsableFor); found || err != nil {
		return answer, err
	}
	return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, cause)
}

// Forget drops an issuer's cached answers and its breaker: after the issuer was changed
// or removed, or when an operator asks for it. The answer of a request in flight goes to
// its callers and is not cached.
func (c *Client) Forget(issuer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.endpoints, issuer)
}

// endpoint returns the issuer's endpoint, a new one if it has none.
func (c *Client) endpoint(issuer string) *endpoint {
	c.mu.RLock()
	e := c.endpoints[issuer]
	c.mu.RUnlock()
	if e != nil {
		return e
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.endpoints[issuer]; e != nil {
		return e
	}
	e = newEndpoint(issuer, c.config, c.http)
	c.endpoints[issuer] = e
	return e
}
