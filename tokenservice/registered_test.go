package tokenservice_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/tokenservice"
)

func TestRegistered(t *testing.T) {
	known := tokenservice.Registered{Get: func(c authz.Collection, key string) (authz.Entity, error) {
		switch string(c) + " " + key {
		case "services svc:email":
			return &authz.Service{}, nil
		case "users u-ana":
			return &authz.User{Tenant: "acme"}, nil
		case "services broken", "users broken":
			return nil, authz.Errorf(authz.CodeInternal, "the store is closed")
		}
		return nil, authz.Errorf(authz.CodeNotFound, "there is none")
	}}
	for id, want := range map[string]struct {
		exists bool
		code   authz.ErrorCode
	}{"svc:email": {exists: true}, "svc:none": {}, "broken": {code: authz.CodeInternal}} {
		if exists, err := known.Services(id); exists != want.exists || authz.CodeOf(err) != want.code {
			t.Errorf("Services(%q) = %t, %v; want %t and code %q", id, exists, err, want.exists, want.code)
		}
	}
	for id, want := range map[string]struct {
		tenant string
		code   authz.ErrorCode
	}{"u-ana": {tenant: "acme"}, "u-none": {}, "broken": {code: authz.CodeInternal}} {
		if tenant, err := known.TenantOf(authz.Users, id); tenant != want.tenant || authz.CodeOf(err) != want.code {
			t.Errorf("TenantOf(%q) = %q, %v; want %q and code %q", id, tenant, err, want.tenant, want.code)
		}
	}
}
