package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
)

func newKey(c *cli) *cobra.Command {
	cmd := group("key", "Create, list and revoke API keys", newKeyCreate(c), newKeyList(c), newKeyRevoke(c))
	cmd.Long = `Create, list and revoke the API keys of enforcement points and operators. A key may
do what its roles say and nothing else:

  decide               ask for decisions
  assert-claims        send claims it has verified itself instead of a token
  assert-certificates  send client certificates of TLS connections it has ended
  simulate             ask hypothetical questions
  operate              read and write entities, keys and backups; revoke and rotate
  author               push policies
  review               read entities and the change feed
  transmit             push security events of an issuer`
	return cmd
}

func roleNames() []string {
	var names []string
	for _, role := range authz.Roles() {
		names = append(names, string(role))
	}
	return names
}
