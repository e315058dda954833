package authz

import (
	"strconv"
	"time"
)

// SubjectMachineUser is the one subject type of the native API.
const SubjectMachineUser = "machine_user"

// ResourceService is the one resource type of the native API.
const ResourceService = "service"

// Subject is the party a decision is about, e.g. {"type":"machine_user","id":"mu:user-svc"}.
type Subject struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Action is what the subject wants to do, e.g. {"name":"email.send"}.
type Action struct {
	Name       string         `json:"name"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Resource is what it wants to do it to, e.g. {"type":"service","id":"svc:email"}.
type Resource struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Explain is how much detail a decision has.
type Explain string

// Explain values; empty means reasons.
const (
	ExplainNone    Explain = "none"
	ExplainReasons Explain = "reasons"
	// ExplainFull adds which rules held, what was read, and what would have to
	// change. It costs a multiple of a decision.
	ExplainFull Explain = "full"
)

// Request is one question, with who asks it.
type Request struct {
	Caller   Caller
	Evidence Evidence
	Subject  *Subject // optional; the evidence decides, and a conflict denies
	Action   Action
	Resource Resource
	Context  map[string]any
	// AtLeast is the data revision the answer must include; 0 asks for none.
	AtLeast uint64
	Explain Explain
	// At is the time to judge at. Only a simulation sets it; zero means now.
	At time.Time
	// Simulated requests are hypothetical: they are not recorded.
	Simulated bool
}

// Validate checks what every surface must check before deciding. The error
// names the JSON member.
func (r *Request) Validate() error {
	if err := r.Evidence.validate(); err != nil {
		return err
	}
	if r.Subject != nil {
		if err := firstError(ValidateID("subject.id", r.Subject.ID), validateOneOf("subject.type", r.Subject.Type, SubjectMachineUser)); err != nil {
			return err
		}
	}
	if err := r.validateSize(); err != nil {
		return err
	}
	if !r.At.IsZero() && !r.Simulated {
		return Invalid("context.time", "is only taken by a simulation")
	}
	return firstError(
		ValidateID("action.name", r.Action.Name),
		validateOneOf("resource.type", r.Resource.Type, ResourceService),
		ValidateID("resource.id", r.Resource.ID),
		validateExplain(r.Explain),
	)
}

// Permitted returns an error for a question that the caller's roles do not allow. The pipeline asks it of
// every question. A simulation needs its own role and no other, since nothing is let
// through by it.
func (r *Request) Permitted() error {
	if err := r.Caller.MayAsk(r.Simulated); err != nil || r.Simulated {
		return err
	}
	if len(r.Evidence.Claims) > 0 {
		if err := r.Caller.mayVouch(RoleAssertClaims, "credential.claims", "send the token"); err != nil {
			return err
		}
	}
	if c := r.Evidence.Certificate; c != nil && c.Asserted {
		return r.Caller.mayVouch(RoleAssertCertificates, "credential.certificate", "ask with a key that has it")
	}
	return nil
}

// MaxValues bounds the JSON values, at every depth, in context and in each of the
// properties: policies get them anew for every item of a batch.
const MaxValues = 1000

func (r *Request) validateSize() error {
	type part struct {
		field  string
		values map[string]any
	}
	parts := []part{{"action.properties", r.Action.Properties}, {"resource.properties", r.Resource.Properties}, {"context", r.Context}}
	if r.Subject != nil {
		parts = append(parts, part{"subject.properties", r.Subject.Properties})
	}
	for _, p := range parts {
		if countValues(p.values, MaxValues) > MaxValues {
			return &Error{Code: CodeTooLarge, Field: p.field, Message: "has more than " + strconv.Itoa(MaxValues) + " values; send what the policies need"}
		}
	}
	return nil
}

// countValues counts v and the values in it, and stops counting above most.
func countValues(v any, most int) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if n += countValues(member, most-n); n > most {
				return n
			}
		}
	case []any:
		for _, element := range v {
			if n += countValues(element, most-n); n > most {
				return n
			}
		}
	}
	return n
}

func validateExplain(e Explain) error {
	switch e {
	case "", ExplainNone, ExplainReasons, ExplainFull:
		return nil
	}
	return Invalid("explain", "is "+strconv.Quote(string(e))+"; it must be none, reasons or full")
}

// Semantics says when a batch stops.
type Semantics string

// Batch semantics, as in AuthZEN 1.0.
const (
	ExecuteAll          Semantics = "execute_all" // the default
	DenyOnFirstDeny     Semantics = "deny_on_first_deny"
	PermitOnFirstPermit Semantics = "permit_on_first_permit"
)

// Validate accepts the three semantics and empty.
func (s Semantics) Validate() error {
	switch s {
	case "", ExecuteAll, DenyOnFirstDeny, PermitOnFirstPermit:
		return nil
	}
	return Invalid("semantics", "is "+strconv.Quote(string(s))+"; it must be execute_all, deny_on_first_deny or permit_on_first_permit")
}

// StopsAfter reports whether a batch ends with this outcome.
func (s Semantics) StopsAfter(o Outcome) bool {
	return s == DenyOnFirstDeny && o != Allow || s == PermitOnFirstPermit && o == Allow
}

// MaxBatch is how many items one batch may have.
const MaxBatch = 1000

// Batch is several questions judged on one data snapshot by one policy
// generation. Items are whole requests: surfaces have applied the defaults.
type Batch struct {
	Items     []Request
	Semantics Semantics
	AtLeast   uint64
}
