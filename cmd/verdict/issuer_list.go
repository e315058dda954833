package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newIssuerList(c *cli) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the issuers and how each stands, the worst first",
		Long: `Print the issuers and how each stands, the worst first. CHANGES IN is the time left
until decisions change when an issuer stays out of reach: for services of tier 0 to
3 where that differs.

With --check the command exits with 8 when an issuer is not fresh, for a monitor
or a cron job.`,
		Example: `  verdict issuer list
  verdict issuer list --check > /dev/null || page-somebody`,
		Args: takes(0, 0),
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit with 8 when an issuer is not fresh")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		issuers, err := c.listIssuers(cmd.Context(), client)
		if err != nil || !check {
			return err
		}
		return c.allFresh(issuers)
	}
	return cmd
}

// listIssuers prints every issuer and returns them.
func (c *cli) listIssuers(ctx context.Context, client *remote.Client) ([]*authz.Issuer, error) {
	call := remote.Call{Method: http.MethodGet, Path: api.PathV1 + string(authz.Issuers), Query: url.Values{"limit": {strconv.Itoa(pageOfAll)}}}
	rows := &issuerRows{}
	if c.output == formatJSON {
		rows.json = &jsonPages{w: c.out, last: revisionMember}
	}
	if err := eachPage(ctx, client, call, rows); err != nil {
		return nil, err
	}
	if rows.json != nil {
		return rows.issuers, nil
	}
	return rows.issuers, c.tellIssuers(rows.issuers)
}

// issuerRows gathers issuers, which can be sorted only when all are there, and in
// JSON prints them as they come.
type issuerRows struct {
	issuers []*authz.Issuer
	json    *jsonPages
}

func (r *issuerRows) page(items []json.RawMessage) error {
	for _, item := range items {
		issuer := &authz.Issuer{}
		if err := ijson.UnmarshalOpen(item, issuer); err != nil {
			return unreadable(err)
		}
		r.issuers = append(r.issuers, issuer)
	}
	if r.json != nil {
		return r.json.page(items)
	}
	return nil
}

func (r *issuerRows) end(revision uint64) error {
	if r.json != nil {
		return r.json.end(revision)
	}
	return nil
}

func (c *cli) tellIssuers(issuers []*authz.Issuer) error {
	slices.SortStableFunc(issuers, worstFirst)
	t := newTable(c.out, "ID", "KIND", "STATE", "KEYS", "FETCHED", "CHANGES IN", "BREAKER", "LAST ERROR")
	t.screen = c.screenOf(c.out)
	t.colours = map[int]func(string) colour{2: issuerColour}
	var rows [][]string
	for _, issuer := range issuers {
		s := standing(issuer)
		rows = append(rows, []string{issuer.ID, issuer.Kind, s.State, keyCount(s), ago(c.now(), s.FetchedAt), changesIn(s, c.now()), s.Breaker, shorten(s.LastError, longestError)})
	}
	return t.page(rows)
}

// longestError is how much of an error a row of a table shows.
const longestError = 60

func worstFirst(a, b *authz.Issuer) int {
	return cmp.Or(
		cmp.Compare(issuerBadness(standing(b).State), issuerBadness(standing(a).State)),
		cmp.Compare(a.ID, b.ID),
	)
}

// allFresh ends the command with a status of its own when an issuer is not fresh.
func (c *cli) allFresh(issuers []*authz.Issuer) error {
	notFresh := 0
	for _, issuer := range issuers {
		if standing(issuer).State != issuerFresh {
			notFresh++
		}
	}
	if notFresh == 0 {
		return nil
	}
	if c.output == formatJSON {
		return silent(exitNotFresh)
	}
	return &failure{status: exitNotFresh, code: authz.CodeUnavailable, message: fmt.Sprintf("%d of %d issuers are not fresh", notFresh, len(issuers)),
		fix: "`verdict issuer get ID` shows what went wrong last."}
}
