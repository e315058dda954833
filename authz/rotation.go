package authz

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// RotationSets are groups of machine users whose credentials are rotated together.
const RotationSets Collection = "rotation_sets"

var rotationSetKind = Kind{
	Collection: RotationSets, Code: 13, New: func() Entity { return new(RotationSet) },
	One: "rotation set", About: "Machine users whose credentials are rotated together.",
	Filters: []string{"owner"},
	Columns: []string{"members", "kind", "shared", "quiet_s", "owner"},
}

// RotationSet is machine users whose credentials of one kind are rotated
// together: a pair, a trio, or more.
type RotationSet struct {
	Header
	Members []string `json:"members"`         // machine user ids, in the order they are shown
	Kind    string   `json:"kind"`            // shared_secret, public_key or certificate
	Shared  bool     `json:"shared,omitzero"` // one secret for all members; only of shared_secret
	// QuietS is how long every old generation must be unused before it may be
	// retired, in seconds; 0 means 600.
	QuietS int    `json:"quiet_s,omitzero"`
	Owner  string `json:"owner,omitempty"`
	noExpiry
}

// MaxRotationMembers bounds RotationSet.Members.
const MaxRotationMembers = 50

// Collection is RotationSets.
func (*RotationSet) Collection() Collection { return RotationSets }

// Field implements Entity.
func (s *RotationSet) Field(name string) string {
	if name == "owner" {
		return s.Owner
	}
	return ""
}

// Normalize makes a kind left out shared_secret and a quiet time left out 600 s.
func (s *RotationSet) Normalize() {
	defaultTo(&s.Kind, KindSharedSecret)
	if s.QuietS == 0 {
		s.QuietS = 600
	}
}

// Validate implements Entity.
func (s *RotationSet) Validate() error {
	err := firstError(
		ValidateID("id", s.ID),
		validateOneOf("kind", s.Kind, KindSharedSecret, KindPublicKey, KindCertificate),
		validateRange("quiet_s", s.QuietS, 1, 30*24*3600),
		validateText("owner", s.Owner),
		validateIDs("members", s.Members),
	)
	if err != nil {
		return err
	}
	if len(s.Members) == 0 {
		return Invalid("members", "is required: the machine users that rotate together")
	}
	if len(s.Members) > MaxRotationMembers {
		return Invalid("members", "has more than "+strconv.Itoa(MaxRotationMembers)+" entries")
	}
	for i, member := range s.Members {
		if slices.Contains(s.Members[:i], member) {
			return Invalid("members["+strconv.Itoa(i)+"]", "is a member already")
		}
	}
	if s.Shared && s.Kind != KindSharedSecret {
		return Invalid("shared", "is for shared_secret: nobody shares a private key")
	}
	return nil
}

// Phases of a rotation. Prepare, switch and retire are steps that happen at once;
// what a rotation waits in is one of these.
const (
	PhasePropagate = "propagate" // both generations valid; waits until every member has proved the new one
	PhaseDrain     = "drain"     // new preferred; waits until every old one has been unused for quiet_s
	PhaseDone      = "done"      // old retired
	PhaseAborted   = "aborted"   // old preferred again
)

// Steps of a rotation, in order; abort may end it in between.
const (
	StepPrepare   = "prepare"
	StepPropagate = "propagate"
	StepSwitch    = "switch"
	StepDrain     = "drain"
	StepRetire    = "retire"
	StepAbort     = "abort"
	StepEmergency = "emergency" // the old generations were revoked at once
)

// Who takes the next step of a running rotation.
const (
	AdvanceAuto   = "auto"   // the server, as soon as there is evidence for it
	AdvanceManual = "manual" // an operator, who asks for each
)

// Rotations are the current, or last, rotations of sets.
const Rotations Collection = "rotations"

var rotationKind = Kind{
	Collection: Rotations, Code: 14, New: func() Entity { return new(Rotation) },
	One: "rotation", About: "How far the current, or else the last, rotation of a set is. Its steps write it.",
	Filters: []string{"phase"},
	Columns: []string{"phase", "kind", "quiet_s"},
	NotPut:  writtenByItsSteps, NotDeleted: writtenByItsSteps,
}

const writtenByItsSteps = "rotations are written by their steps alone"

// Rotation is how far the current, or else the last, rotation of a set is. Its id
// is the set's. Only Verdict writes it.
type Rotation struct {
	Header
	Phase  string `json:"phase"`
	Kind   string `json:"kind"`
	QuietS int    `json:"quiet_s"`
	// Advance is who takes the further steps: auto, the server, or manual, an operator.
	// Empty means manual: the rotation was started before there was the choice.
	Advance string           `json:"advance,omitempty"`
	Members []RotationMember `json:"members"`
	Steps   []RotationStep   `json:"steps"` // done so far, oldest first
	noExpiry
}

// RotationMember is one machine user of a rotation: the credentials on their way
// out and the one that replaces them.
type RotationMember struct {
	MachineUser string   `json:"machine_user"`
	Old         []string `json:"old"` // credential ids; empty when it had none
	New         string   `json:"new"`
}

// RotationStep is one step that was taken.
type RotationStep struct {
	Step   string    `json:"step"`
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"` // id of the API key that asked for it
	Forced bool      `json:"forced,omitzero"`
}

// Collection is Rotations.
func (*Rotation) Collection() Collection { return Rotations }

// Field implements Entity.
func (r *Rotation) Field(name string) string {
	if name == "phase" {
		return r.Phase
	}
	return ""
}

// Normalize does nothing.
func (*Rotation) Normalize() {}

// Running reports whether the rotation has not ended.
func (r *Rotation) Running() bool { return RunningPhase(r.Phase) }

// RunningPhase reports whether a rotation in phase has not ended.
func RunningPhase(phase string) bool { return phase == PhasePropagate || phase == PhaseDrain }

// Validate implements Entity.
func (r *Rotation) Validate() error {
	err := firstError(
		ValidateID("id", r.ID),
		validateOneOf("phase", r.Phase, PhasePropagate, PhaseDrain, PhaseDone, PhaseAborted),
		validateOneOf("kind", r.Kind, KindSharedSecret, KindPublicKey, KindCertificate),
		validateRange("quiet_s", r.QuietS, 1, 30*24*3600),
		validateOneOf("advance", cmp.Or(r.Advance, AdvanceManual), AdvanceAuto, AdvanceManual),
	)
	if err != nil {
		return err
	}
	if len(r.Members) == 0 || len(r.Members) > MaxRotationMembers {
		return Invalid("members", "must be 1 to "+strconv.Itoa(MaxRotationMembers))
	}
	for i, member := range r.Members {
		at := "members[" + strconv.Itoa(i) + "]."
		if err := firstError(ValidateID(at+"machine_user", member.MachineUser), ValidateID(at+"new", member.New), validateIDs(at+"old", member.Old)); err != nil {
			return err
		}
	}
	if len(r.Steps) > 100 {
		return Invalid("steps", "has more than 100 entries")
	}
	for i, step := range r.Steps {
		at := "steps[" + strconv.Itoa(i) + "]."
		if err := firstError(validateOneOf(at+"step", step.Step, StepPrepare, StepPropagate, StepSwitch, StepDrain, StepRetire, StepAbort, StepEmergency), validateOptionalID(at+"by", step.By)); err != nil {
			return err
		}
	}
	return nil
}
