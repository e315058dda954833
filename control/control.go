package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/store"
)

// Audit records changes. *decisionlog.Log implements it.
type Audit interface {
	// Announce records, on the disk, that a change is about to be made.
	Announce(ctx context.Context, c authz.AuditedChange) error
	// Settle records, on the disk, the outcome of a change.
	Settle(ctx context.Context, c authz.AuditedChange) error
	// Pending lists the announced changes without an outcome, oldest first.
	Pending(ctx context.Context) ([]authz.AuditedChange, error)
}

// Config is what a Service is made of. Store, Audit, Now, NewID and MintKey are
// required; a change that needs another room which is nil is CodeNotFound.
type Config struct {
	Store       *store.Store
	Audit       Audit
	Credentials *credentials.Service
	Policies    Policies
	Judging     *Judging
	// TokenKeys returns the keys of our token service, nil while there is none. It is called
	// when they are needed, as the token service is made later: it publishes through
	// control.
	TokenKeys func() TokenKeys

	// Check checks entities of a collection further than Validate does, before they are
	// written or imported: that an issuer has usable keys. It is called by several
	// goroutines at once.
	Check map[authz.Collection]func(authz.Entity) error
	// Guards are the names of the active policies' guards, which modes are given to.
	Guards func() []string
	// OwnIssuer is the id of the token service's issuer; empty without one.
	OwnIssuer string
	// MintKey makes the text of an API key, to be shown once, and the hash that is stored.
	MintKey func(id string) (text, hash string)
	// NewID makes the id of a change, and of an API key behind a prefix.
	NewID func() string
	Now   func() time.Time
	// After waits on the clock of Now; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// Log takes what no caller is told: an outcome that could not be recorded.
	Log *slog.Logger
}

// Service makes changes. It is safe for concurrent use.
type Service struct {
	config    Config
	refusals  refusals
	shares    shares
	rotations *runningRotations

	mu        sync.Mutex
	unsettled []authz.AuditedChange // outcomes that could not be recorded yet; guarded by mu
}

