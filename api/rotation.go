package api

import (
	"encoding/json"
	"time"
)

// Actions of a rotation set: POST PathRotationSets + id + "/" + action.
const (
	RotationStart     = "start"
	RotationAdvance   = "advance"
	RotationForce     = "force"
	RotationAbort     = "abort"
	RotationEmergency = "emergency"
)

// StartRotation is the body of the start of a rotation. Shared secrets are made by
// Verdict; of other kinds each member's new key or names are given.
type StartRotation struct {
	Members map[string]Material `json:"members,omitempty"` // by machine user
}

// Material is what the new credential of one member is known by.
type Material struct {
	Keys     json.RawMessage `json:"keys,omitempty"` // public_key: a JWK Set
	Issuer   string          `json:"issuer,omitempty"`
	Names    []string        `json:"names,omitempty"` // certificate
	NotAfter time.Time       `json:"not_after,omitzero"`
}

// StartedRotation answers the start. It is the one answer that has the secrets.
type StartedRotation struct {
	Rotation Rotation          `json:"rotation"`
	Secrets  map[string]string `json:"secrets,omitempty"` // by machine user
}

// States of a RotationStep, and lights of a RotationMember.
const (
	StepDone    = "done"
	StepWaiting = "waiting"
	StepAhead   = "ahead"

	LightGreen = "green" // has proved the new generation and no longer uses the old
	LightAmber = "amber" // has proved the new one and used the old recently
	LightRed   = "red"   // has not proved the new one
)

// Rotation is how far the rotation of a set is.
type Rotation struct {
	ID      string           `json:"id"`
	Phase   string           `json:"phase"` // none, propagate, drain, done, aborted
	Steps   []RotationStep   `json:"steps"`
	Members []RotationMember `json:"members"`
	// WaitingFor says what keeps the rotation from its next step, each to be read
	// after "waiting for"; empty when an advance would take it, or nothing runs.
	WaitingFor []string `json:"waiting_for"`
	// QuietLeftS is for how many seconds the old generations must yet be unused; left
	// out when they have been, or it is not time yet.
	QuietLeftS int64 `json:"quiet_left_s,omitzero"`
	// Breaks, after an emergency, are the members that have not proved the new
	// generation: they cannot authenticate until they use it.
	Breaks       []string `json:"breaks,omitempty"`
	DataRevision uint64   `json:"data_revision"`
}

// RotationStep is one step of the stepper.
type RotationStep struct {
	Step   string    `json:"step"`  // prepare, propagate, switch, drain, retire; abort, emergency
	State  string    `json:"state"` // done, waiting, ahead
	At     time.Time `json:"at,omitzero"`
	Forced bool      `json:"forced,omitzero"`
}

// RotationMember is one machine user of the set.
type RotationMember struct {
	MachineUser string    `json:"machine_user"`
	Light       string    `json:"light,omitempty"` // green, amber, red
	Old         []string  `json:"old"`             // credential ids
	OldUsedAt   time.Time `json:"old_used_at,omitzero"`
	OldUsedFrom string    `json:"old_used_from,omitempty"`
	New         string    `json:"new,omitempty"`
	NewUsedAt   time.Time `json:"new_used_at,omitzero"`
	NewUsedFrom string    `json:"new_used_from,omitempty"`
	WaitingFor  string    `json:"waiting_for,omitempty"` // to be read after "waiting for"
}
