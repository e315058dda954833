package api

import "encoding/json"

// DecideRequest is the body of PathDecide and PathSimulate.
type DecideRequest struct {
	Credential *Credential `json:"credential,omitempty"`
	// Subject is optional: what the credential proves wins, a conflict denies.
	Subject  *Subject  `json:"subject,omitempty"`
	Action   *Action   `json:"action,omitempty"`
	Resource *Resource `json:"resource,omitempty"`
	// Context is what the caller knows of the call, such as source_ip. In a
	// simulation, context.time (RFC 3339) is the time to judge at.
	Context map[string]any `json:"context,omitempty"`
	// AtLeast is the data revision the answer must include; 0 asks for none.
	AtLeast uint64 `json:"at_least,omitzero"`
	// Explain is "none" or "reasons"; empty means reasons.
	Explain string `json:"explain,omitempty"`
}

// Credential is the proof of the subject: exactly one member is given.
type Credential struct {
	Token string `json:"token,omitempty"`
	// Claims are a JSON object the caller has verified itself. It needs a key
	// that may assert claims.
	Claims json.RawMessage `json:"claims,omitempty"`
}

// Subject is who asks for access, e.g. {"type":"machine_user","id":"mu:user-svc"}.
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
