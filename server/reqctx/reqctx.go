package reqctx

import (
	"context"
	"net"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Request is what is known of a request. It belongs to the goroutine that
// serves the request; Caller is set once, by authentication.
type Request struct {
	ID   string // X-Request-Id taken over or generated
	Peer string // address and port of the connection's other end
	// Caller is the API key the request came with; zero when it has none.
	Caller authz.Caller
	// Stopping ends when the server begins to shut down, and a handler that
	// waits for something answers then. The request itself goes on: its own
	// context is for everything else. Nil never ends.
	Stopping context.Context
	// Failed is an error that the handler reported within its response, after the status
	// was sent. It is logged as if it had been the response. Set once, by the handler.
	Failed error
}

type key struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Request) context.Context { return context.WithValue(ctx, key{}, r) }

// From returns the Request of ctx, or a zero one.
func From(ctx context.Context) *Request {
	if r, ok := ctx.Value(key{}).(*Request); ok {
		return r
	}
	return &Request{}
}

// Require returns the caller when it has at least one of roles, and otherwise a
// CodeForbidden error naming them.
func Require(ctx context.Context, roles ...authz.Role) (authz.Caller, error) {
	caller := From(ctx).Caller
	for _, role := range roles {
		if caller.Has(role) {
			return caller, nil
		}
	}
	return authz.Caller{}, authz.Errorf(authz.CodeForbidden, "this needs the role %s, which API key %s does not have", names(roles), caller.ID)
}

// Author returns the author of a change that the request of ctx asks for.
func Author(ctx context.Context) authz.Author {
	r := From(ctx)
	host, _, err := net.SplitHostPort(r.Peer)
	if err != nil {
		host = r.Peer // of a Unix socket, which has no port
	}
	return authz.Author{Key: r.Caller.ID, Name: r.Caller.Name, From: host, RequestID: r.ID, Roles: r.Caller.Roles}
}

func names(roles []authz.Role) string {
	list := make([]string, len(roles))
	for i, role := range roles {
		list[i] = string(role)
	}
	return strings.Join(list, " or ")
}

// maxIDLength is the longest request id taken over from a caller.
const maxIDLength = 128

// ValidID reports whether a caller's request id is used: 1 to 128
// visible ASCII characters, so that it can break neither a log nor a header.
func ValidID(id string) bool {
	if id == "" || len(id) > maxIDLength {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
