package tokenservice

import "github.com/verdict-pdp/verdict/authz"

// Registered answers what a Config asks about entities. Get reads one; CodeNotFound when
// there is none.
type Registered struct {
	Get func(c authz.Collection, key string) (authz.Entity, error)
}

// Services is a Config.Services.
func (r Registered) Services(id string) (bool, error) {
	switch _, err := r.Get(authz.Services, id); authz.CodeOf(err) {
	case "":
		return true, nil
	case authz.CodeNotFound:
		return false, nil
	default:
		return false, err
	}
}

// TenantOf is a Config.TenantOf.
func (r Registered) TenantOf(c authz.Collection, id string) (string, error) {
	entity, err := r.Get(c, id)
	switch authz.CodeOf(err) {
	case "":
		return entity.Field("tenant"), nil
	case authz.CodeNotFound:
		return "", nil
	default:
		return "", err
	}
}
