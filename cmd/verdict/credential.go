package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
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
		query := url.Values{"limit": {strconv.Itoa(pageOfAll)}}
		if machineUser != "" {
			query.Set("machine_user", machineUser)
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := newTable(c.out, "ID", "MACHINE USER", "KIND", "GENERATION", "STATE", "AGE", "LAST USED", "FROM", "ENDS")
		t.screen = c.screenOf(c.out)
		t.colours = map[int]func(string) colour{4: credentialColour}
		call := remote.Call{Method: http.MethodGet, Path: api.PathV1 + string(authz.Credentials), Query: query}
		return c.listAll(cmd.Context(), client, call, &credentialTable{table: t, now: c.now()})
	}
	return cmd
}

// credentialTable prints credentials, and how each stands now.
type credentialTable struct {
	table *table
	now   time.Time
}

func (t *credentialTable) page(items []json.RawMessage) error {
	var rows [][]string
	for _, item := range items {
		credential := &authz.Credential{}
		if err := ijson.UnmarshalOpen(item, credential); err != nil {
			return unreadable(err)
		}
		rows = append(rows, t.row(credential))
	}
	return t.table.page(rows)
}

func (*credentialTable) end(uint64) error { return nil }

func (t *credentialTable) row(c *authz.Credential) []string {
	state, ends := c.State, ""
	switch {
	case c.NotAfter.IsZero() || !c.Accepted():
	case t.now.Before(c.NotAfter):
		ends = "in " + left(t.now, c.NotAfter)
	default:
		state, ends = authz.CredentialExpired, ago(t.now, c.NotAfter)
	}
	made := c.NotBefore
	if made.IsZero() || made.After(t.now) {
		made = c.CreatedAt
	}
	age := ""
	if !made.IsZero() {
		age = span(t.now.Sub(made))
	}
	return []string{c.ID, c.MachineUser, c.Kind, strconv.Itoa(c.Generation), state, age, ago(t.now, c.LastUsedAt), c.LastUsedFrom, ends}
}

func credentialColour(state string) colour {
	switch state {
	case authz.CredentialActive:
		return green
	case authz.CredentialPending, authz.CredentialRetiring:
		return amber
	case authz.CredentialRevoked, authz.CredentialExpired:
		return red
	}
	return plain
}
