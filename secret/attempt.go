package secret

import "fmt"

// MaxCandidates is how many candidates one attempt may have. Each one that is
// cold costs a run of argon2.
const MaxCandidates = 8

// Attempt is one presentation of a secret.
type Attempt struct {
	// ClientID is whose secret it claims to be.
	ClientID string
	// Source is who presents it and from where, as the caller knows it for
	// certain: the enforcement point's key and the source address, say, with IPv6
	// addresses cut to their /64. Guesses are counted for each ClientID and
	// Source, so everybody of one Source shares a count, and all attempts with an
	// empty one do.
	Source string
	// Familiar says that the caller's record shows Source to have proved ClientID
	// before (where a credential was last used from). It only gives the attempt
	// its turn before those of strangers.
	Familiar bool
	// Secret is what is presented. It is in no text form of an Attempt.
	Secret string `json:"-"`
	// Candidates are the credentials it may be of, at most MaxCandidates. None
	// means the client is not known, and never matches.
	Candidates []Candidate
}

// Format implements fmt.Formatter for every verb, leaving the secret and the
// hashes out.
func (a Attempt) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "attempt of client %q from %q", a.ClientID, a.Source)
}

// Candidate is a credential a secret may be of. A mark holds for one ID, Version
// and Hash: change any of them and the next use runs argon2 again.
type Candidate struct {
	ID string
	// Version changes when the caller wants the secret proved anew: the generation
	// of the credential is a good one. A revision that moves at each recorded use
	// is not: it would make every use cold.
	Version uint64
	// Hash is an argon2id hash in PHC form. One that ValidateHash refuses never
	// matches.
	Hash string `json:"-"`
	// Spent says that a match would only explain a denial: the credential was
	// retired or revoked. Such a candidate is compared by its mark, and by argon2 as
	// long as that costs nobody else anything: a few times for each client, and only
	// while a turn is free.
	Spent bool
}
