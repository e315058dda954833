package token

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// checkAssertion proves the machine user whose key signed a client assertion.
func (v *Verifier) checkAssertion(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	registered := func(machineUser string) ([]*authz.Credential, *authz.Fault) {
		all, err := p.Directory.CredentialsOf(machineUser)
		if err != nil {
			return nil, v.lookupFault(ctx, causeCredentialLookup, err)
		}
		return all, nil
	}
	a, fault := v.verifyAssertion(p.Evidence.Assertion, p.Evidence.ClientID, registered, v.identifiers, p.Now, p.Rehearsal)
	if fault != nil {
		return proven{}, fault
	}
	return proven{
		Principal:  authz.Principal{Subject: a.machineUser, Evidence: authz.EvidenceAssertion, Freshness: authz.Fresh},
		credential: a.credential,
	}, nil
}
