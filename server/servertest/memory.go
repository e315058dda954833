package servertest

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Memory is a store small enough to read: what the admin room and the
// authenticator need, without durability. It is safe for concurrent use.
type Memory struct {
	// BackupBytes is what Backup writes before it returns BackupErr.
	BackupBytes string
	BackupErr   error
	// Awaiting, when not nil, is told when somebody begins to wait for a change.
	Awaiting chan<- uint64

	mu       sync.Mutex
	revision uint64
	entities map[authz.Collection]map[string]authz.Entity
	changes  []authz.Change[authz.Entity]
	changed  chan struct{} // closed and replaced by every write
}

// NewMemory is an empty Memory at revision 1.
func NewMemory() *Memory {
	return &Memory{revision: 1, entities: map[authz.Collection]map[string]authz.Entity{}, changed: make(chan struct{})}
}

// Keep stores an entity as it is, past every check.
func (m *Memory) Keep(e authz.Entity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putLocked(e)
}

func (m *Memory) putLocked(e authz.Entity) {
	c := e.Collection()
	if m.entities[c] == nil {
		m.entities[c] = map[string]authz.Entity{}
	}
	m.entities[c][e.Head().ID] = e
}

// Find reads an entity without a copy; nil when there is none.
func (m *Memory) Find(c authz.Collection, key string) authz.Entity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entities[c][key]
}

// APIKey implements apikey.Finder.
func (m *Memory) APIKey(_ context.Context, id string) (*authz.APIKey, bool, error) {
	key, ok := m.Find(authz.APIKeys, id).(*authz.APIKey)
	return key, ok, nil
}

// Get implements admin.Entities.
func (m *Memory) Get(_ context.Context, c authz.Collection, key string) (authz.Entity, error) {
	if e := m.Find(c, key); e != nil {
		return e, nil
	}
	return nil, authz.Errorf(authz.CodeNotFound, "%s has no %q", c, key)
}

// List implements admin.Entities; its cursor is the last key.
func (m *Memory) List(_ context.Context, q authz.Query) (authz.Page[authz.Entity], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := authz.Page[authz.Entity]{Revision: m.revision}
	for _, key := range sortedKeys(m.entities[q.Collection]) {
		if key <= q.Cursor || !selected(m.entities[q.Collection][key], q.Filters) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.NextCursor = page.Items[q.Limit-1].Head().ID
			break
		}
		page.Items = append(page.Items, m.entities[q.Collection][key])
	}
	return page, nil
}

func selected(e authz.Entity, filters map[string]string) bool {
	for name, value := range filters {
		if e.Field(name) != value {
			return false
		}
	}
	return true
}

func sortedKeys(entities map[string]authz.Entity) []string {
	keys := make([]string, 0, len(entities))
	for key := range entities {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Put implements admin.Entities.
func (m *Memory) Put(_ context.Context, e authz.Entity, p authz.Precondition) (authz.Written, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.entities[e.Collection()][e.Head().ID]
	if err := holds(p, old); err != nil {
		return authz.Written{}, err
	}
	m.revision++
	head := e.Head()
	head.CreatedAt, head.UpdatedAt, head.Revision = Now, Now, m.revision
	m.putLocked(e)
	m.recordLocked(e.Collection(), head.ID, e)
	return authz.Written{Entity: e, Created: old == nil, Revision: m.revision}, nil
}

// Delete implements admin.Entities.
func (m *Memory) Delete(_ context.Context, c authz.Collection, key string, p authz.Precondition) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.entities[c][key]
	if err := holds(p, old); err != nil {
		return 0, err
	}
	if old == nil {
		return 0, authz.Errorf(authz.CodeNotFound, "%s has no %q", c, key)
	}
	m.revision++
	delete(m.entities[c], key)
	m.recordLocked(c, key, nil)
	return m.revision, nil
}

func holds(p authz.Precondition, old authz.Entity) error {
	there := old != nil
	if p.Absent && there || p.Present && !there || p.Revision != 0 && (!there || old.Head().Revision != p.Revision) {
		return authz.Errorf(authz.CodePrecondition, "the precondition does not hold")
	}
	return nil
}

func (m *Memory) recordLocked(c authz.Collection, key string, e authz.Entity) {
	change := authz.Change[authz.Entity]{Revision: m.revision, Op: authz.OpPut, Collection: c, ID: key, At: Now, Entity: e}
	if e == nil {
		change.Op = authz.OpDelete
	}
	m.changes = append(m.changes, change)
	close(m.changed)
	m.changed = make(chan struct{})
}

// Changes implements admin.Feed.
func (m *Memory) Changes(_ context.Context, after uint64, limit int) (authz.Changes[authz.Entity], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := authz.Changes[authz.Entity]{NextAfter: after, Revision: m.revision}
	for _, change := range m.changes {
		if change.Revision > after && len(found.Changes) < limit {
			found.Changes = append(found.Changes, change)
			found.NextAfter = change.Revision
		}
	}
	return found, nil
}

// Await implements admin.Feed.
func (m *Memory) Await(ctx context.Context, after uint64) error {
	if m.Awaiting != nil {
		m.Awaiting <- after
	}
	for {
		m.mu.Lock()
		revision, changed := m.revision, m.changed
		m.mu.Unlock()
		if revision > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Import implements admin.Bulk.
func (m *Memory) Import(ctx context.Context, r io.Reader, check func(authz.Entity) error) (api.ImportReport, error) {
	var report api.ImportReport
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		report.Lines++
		entity, err := parseLine(lines.Bytes())
		if err == nil {
			err = check(entity)
		}
		if err != nil {
			report.Failed++
			report.Errors = append(report.Errors, api.LineError{Line: report.Lines, Message: err.Error()})
			continue
		}
		if _, err := m.Put(ctx, entity, authz.Precondition{}); err != nil {
			return report, err
		}
		report.Written++
	}
	m.mu.Lock()
	report.Revision = m.revision
	m.mu.Unlock()
	return report, lines.Err()
}

func parseLine(line []byte) (authz.Entity, error) {
	var head struct {
		Collection authz.Collection `json:"collection"`
	}
	if err := ijson.UnmarshalOpen(line, &head); err != nil {
		return nil, err
	}
	whole := api.Line[authz.Entity]{Entity: head.Collection.New()}
	if whole.Entity == nil {
		return nil, authz.Invalid("collection", "is not known")
	}
	if err := ijson.Unmarshal(line, &whole); err != nil {
		return nil, err
	}
	whole.Entity.Normalize()
	return whole.Entity, whole.Entity.Validate()
}

// Export implements admin.Bulk.
func (m *Memory) Export(_ context.Context, w io.Writer, collections []authz.Collection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range collections {
		for _, key := range sortedKeys(m.entities[c]) {
			line, err := ijson.Marshal(api.Line[authz.Entity]{Collection: c, Entity: m.entities[c][key]})
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}

// Backup implements admin.Bulk.
func (m *Memory) Backup(_ context.Context, w io.Writer) error {
	if m.BackupBytes != "" {
		if _, err := io.Copy(w, strings.NewReader(m.BackupBytes)); err != nil {
			return err
		}
	}
	return m.BackupErr
}

// Counts implements admin.Bulk.
func (m *Memory) Counts(context.Context) (map[authz.Collection]uint64, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := map[authz.Collection]uint64{}
	for c, entities := range m.entities {
		counts[c] = uint64(len(entities))
	}
	return counts, m.revision, nil
}

// Receive implements events.Receiver: it takes every event and keeps none.
func (m *Memory) Receive(context.Context, string) error { return nil }
