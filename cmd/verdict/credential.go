package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newCredential(c *cli) *cobra.Command {
	cmd := group("credential", "See the credentials of machine users", newCredentialList(c))
	cmd.Long = `See the credentials of machine users: their generations, and which are still used.
Secrets are made by ` + "`verdict secret create`" + `, other kinds by ` + "`verdict entity put credentials`" + `;
` + "`verdict rotate`" + ` makes those of a rotation set.`
	return cmd
}

func newCredentialList(c *cli) *cobra.Command {
	var machineUser string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the credentials: generation, age, last use, and when each ends",
		Long: `Print the credentials: generation, age, last use, and in what time each ends. The last
use is written at once the first time, then about once a minute.

ENDS is the not_after of a credential. The policy may deny it before, once it is older
than the tier of its machine user allows; AGE shows how old it is.`,
		Example: `  verdict credential list --machine-user mu:billing-svc`,
		Args:    takes(0, 0),
	}
	cmd.Flags().StringVar(&machineUser, "machine-user", "", "only those of this machine user")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		filters := client.Filters{}
		if machineUser != "" {
			filters["machine_user"] = machineUser
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := c.newTable(4, credentialColours(), "ID", "MACHINE USER", "KIND", "GENERATION", "STATE", "AGE", "LAST USED", "FROM", "ENDS")
		return list(cmd.Context(), c, everyPage, revisionMember, func(ctx context.Context, p client.Paging) (page[authz.Credential], error) {
			read, err := pdp.Credentials().ListPage(ctx, filters, p)
			return page[authz.Credential]{read.Items, read.NextCursor, read.Revision}, err
		}, rows(t, func(of authz.Credential) ([]string, error) { return credentialRow(&of, c.now()), nil }))
	}
	return cmd
}

// credentialRow is how a credential stands at now.
func credentialRow(c *authz.Credential, now time.Time) []string {
	state, ends := c.State, ""
	switch {
	case c.NotAfter.IsZero() || !c.Accepted():
	case now.Before(c.NotAfter):
		ends = "in " + left(now, c.NotAfter)
	default:
		state, ends = authz.CredentialExpired, ago(now, c.NotAfter)
	}
	made := c.NotBefore
	if made.IsZero() || made.After(now) {
		made = c.CreatedAt
	}
	age := ""
	if !made.IsZero() {
		age = span(now.Sub(made))
	}
	return []string{c.ID, c.MachineUser, c.Kind, strconv.Itoa(c.Generation), state, age, ago(now, c.LastUsedAt), c.LastUsedFrom, ends}
}

func credentialColours() map[string]colour {
	return map[string]colour{
		authz.CredentialActive:  green,
		authz.CredentialPending: amber, authz.CredentialRetiring: amber,
		authz.CredentialRevoked: red, authz.CredentialExpired: red,
	}
}
