package secret

import (
	"context"
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
)

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
	Candidates []authz.SecretCandidate
}

// Format implements fmt.Formatter for every verb, leaving the secret and the
// hashes out.
func (a Attempt) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "attempt of client %q from %q", a.ClientID, a.Source)
}

// CheckSecret is Check for whoever knows no more of an attempt.
func (c *Checker) CheckSecret(ctx context.Context, clientID, source, secret string, candidates []authz.SecretCandidate) (int, error) {
	return c.Check(ctx, Attempt{ClientID: clientID, Source: source, Secret: secret, Candidates: candidates})
}
