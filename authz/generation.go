package authz

import (
	"regexp"
	"time"
)

// States of a Generation.
const (
	GenerationCandidate = "candidate" // passed the gate, was never active
	GenerationActive    = "active"
	GenerationKept      = "kept" // was active, can be rolled back to
)

// Generation is one policy set that passed the gate: bundles with disjoint roots.
// Numbers are dense, from 1, and never used again.
type Generation struct {
	Number  uint64      `json:"generation"`
	Digest  string      `json:"digest"` // of what it evaluates, as in PolicyRef
	State   string      `json:"state"`
	Bundles []BundleRef `json:"bundles"` // by name
	// Author is the API key that pushed it, or the source it was pulled from.
	Author  string    `json:"author"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
	// ActivatedAt and ActivatedBy say when and by whom it last became active.
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	ActivatedBy string    `json:"activated_by,omitempty"`
	// Change and ActivatedChange are the ids of the changes that made it and that last
	// made it active, as the audit has them; empty for what the node did by itself.
	Change          string      `json:"change,omitempty"`
	ActivatedChange string      `json:"activated_change,omitempty"`
	Gate            *GateReport `json:"gate,omitempty"`
}

// Ref names the generation as decisions do.
func (g *Generation) Ref() PolicyRef { return PolicyRef{Generation: g.Number, Digest: g.Digest} }

// BundleRef is one bundle of a generation.
type BundleRef struct {
	Name     string   `json:"name"`   // see ValidateBundleName
	Digest   string   `json:"digest"` // "sha256:<hex>" of the file; also its ETag
	Bytes    int64    `json:"bytes"`
	Revision string   `json:"revision,omitempty"` // of its manifest
	Roots    []string `json:"roots"`
	Source   string   `json:"source"`              // one of the Source constants, or a URL
	SignedBy string   `json:"signed_by,omitempty"` // id of the key; empty when it is not signed
	SignedAt int64    `json:"signed_at,omitzero"`  // its iat, Unix seconds
}

// DefaultBundleSize is how many bytes a packed bundle may have when nothing else is
// configured.
const DefaultBundleSize = 16 << 20

var bundleName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// ValidateBundleName returns an error for what cannot be the name of a bundle. It is the
// only rule for names: every room that takes one calls it. The error names field.
func ValidateBundleName(field, name string) error {
	if !bundleName.MatchString(name) {
		return Invalid(field, `must be 1 to 64 of a-z, 0-9, "-", "_" and ".", with a letter or digit first`)
	}
	return nil
}

// BundleList is the bundles of the active generation.
type BundleList struct {
	Generation uint64      `json:"generation"`
	Digest     string      `json:"digest"`
	Bundles    []BundleRef `json:"bundles"`
}

// GenerationList is generations that are kept.
type GenerationList struct {
	Items  []Generation `json:"items"` // newest first
	Active uint64       `json:"active"`
}

// Difference is what differs between two generations.
type Difference struct {
	From  uint64     `json:"from"`
	To    uint64     `json:"to"`
	Files []FileDiff `json:"files"`
	// Decisions is what To makes of the newest decisions beside what From makes of them;
	// null when none were compared.
	Decisions *Comparison `json:"decisions"`
}

// FileDiff is one file that differs between two policy sets.
type FileDiff struct {
	Bundle string `json:"bundle"`
	Path   string `json:"path"` // within the bundle
	Change string `json:"change"`
	// Lines is the difference in unified form, cut off where it is long. It is
	// empty for files that are not text, for very large ones, and once the limit of the
	// whole difference is reached.
	Lines string `json:"lines,omitempty"`
}

// Changes of a file from one set to another.
const (
	FileAdded   = "added"
	FileRemoved = "removed"
	FileChanged = "changed"
)

// Sources of a bundle that are no URL.
const (
	SourceBuiltIn = "built-in" // the base policies in the binary
	SourceFolder  = "folder"   // a folder that is watched
	SourcePush    = "push"     // PUT /v1/bundles/{name}
	SourceModes   = "modes"    // the modes set over the bundles' own
)

// TableSuffix is how the names of decision tables end: files of a bundle that test it and
// that no policy sees.
const TableSuffix = "_table.yaml"

// Names of bundles that Verdict makes itself.
const (
	BaseBundle  = "base"
	ModesBundle = "modes"
)

// GateReport is what the gate found before a generation could be activated.
type GateReport struct {
	Steps []GateStep `json:"steps"`
	// Tests is how many of the bundle's own tests passed, Rows how many rows of its
	// decision tables.
	Tests int `json:"tests"`
	Rows  int `json:"rows,omitzero"`
	// Replay is what the generation would have made of recorded decisions; nil when
	// none were replayed.
	Replay *Comparison `json:"replay,omitempty"`
}

// Steps of the gate, in order.
const (
	GateRead      = "read"      // limits, format
	GateSignature = "signature" // keys, files, order
	GateCompile   = "compile"   // parse, capabilities, strict, roots, conflicts, lint
	GateTest      = "test"      // the bundle's own tests and decision tables
	GateReplay    = "replay"    // recorded decisions
)

// GateStep is one step of the gate.
type GateStep struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Skipped says why a step had nothing to do; empty when it had.
	Skipped string `json:"skipped,omitempty"`
	TookMS  int64  `json:"took_ms"`
}

// PolicyStatus is the state of a node's policy set.
type PolicyStatus struct {
	Active PolicyRef `json:"active"`
	// Previous is what a rollback without a number goes back to; zero when nothing.
	Previous uint64         `json:"previous,omitzero"`
	Sources  []SourceStatus `json:"sources,omitempty"`
	// Failures are the last failures, newest first, until something of the same name
	// succeeds: of pushes, of pulls, and of a start that fell back.
	Failures []PolicyFailure `json:"failures,omitempty"`
}

// SourceStatus is the state of a source that bundles are pulled from.
type SourceStatus struct {
	Name   string `json:"name"` // of the bundle
	Source string `json:"source"`
	// ETag is that of the version last activated; one that failed is asked for again.
	ETag        string    `json:"etag,omitempty"`
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	Error       string    `json:"error,omitempty"` // of the last attempt
	NextAttempt time.Time `json:"next_attempt,omitzero"`
}

// PolicyFailure is a bundle that was refused or could not be fetched.
type PolicyFailure struct {
	Name     string    `json:"name"` // of the bundle
	At       time.Time `json:"at"`
	Step     string    `json:"step"` // of the gate, or "start" or "fetch"
	Author   string    `json:"author,omitempty"`
	Source   string    `json:"source,omitempty"` // of the bundle; empty for a generation
	Message  string    `json:"message"`
	Problems []Problem `json:"problems,omitempty"`
}

// Pushed reports whether what failed was pushed. The caller of a push has its error, and
// the operator need not act, unlike when a source or a start fails.
func (f *PolicyFailure) Pushed() bool { return f.Source == SourcePush }
