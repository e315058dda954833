package authz

// VerifyReport is the result of verifying a chain. The chain is whole when every record
// from From to To is there, as it was written, and follows the one before it.
//
// A chain does not show that all of it was rewritten from some record on. To detect that,
// store HeadHash and To elsewhere, and compare.
type VerifyReport struct {
	OK       bool   `json:"ok"` // there are no problems
	From     uint64 `json:"from,omitzero"`
	To       uint64 `json:"to,omitzero"`
	Records  uint64 `json:"records"` // read
	Losses   uint64 `json:"losses"`  // of the records, those that stand for lost ones
	Lost     uint64 `json:"lost"`    // records that losses stand for
	HeadHash string `json:"head_hash,omitempty"`
	// Changes are the intents and changes that were read, from the number ChangesFrom
	// to ChangesTo, those whose neighbours are no longer kept among them. ChangeHash is
	// the hash of the last: keep it as HeadHash.
	Changes     uint64 `json:"changes,omitzero"`
	ChangesFrom uint64 `json:"changes_from,omitzero"`
	ChangesTo   uint64 `json:"changes_to,omitzero"`
	ChangeHash  string `json:"change_hash,omitempty"`
	// Withheld is how many of the records are intents and changes of which there was
	// their place in the chain alone: their content was not verified. WithheldTo is the
	// number of the last of them, among changes. That they are changes is, in an export,
	// what the export says.
	Withheld   uint64 `json:"withheld,omitzero"`
	WithheldTo uint64 `json:"withheld_to,omitzero"`
	// LeftOut is how many of the withheld have no place of their own any more: of each run
	// of them the last is kept, with the hash that the run ended with.
	LeftOut  uint64   `json:"left_out,omitzero"`
	Problems []string `json:"problems"` // with the numbers of the records; the first 100
	// MoreProblems is how many are not in the list.
	MoreProblems uint64 `json:"more_problems,omitzero"`
}