// New makes a Service of config. The error says what is missing.
func New(config Config) (*Service, error) {
	switch {
	case config.Store == nil:
		return nil, errors.New("control: Store is required")
	case config.Audit == nil:
		return nil, errors.New("control: Audit is required")
	case config.Now == nil || config.NewID == nil || config.MintKey == nil:
		return nil, errors.New("control: Now, NewID and MintKey are required")
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.After == nil {
		config.After = time.After
	}
	if config.TokenKeys == nil {
		config.TokenKeys = func() TokenKeys { return nil }
	}
	if config.Guards == nil {
		config.Guards = func() []string { return nil }
	}
	return &Service{config: config, refusals: newRefusals(config.Now), shares: shares{all: map[string]*share{}}, rotations: newRunningRotations()}, nil
}

// do makes one change, in the steps of the package comment. rules may be nil; neither it
// nor effect may change anything of c but its result. effect is called at most once.
func (s *Service) do(ctx context.Context, by authz.Author, c *authz.AuditedChange, rules func() error, effect func(context.Context) error) error {
	s.begin(by, c)
	if err := s.permitted(by, c.Kind); err != nil {
		return s.refuse(ctx, c, err)
	}
	end, err := s.shares.take(ctx, by.Key)
	if err != nil {
		return err
	}
	defer end()
	if rules != nil {
		if err := rules(); err != nil {
			return s.refuse(ctx, c, err)
		}
	}
	if s.refusals.exhausted(by, c.Kind) {
		return authz.Errorf(authz.CodeUnavailable, "nothing was changed: too many changes of the kind %s that this key asked for were refused lately; wait a minute, and ask for what can be", c.Kind)
	}
	if err := s.announce(ctx, c); err != nil {
		return err
	}
	made := false
	defer func() {
		if !made { // effect panicked
			c.Outcome, c.Error = authz.ChangeInterrupted, "the change ended in a fault of the program"
			s.settle(ctx, c)
		}
	}()
	err = effect(authz.WithChange(ctx, c.ID))
	made = true
	conclude(c, err)
	if c.Outcome == authz.ChangeRefused {
		s.refusals.attempted(by, c.Kind)
	}
	if failed := s.settle(ctx, c); failed != nil && err == nil {
		return &authz.Error{Code: authz.CodeUnavailable, Cause: failed,
			Message: "the change " + c.ID + " was made and is announced in the audit, but what became of it could not be recorded yet; do not send it again: it is recorded as soon as the audit can be written"}
	}
	return err
}

// begin fills in the id, time and author of a change.
func (s *Service) begin(by authz.Author, c *authz.AuditedChange) {
	c.ID, c.At, c.By = s.config.NewID(), s.config.Now().UTC().Round(0), by
	c.Base = s.config.Store.Revision()
}

// permitted returns an error for an author without the role of a kind of change.
func (s *Service) permitted(by authz.Author, kind authz.ChangeKind) error {
	role, known := kind.Role()
	if known && by.Has(role) {
		return nil
	}
	return authz.Errorf(authz.CodeForbidden, "this needs the role %s, which API key %s does not have", role, by.Key)
}

// announce records that c is about to be made, once every outcome before it is
// recorded. It does not end with ctx: a caller that goes away must not leave an intent
// without an outcome.
func (s *Service) announce(ctx context.Context, c *authz.AuditedChange) error {
	ctx = context.WithoutCancel(ctx)
	if err := s.flush(ctx); err != nil {
		return unrecorded(err)
	}
	c.Outcome = authz.ChangePending
	err := s.config.Audit.Announce(ctx, *c)
	if err == nil {
		return nil
	}
	// The intent may be there or not: its outcome is recorded as soon as it can be.
	err = unrecorded(err)
	conclude(c, err)
	s.keep(c)
	return err
}

// keep stores an outcome to be recorded before the next change is made.
func (s *Service) keep(c *authz.AuditedChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsettled = append(s.unsettled, *c)
}

// unrecorded returns the error of a change that was not made because it could not be
// recorded.
func unrecorded(err error) error {
	message := "the change was not made, because it could not be recorded in the audit"
	var ours *authz.Error
	if errors.As(err, &ours) && ours.Code != authz.CodeInternal {
		message += ": " + ours.Error()
	}
	return &authz.Error{Code: authz.CodeUnavailable, Message: message, Cause: err}
}

// conclude fills in the outcome of a change.
func conclude(c *authz.AuditedChange, err error) {
	if err == nil {
		c.Outcome, c.Base = authz.ChangeMade, 0
		return
	}
	c.Outcome = authz.ChangeFailed
	if refuses(authz.CodeOf(err)) {
		c.Outcome = authz.ChangeRefused
	}
	explain(c, err)
}

// refuses reports whether an error of code is a refusal, and not a failure of the node.
func refuses(code authz.ErrorCode) bool {
	return slices.Contains([]authz.ErrorCode{
		authz.CodeInvalid, authz.CodeTooLarge, authz.CodeForbidden, authz.CodeNotFound,
		authz.CodeConflict, authz.CodePrecondition, authz.CodeGone, authz.CodeUnsupportedMedia,
	}, code)
}

// explain adds an error to a change, as its author gets it.
func explain(c *authz.AuditedChange, err error) {
	c.Code, c.Error = authz.CodeInternal, "an internal error; the log has its cause under this request id"
	var ours *authz.Error
	switch {
	case errors.As(err, &ours) && ours.Code != authz.CodeInternal:
		c.Code, c.Error = ours.Code, ours.Error()
	case errors.Is(err, context.Canceled):
		c.Code, c.Error = authz.CodeUnavailable, "the author went away"
	case errors.Is(err, context.DeadlineExceeded):
		c.Code, c.Error = authz.CodeUnavailable, "it took too long and was given up"
	}
}

// Refused records a change that a surface refused itself, because its body could not be
// read for instance. It returns err.
func (s *Service) Refused(ctx context.Context, by authz.Author, c authz.AuditedChange, err error) error {
	s.begin(by, &c)
	return s.refuse(ctx, &c, err)
}

// refuse records a change that was not announced and is not made, and returns err. The
// refusal stands whether or not it can be recorded: nothing was changed.
func (s *Service) refuse(ctx context.Context, c *authz.AuditedChange, err error) error {
	omitted, record := s.refusals.take(c.By, c.Kind)
	if !record {
		return err
	}
	conclude(c, err)
	c.Base, c.Omitted = 0, omitted
	if failed := s.config.Audit.Settle(context.WithoutCancel(ctx), *c); failed != nil {
		s.refusals.giveBack(c.By, c.Kind, omitted+1)
		s.config.Log.ErrorContext(ctx, "a refused change could not be recorded in the audit", "change", c.ID, "error", failed)
	}
	return err
}

// settle records the outcome of a change, or keeps it to be recorded before the next.
func (s *Service) settle(ctx context.Context, c *authz.AuditedChange) error {
	err := s.config.Audit.Settle(context.WithoutCancel(ctx), *c)
	if err != nil {
		s.keep(c)
		s.config.Log.ErrorContext(ctx, "the outcome of a change could not be recorded in the audit; no other change is made before it is", "change", c.ID, "error", err)
	}
	return err
}

// flush records the outcomes that could not be recorded before.
func (s *Service) flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.unsettled) > 0 {
		err := s.config.Audit.Settle(ctx, s.unsettled[0])
		if authz.CodeOf(err) == authz.CodeConflict { // it has an outcome, another one
			s.config.Log.ErrorContext(ctx, "an outcome of a change is recorded already, and is another", "change", s.unsettled[0].ID, "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
		s.unsettled = s.unsettled[1:]
	}
	return nil
}

// restEvery is how often refusals that were only counted are recorded.
const restEvery = time.Hour

// Run records every hour, and when ctx ends, the refusals that were only counted and the
// outcomes that could not be recorded.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.recordRest(ctx)
		case <-ctx.Done():
			s.recordRest(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// recordRest records one change for each author and kind that stands for all that were
// refused and only counted.
func (s *Service) recordRest(ctx context.Context) {
	if err := s.flush(ctx); err != nil {
		s.config.Log.ErrorContext(ctx, "outcomes of changes could not be recorded in the audit", "error", err)
	}
	for who, of := range s.refusals.rest() {
		c := authz.AuditedChange{
			ID: s.config.NewID(), Kind: who.kind, At: s.config.Now().UTC().Round(0), By: of.last,
			Outcome: authz.ChangeRefused, Omitted: of.omitted - 1, Error: "this stands for refusals that were counted",
		}
		if err := s.config.Audit.Settle(ctx, c); err != nil {
			s.refusals.giveBack(of.last, who.kind, of.omitted)
			s.config.Log.ErrorContext(ctx, "refused changes could not be recorded in the audit", "author", who.author, "error", err)
		}
	}
}

// digest is the SHA-256 of content; empty for none.
func digest(content []byte) string {
	if content == nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// missing returns the error of a change that needs what this node does not have.
func missing(what string) error {
	return authz.Errorf(authz.CodeNotFound, "this node has no %s", what)
}

// ValidateMessage returns an error for a message that should not be shown in a terminal:
// with control characters, or with some that change the direction of text.
func ValidateMessage(message string) error {
	if len(message) > authz.MaxTextLength {
		return authz.Invalid("message", "is longer than "+strconv.Itoa(authz.MaxTextLength)+" bytes")
	}
	if strings.ContainsFunc(message, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return authz.Invalid("message", "has a control character")
	}
	if strings.ContainsFunc(message, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }) {
		return authz.Invalid("message", "has a character that turns the direction of a text")
	}
	return nil
}
