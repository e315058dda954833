package tokenservice

import (
	"context"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// aboutTheCall are the guards of the base bundle that judge a call and not the token
// it is made with. The denial of any other ends the token, also of one that an
// operator's own bundle adds: a service that asks here must not take what a decision
// would refuse.
var aboutTheCall = []string{"edge", "assurance", "network", "schedule", "entitlement", "decision"}

// Introspect reports whether a token of ours is active: a decision about the service it
// is for finds nothing wrong but with the call, which there is none of here.
// Any other text is not active. That its sender holds the certificate a token is bound
// to is for the service to check, by cnf (RFC 8705 section 3.2). Nothing is recorded,
// and the credential does not count as used. The error is always an *authz.OAuthError and means
// that this cannot be said now.
func (s *Service) Introspect(ctx context.Context, text string) (authz.Introspected, error) {
	c, ok := s.ring.Load().open(text)
	if !ok || c.expired(s.config.Now()) {
		return authz.Introspected{}, nil
	}
	decision, err := s.judge(ctx, text, c)
	if err != nil {
		return authz.Introspected{}, s.refused(ctx, decision, err)
	}
	if decision.Subject != c.ClientID || slices.ContainsFunc(decision.Reasons, endsToken) {
		return authz.Introspected{}, nil
	}
	return authz.Introspected{
		Active:       true,
		ClientID:     c.ClientID,
		TokenType:    tokenType,
		ExpiresAt:    c.ExpiresAt,
		IssuedAt:     c.IssuedAt,
		Subject:      c.Subject,
		Audience:     c.Audience,
		Issuer:       c.Issuer,
		ID:           c.ID,
		Confirmation: c.Confirmation,
	}, nil
}

func endsToken(r authz.Reason) bool { return !slices.Contains(aboutTheCall, r.Guard) }

// judge asks what the decision path thinks of a token of ours. The error is always an
// *authz.OAuthError.
func (s *Service) judge(ctx context.Context, text string, c *claims) (authz.Decision, error) {
	properties, err := s.about(c.ClientID, c.behalf())
	if err != nil {
		return authz.Decision{}, err
	}
	decision, err := s.config.Decide(ctx, introspection(text, c, properties))
	if err != nil {
		return authz.Decision{}, unavailable(err)
	}
	return decision, nil
}

// introspection asks about a token as if its rightful holder had sent it to the
// service it is for. That call is not made, so the question is hypothetical. A bound
// token comes with the certificate that it names itself; that it is one of ours has
// been found by its signature.
func introspection(text string, c *claims, properties map[string]any) authz.Request {
	question := authz.Request{
		Caller:   rehearser,
		Evidence: authz.Evidence{Token: text},
		Action:   authz.Action{Name: ActionIntrospect},
		Resource: authz.Resource{Type: authz.ResourceService, ID: c.Audience[0], Properties: properties},

		Simulated: true,
	}
	if c.Confirmation != nil {
		question.Evidence.Certificate = &authz.Certificate{Thumbprint: c.Confirmation.Thumbprint, Asserted: true}
	}
	return question
}
