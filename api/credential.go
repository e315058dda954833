package api

import "time"

// SecretRequest is the body of POST PathSecrets: a new generation of a machine
// user's shared secret.
type SecretRequest struct {
	MachineUser string `json:"machine_user"`
	// ID of the new credential; empty derives one from machine user and generation.
	ID string `json:"id,omitempty"`
	// NotAfter is when it expires; zero leaves it to the age its tier allows.
	NotAfter time.Time `json:"not_after,omitzero"`
}

// NewSecret answers PathSecrets. It is the one answer that has the secret.
type NewSecret[E any] struct {
	Credential E      `json:"credential"`
	Secret     string `json:"secret"`
}

// Naming says what a revocation or a renewal is of: By and Of; or for a token, an
// issuer key or a certificate Issuer and Name; or for a token the Token itself.
type Naming struct {
	By     string `json:"by"`
	Of     string `json:"of,omitempty"`
	Issuer string `json:"issuer,omitempty"`
	Name   string `json:"name,omitempty"`
	// Token, with by token, is the token itself. It is verified and not kept.
	Token  string `json:"token,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// RevokeRequest is the body of POST PathRevoke. Revoking a credential also puts it
// in the state revoked, in the same write.
type RevokeRequest struct {
	Naming
	// IssuedBefore limits it to tokens issued before; zero is all.
	IssuedBefore time.Time `json:"issued_before,omitzero"`
	// Until is when the entry ends by itself; of a token given whole it is when the
	// token expires, else zero never ends.
	Until time.Time `json:"until,omitzero"`
}

// RenewRequest is the body of POST PathRenew: tokens issued before IssuedBefore
// (zero: now) are to be renewed by Deadline, or within so many seconds.
type RenewRequest struct {
	Naming
	IssuedBefore time.Time `json:"issued_before,omitzero"`
	Deadline     time.Time `json:"deadline,omitzero"`
	WithinS      int       `json:"within_s,omitzero"`
	Until        time.Time `json:"until,omitzero"`
}

// Listing answers PathRevoke and PathRenew: the entry as it was written.
type Listing[E any] struct {
	Entry        E      `json:"entry"`
	DataRevision uint64 `json:"data_revision"`
}
