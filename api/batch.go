package api

// BatchRequest is the body of PathBatch: several questions judged on one data
// snapshot by one policy generation. The members beside Items are defaults for
// every item; an item's own member replaces the default whole, nothing inside
// it is merged.
type BatchRequest struct {
	Credential *Credential    `json:"credential,omitempty"`
	Subject    *Subject       `json:"subject,omitempty"`
	Action     *Action        `json:"action,omitempty"`
	Resource   *Resource      `json:"resource,omitempty"`
	Context    map[string]any `json:"context,omitempty"`
	Explain    Explain        `json:"explain,omitempty"`
	// AtLeast holds for the whole batch, since it has one snapshot.
	AtLeast uint64 `json:"at_least,omitzero"`
	// Semantics says when the batch stops; empty is execute_all.
	Semantics Semantics   `json:"semantics,omitempty"`
	Items     []BatchItem `json:"items"` // 1 to 1000
}

// BatchItem is one question of a batch. A member left out, or null, is the
// batch's; an empty context replaces the batch's.
type BatchItem struct {
	Credential *Credential    `json:"credential,omitempty"`
	Subject    *Subject       `json:"subject,omitempty"`
	Action     *Action        `json:"action,omitempty"`
	Resource   *Resource      `json:"resource,omitempty"`
	Context    map[string]any `json:"context,omitzero"`
	Explain    Explain        `json:"explain,omitempty"`
}
