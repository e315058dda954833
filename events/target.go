package events

import (
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// Data is what events are mapped by: one frozen view of it.
type Data interface {
	authz.Directory
	// Entity reads one entity as a value the caller may change. CodeNotFound when
	// there is none.
	Entity(c authz.Collection, key string) (authz.Entity, error)
}

// target is whose tokens an event is about. The zero target is empty: it is about none.
type target struct {
	tokens       []string // jti values of the issuer
	machineUsers []string
	tenant       string
	foreign      bool // it was named by another issuer, wholly or in part
}

func (t *target) isEmpty() bool {
	return len(t.tokens) == 0 && len(t.machineUsers) == 0 && t.tenant == ""
}

// finder finds the targets of one issuer's events.
type finder struct {
	issuer *authz.Issuer
	data   Data
}

// find picks the narrowest member that covers all that the subject means: see
// the package comment.
func (f *finder) find(s subject) (target, error) {
	if whole, ok := s[memberWhole]; ok {
		return f.named(whole)
	}
	if session := tokensOf(s[memberSession]); len(session) > 0 {
		return target{tokens: session}, nil
	}
	foreign := anyForeign(s[memberSession])
	for _, member := range []string{memberUser, memberApplication, memberDevice} {
		ids, given := s[member]
		t, err := f.named(ids)
		if err != nil || !t.isEmpty() || given && member == memberUser {
			return t, err
		}
		foreign = foreign || t.foreign
	}
	tenant, err := f.tenant(s[memberTenant])
	return target{tenant: tenant, foreign: foreign || anyForeign(s[memberTenant])}, err
}

func tokensOf(ids []identifier) (tokens []string) {
	for _, id := range ids {
		if id.jti != "" && !id.foreign && !slices.Contains(tokens, id.jti) {
			tokens = append(tokens, id.jti)
		}
	}
	return tokens
}

func anyForeign(ids []identifier) bool {
	return slices.ContainsFunc(ids, func(id identifier) bool { return id.foreign })
}

// named is every token and machine user that one of ids names.
func (f *finder) named(ids []identifier) (target, error) {
	t := target{tokens: tokensOf(ids), foreign: anyForeign(ids)}
	for _, id := range ids {
		if id.name == "" || id.foreign {
			continue
		}
		found, err := f.machineUsers(id.name)
		if err != nil {
			return target{}, err
		}
		for _, machineUser := range found {
			if !slices.Contains(t.machineUsers, machineUser) {
				t.machineUsers = append(t.machineUsers, machineUser)
			}
		}
	}
	return t, nil
}

// machineUsers are those the issuer calls name. A name of several is of all of them: no
// token with it is accepted, and the tokens of none are spared.
func (f *finder) machineUsers(name string) ([]string, error) {
	var found []string
	credentials, err := f.data.CredentialsNamed(name)
	if err != nil {
		return nil, err
	}
	for _, c := range credentials {
		if c.Issuer == f.issuer.ID && c.Accepted() { // one that is not accepted any more gives its issuer no say
			found = append(found, c.MachineUser)
		}
	}
	if f.issuer.SubjectIs == authz.SubjectIsFederated {
		return found, nil
	}
	speaks, err := f.speaksFor(name)
	if speaks {
		found = append(found, name)
	}
	return found, err
}

// speaksFor reports whether id is a machine user that tokens of the issuer may be about.
func (f *finder) speaksFor(id string) (bool, error) {
	entity, err := f.entity(authz.MachineUsers, id)
	if err != nil || entity == nil {
		return false, err
	}
	issuers := entity.(*authz.MachineUser).Issuers
	return slices.Contains(issuers, f.issuer.ID) || len(issuers) == 0 && f.issuer.Own, nil
}

// tenant is the tenant that ids name, when the issuer has a say in tenants.
func (f *finder) tenant(ids []identifier) (string, error) {
	if !f.issuer.Own {
		return "", nil
	}
	for _, id := range ids {
		if id.foreign {
			continue
		}
		entity, err := f.entity(authz.Tenants, id.name)
		if err != nil {
			return "", err
		}
		if entity != nil {
			return id.name, nil
		}
	}
	return "", nil
}

// entity reads an entity by a stranger's text; nil when there is none.
func (f *finder) entity(c authz.Collection, text string) (authz.Entity, error) {
	if c.ValidateKey(text) != nil {
		return nil, nil
	}
	return stored(f.data, c, text)
}

// stored is an entity, or nil when there is none.
func stored(data Data, c authz.Collection, key string) (authz.Entity, error) {
	entity, err := data.Entity(c, key)
	if authz.CodeOf(err) == authz.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return entity, nil
}
