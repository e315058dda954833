package api

import "time"

// KeyRequest is the body of POST PathKeys.
type KeyRequest struct {
	Name string `json:"name"`
	// Roles are those the key is given. A key gives only roles it has itself.
	Roles     []string  `json:"roles"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
}

// Key is an API key as it is shown. Key, the secret, is present only in the
// answer to its creation.
type Key struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	Revoked   bool      `json:"revoked"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Key       string    `json:"key,omitempty"`
}

// KeyList is one page of API keys.
type KeyList struct {
	Items        []Key  `json:"items"`
	NextCursor   string `json:"next_cursor"`
	DataRevision uint64 `json:"data_revision"`
}
