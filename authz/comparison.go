package authz

import "time"

// Comparison is the result of judging decisions again with another policy or other data:
// in a replay of records, or in a shadow beside live traffic.
type Comparison struct {
	Policy PolicyRef `json:"policy"` // that judged anew
	// Compared is how many decisions were judged anew. AllowToDeny and DenyToAllow
	// count those that flip, Changed those that keep their outcome and say something
	// else about it.
	Compared    uint64 `json:"compared"`
	AllowToDeny uint64 `json:"allow_to_deny"`
	DenyToAllow uint64 `json:"deny_to_allow"`
	Changed     uint64 `json:"changed"`
	// NotJudged is how many decisions no policy could change, as their evidence proved no
	// subject.
	NotJudged uint64 `json:"not_judged"`
	// Masked is how many of those compared had parts of their input masked, so that
	// the policy saw less than it did then.
	Masked uint64 `json:"masked,omitzero"`
	// Skipped says how many could not be compared, by reason.
	Skipped []Skipped `json:"skipped,omitempty"`

	// The flips by reason code, edge and machine user, most first. A decision counts
	// under every code that it has on one side and not on the other.
	ByCode        []FlipGroup `json:"by_code,omitempty"`
	ByEdge        []FlipGroup `json:"by_edge,omitempty"`
	ByMachineUser []FlipGroup `json:"by_machine_user,omitempty"`
	Examples      []Flip      `json:"examples,omitempty"` // some of the flips, then of the changed
	// OtherGroups is how many further groups there are beyond the limit.
	OtherGroups uint64 `json:"other_groups,omitzero"`

	TookMS int64 `json:"took_ms,omitzero"`
}

// Flips is how many decisions changed their outcome.
func (c *Comparison) Flips() uint64 { return c.AllowToDeny + c.DenyToAllow }

// Skipped counts records that could not be compared for one reason.
type Skipped struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// FlipGroup counts the flips that have something in common.
type FlipGroup struct {
	Name        string   `json:"name"` // a code, an edge, a machine user
	AllowToDeny uint64   `json:"allow_to_deny"`
	DenyToAllow uint64   `json:"deny_to_allow"`
	Examples    []string `json:"examples"` // ids of some of the decisions
}

// Flip is one decision, then and now.
type Flip struct {
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	Subject     string    `json:"subject"`
	Service     string    `json:"service"`
	Action      string    `json:"action"`
	Was         Outcome   `json:"was"`
	Now         Outcome   `json:"now"`
	WasReasons  []Reason  `json:"was_reasons,omitempty"`
	NowReasons  []Reason  `json:"now_reasons,omitempty"`
	DataBehind  bool      `json:"data_behind,omitzero"` // judged by other data than then
	WasRevision uint64    `json:"was_revision"`
	NowRevision uint64    `json:"now_revision"`
}

// ShadowReport is the result of a shadow so far.
type ShadowReport struct {
	// Running is false after Stop. Without any shadow the report is zero.
	Running bool      `json:"running"`
	Policy  PolicyRef `json:"policy"`
	By      string    `json:"by,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"` // when it was stopped
	Sample  float64   `json:"sample"`         // above 0, up to 1

	// Offered is how many decisions were made meanwhile, Sampled how many of them
	// fell into the sample. Those were Judged, Dropped because the queue was full or
	// the shadow was stopped, or wait.
	Offered uint64 `json:"offered"`
	Sampled uint64 `json:"sampled"`
	Judged  uint64 `json:"judged"`
	Dropped uint64 `json:"dropped"`

	// Comparison is of those judged.
	Comparison Comparison `json:"comparison"`
}

// Values of ReplayRequest.Data that are no revision.
const (
	DataRecorded = "recorded" // what each decision saw; the default
	DataNow      = "now"      // the newest revision, for all
)

// DefaultReplayed is how many records are replayed by default.
const DefaultReplayed = 5000

// ReplayRequest says which recorded decisions to judge anew, by what and on what data.
type ReplayRequest struct {
	Filter RecordFilter `json:"filter,omitzero"`
	// Last bounds it to the newest records the filter selects; 0 means DefaultReplayed. Neither
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
