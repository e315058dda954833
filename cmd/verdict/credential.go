package main

import "github.com/spf13/cobra"

func newCredential(c *cli) *cobra.Command {
	cmd := group("credential", "See the credentials of machine users", newCredentialList(c))
	cmd.Long = `See the credentials of machine users: their generations, and which are still used.
Secrets are made by ` + "`verdict secret create`" + `, other kinds by ` + "`verdict entity put credentials`" + `;
` + "`verdict rotate`" + ` makes those of a rotation set.`
	return cmd
}
