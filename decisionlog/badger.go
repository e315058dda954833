package decisionlog

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/verdict-pdp/verdict/authz"
)

// memTableSize also bounds a transaction: 15 % of it. A transaction takes the
// largest record that there is.
const memTableSize = 24 << 20

// badgerOptions bound memory: two memtables being flushed, one being filled, and
// the two caches. Writes are not synced one by one; see the package comment.
func badgerOptions(c Config) badger.Options {
	return badger.DefaultOptions(c.Dir).
		WithInMemory(c.InMemory).
		WithSyncWrites(false).
		WithDetectConflicts(false). // the commit lock orders writes
		WithMetricsEnabled(false).
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithBaseTableSize(8 << 20).
		WithBaseLevelSize(64 << 20).
		WithCompression(options.Snappy).
		WithBlockCacheSize(16 << 20).
		WithIndexCacheSize(16 << 20).
		WithLogger(badgerLog{c.Log})
}

// openBadger opens the database and explains the errors an operator can mend.
func openBadger(c Config) (*badger.DB, error) {
	db, err := badger.Open(badgerOptions(c))
	switch {
	case err == nil:
		return db, nil
	case inUse(err):
		return nil, &authz.Error{Code: authz.CodeConflict, Message: fmt.Sprintf("the decision log %s is in use by another Verdict process; stop it or choose another directory", c.Dir), Cause: err}
	case errors.Is(err, syscall.EACCES):
		return nil, &authz.Error{Code: authz.CodeUnavailable, Message: fmt.Sprintf("the decision log %s cannot be opened: permission denied", c.Dir), Cause: err}
	}
	return nil, &authz.Error{Code: authz.CodeInternal, Message: fmt.Sprintf("the decision log %s cannot be opened: %v", c.Dir, err), Cause: err}
}

// inUse recognises Badger's directory lock held elsewhere. Badger's own text is
// matched too, because its wrapping of the system error may change.
func inUse(err error) bool {
	return errors.Is(err, syscall.EWOULDBLOCK) || strings.Contains(err.Error(), "Cannot acquire directory lock")
}

// badgerLog passes on Badger's warnings and errors and drops its chatter.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, args ...any) {
	l.log.Error("storage engine of the decision log", "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("storage engine of the decision log", "says", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (badgerLog) Infof(string, ...any)  {}
func (badgerLog) Debugf(string, ...any) {}
