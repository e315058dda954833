package tokenservice

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
)

// Client is a machine user that authenticates itself. Its evidence is a secret, an
// assertion or the client certificate of its connection.
type Client struct {
	Evidence authz.Evidence
	ID       string // who it says it is; empty leaves that to an assertion
	Source   string // address its connection comes from
}

// Methods tokens are got with, in amr. That of mutual TLS has no bound on trust.
const methodCertificate = "tls_client_auth"

// method is how the client authenticates; empty when it does so in none of the three
// ways.
func (c *Client) method() string {
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
func (s *Service) permit(ctx context.Context, client *Client, action authz.Action, properties map[string]any) (authz.Decision, error) {
	if client.method() == "" {
		return authz.Decision{}, &Error{
			Code:        InvalidClient,
			Description: "Authenticate with a client secret, a client assertion, or client_id and a client certificate.",
			Reasons:     []authz.ReasonCode{authz.CredentialMissing},
		}
	}
	question := authz.Request{
		Caller:   caller,
		Evidence: client.Evidence,
		Action:   action,
		Resource: authz.Resource{Type: authz.ResourceService, ID: s.config.Service, Properties: properties},
		Context:  client.context(),
	}
	if client.ID != "" {
		question.Subject = &authz.Subject{Type: authz.SubjectMachineUser, ID: client.ID}
	}
	if err := question.Validate(); err != nil {
		return authz.Decision{}, Refuse(InvalidRequest, err.Error())
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

func (c *Client) context() map[string]any {
	if c.Source == "" {
		return nil
	}
	return map[string]any{"source_ip": c.Source}
}
