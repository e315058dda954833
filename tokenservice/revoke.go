package tokenservice

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Revoke revokes a token of the client's own (RFC 7009). When it returns nil the next
// decision denies the token, also after a restart; or there was nothing to revoke,
// because it has expired or is none of ours or not the client's, which the client is
// not to learn. The error is always an *authz.OAuthError.
func (s *Service) Revoke(ctx context.Context, client authz.TokenClient, text string) error {
	properties, err := s.about(claimedOf(&client), nil)
	if err != nil {
		return s.refused(ctx, authz.Decision{}, err)
	}
	decision, err := s.permit(ctx, &client, authz.Action{Name: ActionIssue}, properties)
	if err != nil {
		return s.refused(ctx, decision, err)
	}
	if text == "" {
		return s.refused(ctx, decision, authz.RefuseOAuth(authz.OAuthInvalidRequest, "token is required: the token to revoke."))
	}
	c, ok := s.ring.Load().open(text)
	if !ok || c.ClientID != decision.Subject || c.expired(s.config.Now()) {
		return nil
	}
	revocation := &authz.Revocation{
		Listed: authz.Listed{By: authz.ByToken, Issuer: c.Issuer, Name: c.ID, Reason: "revoked by the machine user it was issued to"},
		Until:  time.Unix(c.ExpiresAt, 0).UTC(),
	}
	revocation.Normalize()
	if err := s.config.Revoke(ctx, revocation); err != nil {
		return s.refused(ctx, decision, unavailable(err))
	}
	s.counters.revoked.Add(1)
	s.config.Log.InfoContext(ctx, "token revoked", "client", c.ClientID, "jti", c.ID, "decision", decision.ID)
	return nil
}
