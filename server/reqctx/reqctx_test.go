package reqctx_test

import (
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
)

func TestRequire(t *testing.T) {
	ctx := reqctx.With(t.Context(), &reqctx.Request{Caller: authz.Caller{ID: "k", Roles: []authz.Role{authz.RoleReview}}})
	if caller, err := reqctx.Require(ctx, authz.RoleOperate, authz.RoleReview); err != nil || caller.ID != "k" {
		t.Errorf("%+v, %v", caller, err)
	}
	_, err := reqctx.Require(ctx, authz.RoleOperate, authz.RoleAuthor)
	if authz.CodeOf(err) != authz.CodeForbidden || !strings.Contains(err.Error(), "operate or author") {
		t.Error(err)
	}
}

func TestWithoutARequestNobodyHasARole(t *testing.T) {
	for _, role := range authz.Roles() {
		if _, err := reqctx.Require(t.Context(), role); authz.CodeOf(err) != authz.CodeForbidden {
			t.Errorf("%s: %v", role, err)
		}
	}
}
