package authz

import "time"

// Credential is a long-lived proof of a machine user, with a generation. No
// policy sees it; Verdict never stores the secret itself.
type Credential struct {
	Header
	MachineUser  string    `json:"machine_user"`
	Kind         string    `json:"kind"`       // shared_secret, public_key, certificate, federated
	Generation   int       `json:"generation"` // 1, 2, 3 ...
	State        string    `json:"state"`      // pending, active, retiring, revoked, expired
	NotBefore    time.Time `json:"not_before,omitzero"`
	NotAfter     time.Time `json:"not_after,omitzero"`
	LastUsedAt   time.Time `json:"last_used_at,omitzero"`
	LastUsedFrom string    `json:"last_used_from,omitempty"`
	noExpiry
}

// Collection is Credentials.
func (*Credential) Collection() Collection { return Credentials }

// Field implements Entity.
func (c *Credential) Field(name string) string {
	switch name {
	case "machine_user":
		return c.MachineUser
	case "kind":
		return c.Kind
	case "state":
		return c.State
	}
	return ""
}

// Normalize makes a state left out active and a generation left out the first.
func (c *Credential) Normalize() {
	defaultTo(&c.State, StateActive)
	if c.Generation == 0 {
		c.Generation = 1
	}
}

// Validate implements Entity.
func (c *Credential) Validate() error {
	return firstError(
		ValidateID("id", c.ID),
		ValidateID("machine_user", c.MachineUser),
		validateOneOf("kind", c.Kind, "shared_secret", "public_key", "certificate", "federated"),
		validateRange("generation", c.Generation, 1, 1<<30),
		validateOneOf("state", c.State, "pending", StateActive, "retiring", "revoked", StateExpired),
		validateText("last_used_from", c.LastUsedFrom),
	)
}
