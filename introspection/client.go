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

// Defaults of Config.
const (
	DefaultCacheSize      = 10_000
	DefaultMaxInFlight    = 32
	DefaultFailuresToOpen = 5
	DefaultOpenFor        = 5 * time.Second
)

// Config is what a Client needs. The zero Config is usable.
type Config struct {
	// Transport asks authorities. It must honour the request's context. Nil means
	// HTTP/1.1 as net/http does it, with bounded dialing.
	Transport http.RoundTripper
	// Now is the clock of ages and expiry; nil means time.Now. Deadlines and the
	// breaker always run on the system's clock.
	Now func() time.Time
	// CacheSize is how many positive answers are remembered for each issuer, and
	// how many negative ones. 0 or less means DefaultCacheSize.
	CacheSize int
	// MaxInFlight is how many questions to one issuer's authority may be under way.
	// 0 or less means DefaultMaxInFlight.
	MaxInFlight int
	// FailuresToOpen in a row open an issuer's breaker; it then lets one question
	// through every OpenFor. 0 or less means DefaultFailuresToOpen and DefaultOpenFor.
	FailuresToOpen int
	OpenFor        time.Duration
	// Secrets is the folder with what we prove ourselves to issuers with: the file
	// <Secrets>/<name> for each authz.Introspection.Secret. Required for Introspect.
	Secrets string
	// Log receives every change of a breaker; nil discards it.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CacheSize <= 0 {
		c.CacheSize = DefaultCacheSize
	}
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = DefaultMaxInFlight
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

// Client asks authorities and remembers what they said. It is safe for use by any
// number of goroutines.
type Client struct {
	config  Config
	http    *http.Client
	secrets *secretFiles

	mu    sync.RWMutex
	lines map[string]*line // :: issuer id -> line; guarded by mu
}

// New makes a Client that remembers nothing.
func New(config Config) *Client {
	config = config.withDefaults()
	return &Client{
		config:  config,
		http:    newHTTPClient(config.Transport, config.MaxInFlight),
		secrets: newSecretFiles(config.Secrets, config.Now),
		lines:   map[string]*line{},
	}
}

// Introspect is Ask of an issuer as it is registered, with our secret there as its file
// has it now. A secret that cannot be read is authz.ErrUnavailable.
func (c *Client) Introspect(ctx context.Context, issuer *authz.Issuer, token, source string) (authz.IntrospectionAnswer, error) {
	ours, err := c.secrets.read(issuer.Introspection.Secret)
	if err != nil {
		return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return c.Ask(ctx, AuthorityOf(issuer, ours), token, source)
}

// Ask says what the authority says about the token, presented from source (an
// address, say; empty is never known). The error is authz.ErrInactive, or authz.ErrUnavailable
// with its cause. It waits for a.Deadline at most.
//
// ctx ending ends the wait with authz.ErrUnavailable and ctx's error, stale answer or not:
// nobody shall get a stale answer from a healthy authority by not waiting for a fresh
// one. Give it more time than a.Deadline.
func (c *Client) Ask(ctx context.Context, a Authority, token, source string) (authz.IntrospectionAnswer, error) {
	if !issuable(token) {
		return authz.IntrospectionAnswer{}, authz.ErrInactive
	}
	a = a.withDefaults()
	l, k := c.line(a.Issuer), keyOf(a.Revision, token)
	if answer, found, err := l.answers.recall(k, a, source, a.FreshFor); found || err != nil {
		return answer, err
	}
	p, cause := l.ask(ctx, a, k, token)
	switch {
	case cause == nil:
		return l.answers.present(p, source), nil
	case errors.Is(cause, authz.ErrInactive):
		return authz.IntrospectionAnswer{}, authz.ErrInactive
	case ctx.Err() != nil:
		return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, ctx.Err())
	}
	if answer, found, err := l.answers.recall(k, a, source, a.UsableFor); found || err != nil {
		return answer, err
	}
	return authz.IntrospectionAnswer{}, fmt.Errorf("%w: %w", authz.ErrUnavailable, cause)
}

// Forget drops all that is remembered of an issuer, its breaker included: after the
// issuer was changed or removed, or when an operator asks. An answer under way is
// given to those who wait for it and not remembered.
func (c *Client) Forget(issuer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lines, issuer)
}

// line finds the issuer's line, or makes it.
func (c *Client) line(issuer string) *line {
	c.mu.RLock()
	l := c.lines[issuer]
	c.mu.RUnlock()
	if l != nil {
		return l
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lines[issuer]; l != nil {
		return l
	}
	l = newLine(issuer, c.config, c.http)
	c.lines[issuer] = l
	return l
}
