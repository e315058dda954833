package authz

import "time"

// GuardList is the guards of the active generation.
type GuardList struct {
	Items []GuardMode `json:"items"` // by name
}

// GuardMode is one guard with its mode.
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

// ModeEvidence counts what a guard denied, or would have, in the newest recorded decisions:
// what a stricter mode would change.
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
