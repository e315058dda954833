package authz

import (
	"context"
	"encoding/json"
	"time"
)

// Entry is one decision as the pipeline passes it to a Recorder. It is shared: what it
// refers to must not be changed.
type Entry struct {
	// Question is what the policy was asked; of evidence at fault, what it would
	// have been asked.
	Question Question
	// Judged is set when a policy was evaluated. Otherwise the evidence proved no subject,
	// or no policy was active, and no policy could have decided otherwise.
	Judged   bool
	Decision Decision
	Caller   string // id of the API key that asked: the enforcement point
	Took     time.Duration
}

// Size is about how many bytes of memory e holds: what callers and policies choose the size
// of is counted, and 3 KiB stand for the rest.
func (e *Entry) Size() int64 {
	q := &e.Question
	n := 3<<10 + sizeOf(q.Context) + sizeOf(q.Subject.Properties) + sizeOf(q.Action.Properties) + sizeOf(q.Resource.Properties)
	n += int64(len(q.Action.Name) + len(q.Resource.ID) + len(q.Subject.ID))
	for _, reasons := range [...][]Reason{e.Decision.Reasons, e.Decision.WouldDeny} {
		for i := range reasons {
			n += int64(len(reasons[i].Message)+len(reasons[i].Fix)) + 128 + sizeOf(reasons[i].Details)
		}
	}
	for _, duties := range [...][]Duty{e.Decision.Obligations, e.Decision.Advice} {
		for _, duty := range duties {
			n += sizeOf(map[string]any(duty))
		}
	}
	return n
}

// sizeOf is about how many bytes of memory decoded JSON refers to.
func sizeOf(v any) (n int64) {
	switch v := v.(type) {
	case string:
		return int64(len(v))
	case map[string]any:
		for name, member := range v {
			n += int64(len(name)) + 48 + sizeOf(member)
		}
	case []any:
		for _, element := range v {
			n += 16 + sizeOf(element)
		}
	}
	return n
}

// Kinds of Record.
const (
	RecordDecision = "decision"
	RecordLoss     = "loss"   // stands for records that were lost, and says how many
	RecordIntent   = "intent" // announces a change; its outcome is a RecordChange with the same id
	RecordChange   = "change" // the outcome of a change
)

// Record is one decision as the log stores it. Nothing in it is a token or a secret.
type Record struct {
	Seq  uint64    `json:"seq"` // dense, from 1
	Kind string    `json:"kind"`
	ID   string    `json:"id,omitempty"` // of the decision
	At   time.Time `json:"at"`           // when it was decided

	Decision Outcome `json:"decision"`
	// Subject is the machine user proved; empty when none was.
	Subject      string    `json:"subject,omitempty"`
	Credential   string    `json:"credential,omitempty"`
	Action       string    `json:"action,omitempty"`
	Service      string    `json:"service,omitempty"`
	Caller       string    `json:"caller,omitempty"`
	Policy       PolicyRef `json:"policy"`
	DataRevision uint64    `json:"data_revision,omitzero"`
	Trust        Trust     `json:"trust"`
	Judged       bool      `json:"judged"` // see Entry
	// Withheld marks an intent or a change of which only its place in the chain is
	// told: Seq, Kind, At, ChangeNumber, Prev and Hash. Hash is that of the whole record.
	Withheld bool `json:"withheld,omitzero"`
	// ChangeNumber is the number of a withheld change; of a whole one its Change has it.
	ChangeNumber uint64 `json:"change_number,omitzero"`
	// Places is how many records a withheld one stands for, when it is more than itself:
	// a run of intents and changes that are no longer kept, of which it is the last. Prev
	// is that of the first.
	Places uint64 `json:"places,omitzero"`

	LatencyUS  int64      `json:"latency_us,omitzero"`
	Durability Durability `json:"durability,omitempty"`

	// Input is the policy's input document (see Question) after masking. It is absent
	// when InputError says why.
	Input json.RawMessage `json:"input,omitempty"`
	// Masked lists the JSON pointers that were removed or replaced, sorted.
	Masked []string `json:"masked,omitempty"`
	// InputError says why the record has no input: it could not be masked.
	InputError string `json:"input_error,omitempty"`
	// Result is the Decision, as JSON, after masking.
	Result json.RawMessage `json:"result,omitempty"`

	// Lost is how many records a loss stands for.
	Lost uint64 `json:"lost,omitzero"`
	// Change is what an intent or a change is about.
	Change *AuditedChange `json:"change,omitempty"`

	// Prev is the hash of the record before this one, Hash that of this one: lower-case
	// hex SHA-256 of this record's JSON without hash.
	Prev string `json:"prev"`
	Hash string `json:"hash,omitempty"`
}

// First is the number of the first record that r stands for: Seq, but for a withheld
// record with Places.
func (r *Record) First() uint64 {
	if !r.Withheld || r.Places < 2 || r.Places > r.Seq {
		return r.Seq
	}
	return r.Seq - r.Places + 1
}

// Edge is the edge a record is about, "mu:user-svc>svc:email"; "" when no machine
// user was proved.
func (r *Record) Edge() string {
	if r.Subject == "" || r.Service == "" {
		return ""
	}
	return r.Subject + ">" + r.Service
}

// RecordFilter selects records. Zero members select all; given ones all hold.
type RecordFilter struct {
	Outcome    string    `json:"outcome,omitempty"` // allow or deny
	Code       string    `json:"code,omitempty"`    // among reasons or would_deny
	Guard      string    `json:"guard,omitempty"`   // among reasons or would_deny
	Subject    string    `json:"subject,omitempty"`
	Service    string    `json:"service,omitempty"`
	Action     string    `json:"action,omitempty"`
	Caller     string    `json:"caller,omitempty"`
	Edge       string    `json:"edge,omitempty"` // "mu:user-svc>svc:email"
	Generation uint64    `json:"generation,omitzero"`
	From       time.Time `json:"from,omitzero"` // at or after
	To         time.Time `json:"to,omitzero"`   // before
}

// Recorder stores decisions. When it returns nil every entry is as durable as its
// Decision.Durability says.
type Recorder interface {
	Record(context.Context, []Entry) error
}

// Mask is one change of a record that a policy wants before it is stored, in the
// form of OPA's decision log masks.
type Mask struct {
	Op    string // MaskRemove or MaskUpsert
	Path  string // JSON pointer below /input or /result
	Value any    // for MaskUpsert
}

// Operations of a Mask.
const (
	MaskRemove = "remove"
	MaskUpsert = "upsert"
)

// RecordPage is one page of records.
type RecordPage = LogPage[Record]
