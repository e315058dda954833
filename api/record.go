package api

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// ShownRecord answers GET PathDecisions + "/" + id.
type ShownRecord struct {
	Record authz.Record `json:"record"`
	// Explanation is null without explain=full, and when Note says why.
	Explanation *Explanation `json:"explanation"`
	Note        string       `json:"note,omitempty"`
}

// AuditedRecord answers GET PathAudit + "/" + id: a change with the record it stands
// in, which the chain can be followed from.
type AuditedRecord struct {
	Change authz.AuditedChange `json:"change"`
	Seq    uint64              `json:"seq"`  // of the record
	Kind   string              `json:"kind"` // change, or intent while there is no outcome
	At     time.Time           `json:"at"`   // when it was recorded
	Prev   string              `json:"prev"`
	Hash   string              `json:"hash"`
}
