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

// line leads to one issuer's authority: what it said, and how it does.
type line struct {
	issuer  string
	log     *slog.Logger
	now     func() time.Time
	client  *http.Client
	slots   chan struct{} // the bulkhead: one for each question under way
	flights singleflight.Group
	breaker *gobreaker.CircuitBreaker[reply]
	answers *memory

	mu     sync.Mutex // taken after the breaker's own lock, never before it
	health health     // guarded by mu
}

// health is what became of the questions so far.
type health struct {
	lastSuccess, lastFailure time.Time
	lastError                string
}

func newLine(issuer string, config Config, client *http.Client) *line {
	l := &line{
		issuer: issuer, log: config.Log, now: config.Now, client: client,
		slots: make(chan struct{}, config.MaxInFlight), answers: newMemory(config.CacheSize, config.Now),
	}
	l.breaker = gobreaker.NewCircuitBreaker[reply](gobreaker.Settings{
		Timeout:       config.OpenFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= config.FailuresToOpen },
		IsExcluded:    func(err error) bool { return errors.Is(err, errBadRequest) },
		OnStateChange: l.changed,
	})
	return l
}

// ask puts the question, together with others who ask the same, and waits for what
// came of it or for ctx to end. ctx ending ends nobody else's wait.
func (l *line) ask(ctx context.Context, a Authority, k key, token string) (*positive, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := a.validate(); err != nil {
		return nil, err
	}
	results := l.flights.DoChan(string(k[:]), func() (any, error) {
		return l.fly(context.WithoutCancel(ctx), a, k, token)
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

// fly is one question, if bulkhead and breaker let it out.
func (l *line) fly(ctx context.Context, a Authority, k key, token string) (*positive, error) {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	default:
		return nil, errBusy
	}
	var at time.Time
	r, err := l.breaker.Execute(func() (reply, error) {
		at = l.now()
		return l.put(ctx, a, token)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, fmt.Errorf("the authority is not asked while it fails; last, %s", l.read().lastError)
	}
	if err != nil {
		return nil, err
	}
	return l.answers.settle(k, a, r, at)
}

// put is one exchange, bounded by the deadline and noted.
func (l *line) put(ctx context.Context, a Authority, token string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Deadline)
	defer cancel()
	r, err := put(ctx, l.client, a, token)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.health.lastFailure, l.health.lastError = now, err.Error()
	} else {
		l.health.lastSuccess = now
	}
	return r, err
}

func (l *line) read() health {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.health
}

// changed runs while the breaker is locked.
func (l *line) changed(_ string, from, to gobreaker.State) {
	level := slog.LevelInfo
	if to == gobreaker.StateOpen {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "introspection breaker changed", "issuer", l.issuer,
		"from", stateName(from), "to", stateName(to), "last_error", l.read().lastError)
}

// stateName is closed, open or half_open.
func stateName(s gobreaker.State) string { return strings.ReplaceAll(s.String(), "-", "_") }
