package tokenservice

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// claimedOf is the id of the machine user that the client says it is, "" when it does
// not say. For an assertion without client_id, which RFC 7523 section 3 permits, that
// is its sub. It is not proved yet: it is good for naming what a question is about,
// which an allow then proves, since the subject of an assertion is its sub.
func claimedOf(c *authz.TokenClient) string {
	if c.ID != "" {
		return c.ID
	}
	return claimedBy(c.Evidence.Assertion)
}

// maxAssertionBytes is as much as is read of an assertion before it is verified.
const maxAssertionBytes = 8 << 10

// claimedBy reads the sub of an assertion and verifies nothing. It is empty for all
// that is not three parts, of which the second is strict base64url of one JSON object
// with each member once and an id for a sub.
func claimedBy(assertion string) string {
	if len(assertion) > maxAssertionBytes || strings.Count(assertion, ".") != 2 || strings.ContainsAny(assertion, "\r\n") { // which base64 passes over
		return ""
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(strings.Split(assertion, ".")[1])
	if err != nil {
		return ""
	}
	var made struct {
		Subject string `json:"sub"`
	}
	if ijson.UnmarshalOpen(payload, &made) != nil || authz.ValidateID("sub", made.Subject) != nil {
		return ""
	}
	return made.Subject
}

// Methods tokens are got with, in amr. That of mutual TLS has no bound on trust.
const methodCertificate = "tls_client_auth"

// methodOf is how the client authenticates; empty when it does so in none of the three
// ways.
func methodOf(c *authz.TokenClient) string {
	e := c.Evidence
	switch {
	case e.Token != "" || len(e.Claims) > 0 || e.Proof != nil:
		return ""
	case e.ClientSecret != "":
		return authz.MethodClientSecret
	case e.Assertion != "":
		return authz.MethodClientAssertion
	case e.Certificate != nil && len(e.Certificate.Chain) > 0 && !e.Certificate.Asserted:
		return methodCertificate
	}
	return ""
}

// Actions asked for at Config.Service, and of the service a token is for.
const (
	ActionIssue      = "token.issue"
	ActionIssueFor   = "token.issue_for"
	ActionIntrospect = "token.introspect"
)

// permit asks whether the client may do an action at this service. The decision it
// returns without an error allows, for the machine user that was proved.
func (s *Service) permit(ctx context.Context, client *authz.TokenClient, action authz.Action, properties map[string]any) (authz.Decision, error) {
	if methodOf(client) == "" {
		return authz.Decision{}, &authz.OAuthError{
			Code:        authz.OAuthInvalidClient,
			Description: "Authenticate with a client secret, a client assertion, or client_id and a client certificate.",
			Reasons:     []authz.ReasonCode{authz.CredentialMissing},
		}
	}
	question := authz.Request{
		Caller:   caller,
		Evidence: client.Evidence,
		Action:   action,
		Resource: authz.Resource{Type: authz.ResourceService, ID: s.config.Service, Properties: properties},
		Context:  contextOf(client),
	}
	if client.ID != "" {
		question.Subject = &authz.Subject{Type: authz.SubjectMachineUser, ID: client.ID}
	}
	if err := question.Validate(); err != nil {
		return authz.Decision{}, authz.RefuseOAuth(authz.OAuthInvalidRequest, err.Error())
	}
	decision, err := s.config.Decide(ctx, question)
	if err != nil {
		return authz.Decision{}, unavailable(err)
	}
	if decision.Outcome != authz.Allow || decision.Subject == "" {
		return decision, denied(decision)
	}
	return decision, nil
}

func contextOf(c *authz.TokenClient) map[string]any {
	if c.Source == "" {
		return nil
	}
	return map[string]any{"source_ip": c.Source}
}
