package token

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// checkAssertion proves the machine user whose key signed a client assertion.
func (v *Verifier) checkAssertion(_ context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	a, fault := v.verifyAssertion(p.Evidence.Assertion, p.Evidence.ClientID, p.Directory.CredentialsOf, v.identifiers, p.Now, p.Rehearsal)
	if fault != nil {
		return proven{}, fault
	}
	return proven{
		Principal:  authz.Principal{Subject: a.machineUser, Evidence: authz.EvidenceAssertion, Freshness: authz.Fresh},
		credential: a.credential,
	}, nil
}
