package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/verdict-pdp/verdict/authz"
)

// acceptClaims checks claims that the enforcement point says it has verified:
// the same checks, without a signature. The caller's right to assert claims is
// not this room's to check.
func (v *Verifier) acceptClaims(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	raw := p.Evidence.Claims
	if len(raw) > MaxTokenBytes {
		return proven{}, tooLarge()
	}
	payload, err := readObject(raw)
	if err != nil {
		return proven{}, jsonFault("asserted claims", err)
	}
	issuer, fault := v.issuerOf(ctx, p.Directory, payload)
	if fault != nil {
		return proven{}, fault
	}
	if issuer.Kind == authz.IssuerX509 {
		return proven{}, refusedIssuer("issuer_kind", "The claims' issuer is registered as a certificate authority, which makes no claims.", "Register the issuer with the kind it has.")
	}
	sum := sha256.Sum256(raw)
	said, fault := readClaims(payload, issuer, hex.EncodeToString(sum[:]))
	if fault != nil {
		return proven{}, fault
	}
	return v.complete(ctx, p, authz.EvidenceClaims, word{said: said, issuer: issuer, standing: unfetched})
}
