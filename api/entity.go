package api

import "github.com/verdict-pdp/verdict/authz"

// Nouns of the data, as authz has them. E is an entity, or json.RawMessage to read
// any.
type (
	// EntityList is one page of a collection.
	EntityList[E any] = authz.Page[E]
	// Line is one line of an import or an export.
	Line[E any] = authz.ImportLine[E]
	// Change is one entry of the change feed.
	Change[E any] = authz.Change[E]
	// ChangeList is a part of the change feed in the order of its revisions.
	ChangeList[E any] = authz.Changes[E]
	// ImportReport is the result of an import.
	ImportReport = authz.ImportReport
	// LineError is why one line of an import was not written.
	LineError = authz.LineError
)
