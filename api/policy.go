package api

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Bodies of the admin listener about policies. Generations, records, comparisons
// and statuses are sent as they are kept; the OpenAPI document has their members.

// ActivateRequest is the body of POST PathGenerations + "/" + number + "/activate".
type ActivateRequest struct {
	Message string `json:"message,omitempty"`
}

// RollbackRequest is the body of POST PathRollback.
type RollbackRequest struct {
	// To is the generation to go back to; 0 is the one that was active before.
	To      uint64 `json:"to,omitzero"`
	Message string `json:"message,omitempty"`
}

// ModeRequest is the body of POST PathGuards + "/" + name + "/mode": a step up at a
// time (off, observe, flag, enforce), any number of steps down.
type ModeRequest struct {
	Mode    string `json:"mode"`
	Message string `json:"message,omitempty"`
}

// ShadowRequest is the body of POST PathShadow.
type ShadowRequest struct {
	Generation uint64 `json:"generation"`
	// Sample is the part of decisions that are judged a second time, above 0 and up to 1;
	// 0 means all.
	Sample float64 `json:"sample,omitzero"`
}

// Values of ReplayRequest.Data that are no revision.
const (
	DataRecorded = "recorded" // what each decision saw; the default
	DataNow      = "now"      // the newest revision, for all
)

// ReplayRequest is the body of POST PathReplay, or, when a bundle or records are sent
// along, its part "request" in multipart/form-data beside the parts "bundle" (tar.gz) and
// "records" (NDJSON, as exported).
type ReplayRequest struct {
	Filter RecordFilter `json:"filter,omitzero"`
	// Last bounds it to the newest records the filter selects; 0 means 5000. Neither
	// matters when records are sent along: those are replayed, all of them.
	Last int `json:"last,omitzero"`
	// Generation judges anew; 0 is the active one, or with a bundle the active one
	// with that bundle in place of the one of its name.
	Generation uint64 `json:"generation,omitzero"`
	// Bundle is the name of the bundle sent along.
	Bundle string `json:"bundle,omitempty"`
	// Data is DataRecorded, DataNow or a data revision; empty is DataRecorded.
	Data string `json:"data,omitempty"`
}

// RecordFilter selects recorded decisions: all members given must hold.
type RecordFilter = authz.RecordFilter

// GuardMode is one guard as PathGuards lists it.
type GuardMode struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Mode is in force, except on edges that say otherwise; Bundle is the mode the
	// bundles give it, when another was set over theirs.
	Mode   string `json:"mode"`
	Bundle string `json:"bundle_mode,omitempty"`
	// Next is the mode one step up; empty at enforce.
	Next     string       `json:"next,omitempty"`
	Evidence ModeEvidence `json:"evidence"`
}

// ModeEvidence is what a guard said in the newest recorded decisions: what a step up
// would change.
type ModeEvidence struct {
	Decisions uint64    `json:"decisions"` // that were looked at
	Since     time.Time `json:"since,omitzero"`
	Denied    uint64    `json:"denied"`     // that it denied
	WouldDeny uint64    `json:"would_deny"` // that only its mode let it not deny
	// WouldFlip is how many of WouldDeny were allowed: a step to enforce denies them.
	WouldFlip uint64          `json:"would_flip"`
	Edges     []EvidenceCount `json:"edges,omitempty"` // of WouldDeny, most first
	Codes     []EvidenceCount `json:"codes,omitempty"`
}

// EvidenceCount is one part of the evidence.
type EvidenceCount struct {
	Name     string   `json:"name"`
	Count    uint64   `json:"count"`
	Examples []string `json:"examples"` // ids of decisions
}
