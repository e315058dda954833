package reqctx_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
)

func TestRequire(t *testing.T) {
	ctx := reqctx.With(t.Context(), &reqctx.Request{Caller: authz.Caller{ID: "k", Roles: []authz.Role{authz.RoleReview}}})
	if caller, err := reqctx.Require(ctx, authz.RoleOperate, authz.RoleReview); err != nil || caller.ID != "k" {
		t.Errorf(`got caller %+v, error %v; want no error, ID "k"`, caller, err)
	}
	_, err := reqctx.Require(ctx, authz.RoleOperate, authz.RoleAuthor)
	if authz.CodeOf(err) != authz.CodeForbidden || !strings.Contains(err.Error(), "operate or author") {
		t.Error(err)
	}
}

func TestAuthor(t *testing.T) {
	tests := map[string]struct{ peer, from string }{
		"IPv4":        {"10.0.0.7:4711", "10.0.0.7"},
		"IPv6":        {"[2001:db8::7]:4711", "2001:db8::7"},
		"Unix socket": {"@", "@"},
		"nobody":      {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			caller := authz.Caller{ID: "k", Name: "night shift", Roles: []authz.Role{authz.RoleOperate}}
			got := reqctx.Author(reqctx.With(t.Context(), &reqctx.Request{ID: "r-1", Peer: test.peer, Caller: caller}))
			want := authz.Author{Key: "k", Name: "night shift", From: test.from, RequestID: "r-1", Roles: caller.Roles}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("wanted (-) and came (+):\n%s", diff)
			}
		})
	}
}

func TestWithoutARequestNobodyHasARole(t *testing.T) {
	for _, role := range authz.Roles() {
		if _, err := reqctx.Require(t.Context(), role); authz.CodeOf(err) != authz.CodeForbidden {
			t.Errorf(`%s: got error %v; want code "forbidden"`, role, err)
		}
	}
}
