package authz

import "time"

// How many items a page has: when no number is asked for, and at most.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
)

// Query asks for a page of a collection.
type Query struct {
	Collection Collection
	// Filters are values of fields in Collection.Filters(); all must match.
	Filters map[string]string
	// Cursor is Page.NextCursor of the page before, with the same collection and
	// filters; empty starts.
	Cursor string
	Limit  int // 0 means DefaultPageSize
}

// Page is a part of a collection in key order. E is Entity, or the type that a
// client decodes entities into. Each page shows the data of its own Revision; an entity
// that stays unchanged while one pages through appears exactly once.
type Page[E any] struct {
	Items      []E    `json:"items"`
	NextCursor string `json:"next_cursor"` // asks for the next page; empty on the last one
	Revision   uint64 `json:"data_revision"`
}

// LogPage is one page of what is recorded in an order: decisions, or changes.
type LogPage[E any] struct {
	Items []E `json:"items"`
	// NextCursor asks for the next page of older ones; empty on the last one, and in an
	// answer to ?after=.
	NextCursor string `json:"next_cursor"`
	// NextAfter is the after to ask with for what is recorded later.
	NextAfter uint64 `json:"next_after"`
	Head      uint64 `json:"head"` // newest sequence number
}

// Precondition is what must hold of the stored entity for a write to happen. The
// zero one always holds; of several members all must.
type Precondition struct {
	Revision uint64 // it is there, last written by this data revision
	Present  bool   // it is there
	Absent   bool   // it is not there
	// New is Absent of a create, whose failure is CodeConflict and not
	// CodePrecondition, as the caller sent no condition.
	New bool
}

// AsNew makes a put a create: CodeConflict when the entity exists.
func AsNew() Precondition { return Precondition{New: true} }

// IfAbsent is If-None-Match: * - CodePrecondition when the entity exists.
func IfAbsent() Precondition { return Precondition{Absent: true} }

// IfPresent is If-Match: * - CodePrecondition when there is no such entity.
func IfPresent() Precondition { return Precondition{Present: true} }

// IfRevision is If-Match - CodePrecondition unless the entity exists and was last
// written by revision. Nothing ever was by 0, so that never holds.
func IfRevision(revision uint64) Precondition {
	if revision == 0 {
		return Precondition{Present: true, Absent: true}
	}
	return Precondition{Revision: revision}
}

// Written is an entity as it was stored, and the data revision of its write.
type Written struct {
	Entity   Entity // with its header
	Created  bool   // there was none before
	Revision uint64
}

// Operations of a Change.
const (
	OpPut    = "put"
	OpDelete = "delete"
)

// Change is one entity's part in a write, as the change feed has it.
type Change[E any] struct {
	Revision   uint64     `json:"revision"`
	Op         string     `json:"op"` // OpPut or OpDelete
	Collection Collection `json:"collection"`
	ID         string     `json:"id"`
	At         time.Time  `json:"at"`
	// By is the id of the audited change that made the write; empty for a write that no
	// caller asked for, such as the deletion of an expired entity.
	By string `json:"change,omitempty"`
	// Entity is what was put. It is left out of a delete, and of a put that a later
	// change replaced: that change follows.
	Entity E `json:"entity,omitzero"`
}

// Changes is a part of the change feed, oldest first.
type Changes[E any] struct {
	Changes   []Change[E] `json:"changes"`
	NextAfter uint64      `json:"next_after"`    // ask for the changes after this revision next
	Revision  uint64      `json:"data_revision"` // that the page was read at
}

// ImportReport is the result of an import. Bad lines do not stop
// it. Blank lines count as lines and are otherwise ignored.
type ImportReport struct {
	Lines     int `json:"lines"`
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"` // equal to what is stored
	Failed    int `json:"failed"`
	// Errors are the first of the failed, by line.
	Errors   []LineError `json:"errors"`
	Revision uint64      `json:"data_revision"` // after the import
}

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Lines int   // read and committed or refused
	Bytes int64 // of the input they took
}

// LineError is what is wrong with one line.
type LineError struct {
	Line    int    `json:"line"` // counted from 1
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// ImportLine is one line of an import or an export.
type ImportLine[E any] struct {
	Collection Collection `json:"collection"`
	Entity     E          `json:"entity"`
}
