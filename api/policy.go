package api

import "github.com/verdict-pdp/verdict/authz"

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
	DataRecorded = authz.DataRecorded // what each decision saw; the default
	DataNow      = authz.DataNow      // the newest revision, for all
)

// Nouns of policies and of what they decided, as authz has them.
type (
	// ReplayRequest is the body of POST PathReplay, or, when a bundle or records are sent
	// along, its part "request" in multipart/form-data beside the parts "bundle" (tar.gz)
	// and "records" (NDJSON, as exported).
	ReplayRequest = authz.ReplayRequest
	// RecordFilter selects recorded decisions: all members given must hold.
	RecordFilter = authz.RecordFilter
	// BundleList answers GET PathBundles: the bundles of the active generation.
	BundleList = authz.BundleList
	// GenerationList answers GET PathGenerations.
	GenerationList = authz.GenerationList
	// Difference answers the comparison of two generations.
	Difference = authz.Difference
	// FileDiff is one file that differs between two generations.
	FileDiff = authz.FileDiff
	// GuardList answers GET PathGuards.
	GuardList = authz.GuardList
	// GuardMode is one guard with its mode and the evidence for the next.
	GuardMode = authz.GuardMode
	// ModeEvidence counts what a guard denied in the newest recorded decisions.
	ModeEvidence = authz.ModeEvidence
	// EvidenceCount is one part of the evidence.
	EvidenceCount = authz.EvidenceCount
	// ShadowReport is the result of a shadow so far.
	ShadowReport = authz.ShadowReport
)

// ReplayLine is one line of the answer to PathReplay: one of its members. Lines of
// progress come first, and the last line is a report or an error. An answer
// without one was cut short.
type ReplayLine struct {
	Progress *ReplayProgress   `json:"progress,omitempty"`
	Report   *authz.Comparison `json:"report,omitempty"`
	Error    *Problem          `json:"error,omitempty"`
}

// ReplayProgress is how far a replay is.
type ReplayProgress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"` // 0: not known
}
