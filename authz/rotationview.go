package authz

import (
	"encoding/json"
	"time"
)

// RotationView is a rotation as people watch it.
type RotationView struct {
	ID    string `json:"id"`    // of the rotation set
	Phase string `json:"phase"` // PhaseNone, or one of the other Phase constants
	// Advance is who takes the steps: auto, the server, as soon as there is evidence, or
	// manual, an operator. Left out before the first rotation.
	Advance string               `json:"advance,omitempty"`
	Steps   []RotationStepView   `json:"steps"`
	Members []RotationMemberView `json:"members"`
	// WaitingFor says what keeps the rotation from its next step, each to be read
	// after "waiting for"; empty when an advance would take it, or nothing runs.
	WaitingFor []string `json:"waiting_for"`
	// AdvanceError says why the server's last try to take the next step failed, though
	// there was evidence for it; it tries again. Left out when it did not fail.
	AdvanceError string `json:"advance_error,omitempty"`
	// QuietLeftS is how many seconds are left of the time that the old generations must be
	// unused. Only in PhaseDrain; left out when none are left.
	QuietLeftS int64 `json:"quiet_left_s,omitzero"`
	// Breaks are the members that an emergency left without a generation that they
	// have proved. A member leaves the list by proving its new one.
	Breaks []string `json:"breaks,omitempty"`
	// Revision is the data revision this was read or made at.
	Revision uint64 `json:"data_revision"`
}

// PhaseNone is the phase of a set that has never been rotated.
const PhaseNone = "none"

// RotationStepView is one step: as it was taken, waited in, or to come.
type RotationStepView struct {
	Step   string    `json:"step"`
	State  string    `json:"state"` // see the Step constants below
	At     time.Time `json:"at,omitzero"`
	Forced bool      `json:"forced,omitzero"`
}

// States of a step.
const (
	StepDone    = "done"
	StepWaiting = "waiting" // the rotation waits in it
	StepAhead   = "ahead"
)

// RotationMemberView is one machine user of a set: what it uses and what is waited for.
type RotationMemberView struct {
	MachineUser string `json:"machine_user"`
	// Light is one of the Light constants; left out in PhaseNone.
	Light       string    `json:"light,omitempty"`
	Old         []string  `json:"old"`                  // credential ids; while nothing runs yet, the accepted ones
	OldUsedAt   time.Time `json:"old_used_at,omitzero"` // the last use of any of Old
	OldUsedFrom string    `json:"old_used_from,omitempty"`
	New         string    `json:"new,omitempty"` // credential id
	NewUsedAt   time.Time `json:"new_used_at,omitzero"`
	NewUsedFrom string    `json:"new_used_from,omitempty"`
	WaitingFor  string    `json:"waiting_for,omitempty"` // to be read after "waiting for"
}

// Lights of a member. After an abort the generation that should no longer be used
// is the new one: green says it is not, amber that it is.
const (
	LightGreen = "green" // has proved its new generation and, in drain, left the old ones alone
	LightAmber = "amber" // has proved its new generation; the quiet time of its old ones is not over
	LightRed   = "red"   // has not proved its new generation, or can no longer use it
)

// RotationMaterial is what a member's new credential is known by, when it is no
// secret; see Credential for the fields.
type RotationMaterial struct {
	Keys     json.RawMessage `json:"keys,omitempty"` // public_key: a JWK Set
	Issuer   string          `json:"issuer,omitempty"`
	Names    []string        `json:"names,omitempty"` // certificate
	NotAfter time.Time       `json:"not_after,omitzero"`
}

// Actions of a rotation set.
const (
	RotationStart     = "start"
	RotationAdvance   = "advance"
	RotationForce     = "force"
	RotationAbort     = "abort"
	RotationEmergency = "emergency"
)
