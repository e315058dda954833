package admin

import "github.com/verdict-pdp/verdict/authz"

// shown is an entity as reads and writes answer it: bare, and an issuer with how
// it stands now.
func (h *Handler) shown(e authz.Entity) authz.Entity {
	issuer, ok := e.(*authz.Issuer)
	if !ok || h.IssuerStatus == nil {
		return bare(e)
	}
	with := *issuer
	with.Status = h.IssuerStatus(issuer)
	return &with
}

// bare is an entity without the hashes of secrets.
func bare(e authz.Entity) authz.Entity {
	switch e := e.(type) {
	case *authz.APIKey:
		without := *e
		without.Hash = ""
		return &without
	case *authz.Credential:
		without := *e
		without.SecretHash = ""
		return &without
	}
	return e
}
