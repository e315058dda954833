package tokenservice

import (
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// order is a request that was understood.
type order struct {
	audience string
	behalf   *authz.OnBehalfOf // nil: for the machine user itself
}

// readRequest refuses what no decision could make good. It does not look whether the
// audience exists: a stranger is not to learn that.
func readRequest(r *authz.TokenRequest, own string) (order, error) {
	switch {
	case r.GrantType == "":
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidRequest, "grant_type is required: "+authz.GrantClientCredentials+".")
	case r.GrantType != authz.GrantClientCredentials:
		return order{}, authz.RefuseOAuth(authz.OAuthUnsupportedGrantType, "The one grant_type is "+authz.GrantClientCredentials+".")
	case r.Scope != "":
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidScope, "Leave scope out: edges say what a machine user may do.")
	case len(r.Audiences) == 0:
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidTarget, "Name the service the token is for in resource or audience, by its id.")
	case len(r.Audiences) > 1:
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidTarget, "A token is for one service; give one resource or one audience, once.")
	case authz.ValidateID("audience", r.Audiences[0]) != nil:
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidTarget, "The audience is not the id of a service.")
	case r.Audiences[0] == own:
		return order{}, authz.RefuseOAuth(authz.OAuthInvalidTarget, "No token is for the token service itself; name the service that is to be called.")
	}
	behalf, err := readSubject(r.Subject)
	if err != nil {
		return order{}, err
	}
	return order{audience: r.Audiences[0], behalf: behalf}, nil
}

func readSubject(subject string) (*authz.OnBehalfOf, error) {
	if subject == "" {
		return nil, nil
	}
	kind, id, _ := strings.Cut(subject, ":")
	if kind != authz.OnBehalfOfUser && kind != authz.OnBehalfOfTenant || authz.ValidateID("subject", id) != nil {
		return nil, authz.RefuseOAuth(authz.OAuthInvalidRequest, "subject is user:<id> or tenant:<id>; leave it out for a token of the machine user itself.")
	}
	return &authz.OnBehalfOf{Type: kind, ID: id}, nil
}

// speaksForOthers reports whether a sub of this value would name a user or a tenant.
func speaksForOthers(subject string) bool {
	kind, _, found := strings.Cut(subject, ":")
	return found && (kind == authz.OnBehalfOfUser || kind == authz.OnBehalfOfTenant)
}

// action is what to ask for.
func (o order) action() authz.Action {
	action := authz.Action{Name: ActionIssue, Properties: map[string]any{"audience": o.audience}}
	if o.behalf != nil {
		action.Name = ActionIssueFor
	}
	return action
}

// about are the properties of what a token is about: the user or tenant it is on
// behalf of, or else the machine user's own tenant. An empty machine user is one the
// evidence has yet to name.
func (s *Service) about(machineUser string, behalf *authz.OnBehalfOf) (map[string]any, error) {
	if behalf != nil && behalf.Type == authz.OnBehalfOfTenant {
		return map[string]any{"tenant": behalf.ID}, nil
	}
	collection, id := authz.MachineUsers, machineUser
	var properties map[string]any
	if behalf != nil {
		collection, id = authz.Users, behalf.ID
		properties = map[string]any{"recipient": behalf.ID}
	}
	if s.config.TenantOf == nil || authz.ValidateID("id", id) != nil { // what is no id is refused by the question
		return properties, nil
	}
	tenant, err := s.config.TenantOf(collection, id)
	if err != nil {
		return nil, unavailable(err)
	}
	if tenant == "" {
		return properties, nil
	}
	if properties == nil {
		properties = map[string]any{}
	}
	properties["tenant"] = tenant
	return properties, nil
}
