package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
)

func newToken(c *cli) *cobra.Command {
	return group("token", "Work with Verdict's own token service", newTokenGet(c), newTokenIntrospect(c), newTokenReplaceKeys(c))
}

// withoutTokenService names what is missing when a path of the token service is not
// served; any other failure stays as it is.
func withoutTokenService(err error) error {
	f := failureOf(err)
	if f.code == codeUnknownPath || f.code == authz.CodeNotFound {
		return noTokenService(f)
	}
	return f
}

// noTokenService is what answered means: that the node has none.
func noTokenService(answered *failure) *failure {
	f := *answered
	f.field, f.raw = "", nil
	f.message = "this node has no token service: token_service.issuer is not set"
	f.fix = "Set token_service.issuer where the node is started. If it is set, check which of the two listeners --server names: token get and token introspect call the decisions listener, token replace-keys the admin listener."
	return &f
}
