package tokenservice

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

const tokenType = "Bearer"

// Token issues a token to the machine user that the request proves, if it may have
// one. The error is always an *authz.OAuthError.
func (s *Service) Token(ctx context.Context, r authz.TokenRequest) (authz.IssuedToken, error) {
	wanted, err := readRequest(&r, s.config.Service)
	if err != nil {
		return authz.IssuedToken{}, s.refused(ctx, authz.Decision{}, err)
	}
	properties, err := s.about(claimedOf(&r.Client), wanted.behalf)
	if err != nil {
		return authz.IssuedToken{}, s.refused(ctx, authz.Decision{}, err)
	}
	decision, err := s.permit(ctx, &r.Client, wanted.action(), properties)
	if err != nil {
		return authz.IssuedToken{}, s.refused(ctx, decision, err)
	}
	issued, err := s.issue(ctx, r.Client, wanted, decision)
	if err != nil {
		return authz.IssuedToken{}, s.refused(ctx, decision, err)
	}
	return issued, nil
}

// issue makes the token that decision allows.
func (s *Service) issue(ctx context.Context, client authz.TokenClient, wanted order, decision authz.Decision) (authz.IssuedToken, error) {
	exists, err := s.config.Services(wanted.audience)
	switch {
	case err != nil:
		return authz.IssuedToken{}, unavailable(err)
	case !exists:
		return authz.IssuedToken{}, authz.RefuseOAuth(authz.OAuthInvalidTarget, "The audience is not the id of a registered service.")
	case speaksForOthers(decision.Subject):
		return authz.IssuedToken{}, authz.RefuseOAuth(authz.OAuthUnauthorizedClient, "The machine user's id begins as that of a user or tenant does, so a token of it would be taken for one on their behalf; give it another id.")
	}
	now := s.config.Now()
	claims, err := s.claims(&client, wanted, decision, now)
	if err != nil {
		return authz.IssuedToken{}, err
	}
	key := s.ring.Load().current(now)
	if key == nil {
		return authz.IssuedToken{}, unavailable(errors.New("no signing key has been published"))
	}
	text, err := key.signer.Sign(nil, claims)
	if err != nil {
		return authz.IssuedToken{}, unavailable(err)
	}
	if err := s.useful(ctx, text, claims); err != nil {
		return authz.IssuedToken{}, err
	}
	s.counters.issued.Add(1)
	s.config.Log.InfoContext(ctx, "token issued",
		"client", claims.ClientID, "subject", claims.Subject, "audience", wanted.audience,
		"jti", claims.ID, "kid", key.signer.KeyID(), "decision", decision.ID)
	return authz.IssuedToken{
		AccessToken: text,
		TokenType:   tokenType,
		ExpiresIn:   int(time.Unix(claims.ExpiresAt, 0).Sub(now) / time.Second),
	}, nil
}

// useful refuses a token that every service would refuse because of who issued it:
// the machine user's issuers do not list us, or the issuer entity is not as it was
// published, which Run makes good. It also refuses one on behalf of a user who
// cannot be acted for: not registered, not active, or of another tenant. Who verifies
// our tokens without asking us would believe it.
func (s *Service) useful(ctx context.Context, text string, c *claims) error {
	decision, err := s.judge(ctx, text, c)
	if err != nil {
		return err
	}
	if against := slices.DeleteFunc(slices.Clone(decision.Reasons), notOfSubject); c.behalf() != nil && len(against) > 0 {
		return denied(authz.Decision{Subject: decision.Subject, Reasons: against})
	}
	switch {
	case !slices.ContainsFunc(decision.Reasons, func(r authz.Reason) bool { return r.Code == authz.IssuerUntrusted }):
		return nil
	case decision.Subject == "": // the token proves no one
		return unavailable(errors.New("the issuer entity is not as it was published"))
	}
	refusal := authz.RefuseOAuth(authz.OAuthUnauthorizedClient, "The machine user's issuers do not list this token service, so no service would take its token; add "+s.config.IssuerID+" to them, or use an issuer that is listed.")
	refusal.Reasons = []authz.ReasonCode{authz.IssuerUntrusted}
	return refusal
}

func notOfSubject(r authz.Reason) bool { return r.Guard != "subject" }

// claims are what the token says (RFC 9068 section 2.2).
func (s *Service) claims(client *authz.TokenClient, wanted order, decision authz.Decision, now time.Time) (*claims, error) {
	expires := now.Truncate(time.Second).Add(s.config.Lifetime)
	c := &claims{
		Issuer:     s.config.Issuer,
		Subject:    decision.Subject,
		ClientID:   decision.Subject,
		Audience:   []string{wanted.audience},
		ID:         s.config.NewID(),
		Methods:    []string{methodOf(client)},
		Credential: decision.Credential,
		IssuedAt:   now.Unix(),
	}
	if wanted.behalf != nil {
		c.Subject = wanted.behalf.Type + ":" + wanted.behalf.ID
		if wanted.behalf.Type == authz.OnBehalfOfTenant {
			c.Tenant = wanted.behalf.ID
		}
	}
	if methodOf(client) == methodCertificate {
		leaf, err := x509.ParseCertificate(client.Evidence.Certificate.Chain[0])
		if err != nil {
			return nil, authz.RefuseOAuth(authz.OAuthInvalidClient, "The client certificate cannot be read.")
		}
		c.Confirmation = &authz.Confirmation{Thumbprint: token.Thumbprint(leaf.Raw)}
		if leaf.NotAfter.Before(expires) {
			expires = leaf.NotAfter
		}
	}
	if c.ExpiresAt = expires.Unix(); c.ExpiresAt <= c.IssuedAt {
		return nil, authz.RefuseOAuth(authz.OAuthInvalidClient, "The client certificate ends now; present a newer one.")
	}
	return c, nil
}

// refused logs a refusal and gives it back. What a stranger sent is not logged, and
// the reasons of evidence that proves no one are in the record of the decision too.
func (s *Service) refused(ctx context.Context, decision authz.Decision, err error) error {
	var refusal *authz.OAuthError
	if !errors.As(err, &refusal) {
		refusal = unavailable(err)
	}
	attrs := []any{"code", string(refusal.Code), "reasons", refusal.Reasons, "client", decision.Subject, "decision", decision.ID}
	if refusal.Cause != nil {
		s.counters.failed.Add(1)
		s.config.Log.WarnContext(ctx, "token not decided", append(attrs, "error", refusal.Cause)...)
		return refusal
	}
	s.counters.refused.Add(1)
	s.config.Log.InfoContext(ctx, "token refused", attrs...)
	return refusal
}
