package api

import "github.com/verdict-pdp/verdict/authz"

// StartRotation is the body of the start of a rotation. Shared secrets are made by
// Verdict; of other kinds each member's new key or names are given.
type StartRotation struct {
	// Advance is who takes the further steps: auto, the server, as soon as there is
	// evidence, or manual, an operator.
	Advance string              `json:"advance,omitempty"`
	Members map[string]Material `json:"members,omitempty"` // by machine user
}

// StartedRotation answers the start. It is the one answer that has the secrets.
type StartedRotation struct {
	Rotation Rotation          `json:"rotation"`
	Secrets  map[string]string `json:"secrets,omitempty"` // by machine user
}

// Nouns of a rotation, as authz has them.
type (
	// Material is what the new credential of one member is known by.
	Material = authz.RotationMaterial
	// Rotation is the state of a set's rotation.
	Rotation = authz.RotationView
)
