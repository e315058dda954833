package api

import "time"

// EntityList is one page of a collection. E is an entity, or json.RawMessage to
// read any.
type EntityList[E any] struct {
	Items []E `json:"items"`
	// NextCursor asks for the next page; empty on the last one.
	NextCursor   string `json:"next_cursor"`
	DataRevision uint64 `json:"data_revision"`
}

// Line is one line of an import or an export.
type Line[E any] struct {
	Collection string `json:"collection"`
	Entity     E      `json:"entity"`
}

// Operations of a Change.
const (
	OpPut    = "put"
	OpDelete = "delete"
)

// Change is one entry of the change feed. A delete has no entity, nor has a put
// that a later change replaced: that change follows.
type Change[E any] struct {
	Revision   uint64    `json:"revision"`
	Op         string    `json:"op"`
	Collection string    `json:"collection"`
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Entity     E         `json:"entity,omitzero"`
}

// ChangeList is a stretch of the change feed in the order of its revisions.
type ChangeList[E any] struct {
	Changes []Change[E] `json:"changes"`
	// NextAfter is the after to ask with next.
	NextAfter    uint64 `json:"next_after"`
	DataRevision uint64 `json:"data_revision"`
}

// ImportReport says what an import did. Bad lines do not stop it.
type ImportReport struct {
	Lines     int `json:"lines"`
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"` // were stored already, exactly so
	Failed    int `json:"failed"`
	// Errors are the first of the failures, by line.
	Errors       []LineError `json:"errors"`
	DataRevision uint64      `json:"data_revision"`
}

// LineError is why one line of an import was not written. Lines count from 1.
type LineError struct {
	Line    int    `json:"line"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Status answers PathStatus.
type Status struct {
	Version      string            `json:"version"`
	DataRevision uint64            `json:"data_revision"`
	Policy       PolicyRef         `json:"policy"`
	Collections  map[string]uint64 `json:"collections"` // entities by collection
}
