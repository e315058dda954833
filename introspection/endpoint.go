package introspection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/singleflight"
)

var errBusy = errors.New("too many questions to the authority are under way")

// endpoint asks one issuer's authority. It has the issuer's cache, circuit breaker,
// limit of requests in flight, and health.
type endpoint struct {
	issuer  string
	log     *slog.Logger
	now     func() time.Time
	client  *http.Client
	slots   chan struct{} // one for each request in flight
	calls   singleflight.Group
	breaker *gobreaker.CircuitBreaker[reply]
	cache   *cache

	mu     sync.Mutex // taken after the breaker's own lock, never before it
	health health     // guarded by mu
}

// health is how the latest requests ended.
type health struct {
	lastSuccess, lastFailure time.Time
	lastError                string
}

func newEndpoint(issuer string, config Config, client *http.Client) *endpoint {
	e := &endpoint{
		issuer: issuer, log: config.Log, now: config.Now, client: client,
		slots: make(chan struct{}, config.MaxInFlight), cache: newCache(config.CacheSize, config.Now),
	}
	e.breaker = gobreaker.NewCircuitBreaker[reply](gobreaker.Settings{
		Timeout:       config.OpenFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= config.FailuresToOpen },
		IsExcluded:    func(err error) bool { return errors.Is(err, errBadRequest) },
		OnStateChange: e.logStateChange,
	})
	return e
}

// ask waits for the answer to a request about the token, which all callers with the
// same key share, or for ctx to end. The end of ctx does not end the request.
func (e *endpoint) ask(ctx context.Context, a Authority, k key, token string) (*positive, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := a.validate(); err != nil {
		return nil, err
	}
	results := e.calls.DoChan(string(k[:]), func() (any, error) {
		return e.call(context.WithoutCancel(ctx), a, k, token)
	})
	select {
	case result := <-results:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*positive), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// call sends one request, unless too many are in flight or the breaker is open, and
// caches the answer.
func (e *endpoint) call(ctx context.Context, a Authority, k key, token string) (*positive, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		return nil, errBusy
	}
	var at time.Time
	r, err := e.breaker.Execute(func() (reply, error) {
		at = e.now()
		return e.exchange(ctx, a, token)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, fmt.Errorf("the authority is not asked while it fails; last, %s", e.currentHealth().lastError)
	}
	if err != nil {
		return nil, err
	}
	return e.cache.put(k, a, r, at)
}

// exchange sends one request, within the deadline, and notes in health how it ended.
func (e *endpoint) exchange(ctx context.Context, a Authority, token string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Deadline)
	defer cancel()
	r, err := exchange(ctx, e.client, a, token)
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.health.lastFailure, e.health.lastError = now, err.Error()
	} else {
		e.health.lastSuccess = now
	}
	return r, err
}

func (e *endpoint) currentHealth() health {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.health
}

// logStateChange is called while the breaker is locked.
func (e *endpoint) logStateChange(_ string, from, to gobreaker.State) {
	level := slog.LevelInfo
	if to == gobreaker.StateOpen {
		level = slog.LevelWarn
	}
	e.log.Log(context.Background(), level, "introspection breaker changed", "issuer", e.issuer,
		"from", stateName(from), "to", stateName(to), "last_error", e.currentHealth().lastError)
}

// stateName returns closed, open or half_open.
func stateName(s gobreaker.State) string { return strings.ReplaceAll(s.String(), "-", "_") }
