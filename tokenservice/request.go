package tokenservice

import (
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// GrantClientCredentials is the one grant (RFC 6749 section 4.4).
const GrantClientCredentials = "client_credentials"

// Request asks for a token. Empty means that a parameter was not given.
type Request struct {
	Client    Client
	GrantType string
	// Audiences are the values of resource (RFC 8707) and audience: one service.
	Audiences []string
	Scope     string
	// Subject asks for a token on behalf of somebody: "user:<id>" or "tenant:<id>".
	Subject string
}

// order is a request that was understood.
type order struct {
	audience string
	behalf   *authz.OnBehalfOf // nil: for the machine user itself
}

// read refuses what no decision could make good. It does not look whether the
// audience exists: a stranger is not to learn that.
func (r *Request) read(own string) (order, error) {
	switch {
	case r.GrantType == "":
		return order{}, Refuse(InvalidRequest, "grant_type is required: "+GrantClientCredentials+".")
	case r.GrantType != GrantClientCredentials:
		return order{}, Refuse(UnsupportedGrantType, "The one grant_type is "+GrantClientCredentials+".")
	case r.Scope != "":
		return order{}, Refuse(InvalidScope, "Leave scope out: edges say what a machine user may do.")
	case len(r.Audiences) == 0:
		return order{}, Refuse(InvalidTarget, "Name the service the token is for in resource or audience, by its id.")
	case len(r.Audiences) > 1:
		return order{}, Refuse(InvalidTarget, "A token is for one service; give one resource or one audience, once.")
	case authz.ValidateID("audience", r.Audiences[0]) != nil:
		return order{}, Refuse(InvalidTarget, "The audience is not the id of a service.")
	case r.Audiences[0] == own:
		return order{}, Refuse(InvalidTarget, "No token is for the token service itself; name the service that is to be called.")
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
		return nil, Refuse(InvalidRequest, "subject is user:<id> or tenant:<id>; leave it out for a token of the machine user itself.")
	}
	return &authz.OnBehalfOf{Type: kind, ID: id}, nil
}

// speaksForOthers says whether a sub of this value would name a user or a tenant.
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
