package token

import (
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/verdict-pdp/verdict/authz"
)

// trustDomain is the SPIFFE id of the trust domain that the payload's sub is in;
// ok is false when sub is not the SPIFFE id of a workload.
func trustDomain(payload object) (domain string, ok bool) {
	sub, ok := text(payload.get("sub"))
	if !ok || len(sub) > maxClaimBytes || !isSPIFFEName(sub) {
		return "", false
	}
	id, err := spiffeid.FromString(sub)
	if err != nil || !namesWorkload(id) {
		return "", false
	}
	return id.TrustDomain().IDString(), true
}

func isSPIFFEName(name string) bool { return strings.HasPrefix(name, authz.NameSPIFFE) }
