package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newDecisionsList(c *cli) *cobra.Command {
	var filter recordFilter
	var cursor string
	var all bool
	limit := 50
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print recorded decisions, newest first",
		Long: `Print recorded decisions, newest first. Codes in brackets did not deny, because of the
mode of their guard. Filters are combined.`,
		Example: `  verdict decisions list --outcome deny --from 2h
  verdict decisions list --edge 'mu:user-svc>svc:email' --code RECIPIENT_OPTED_OUT --all`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	filter.flags(cmd, "generation")
	f.IntVar(&limit, "limit", limit, "most decisions to print, 1 to 1000")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier page ended")
	f.BoolVar(&all, "all", false, "print every page")
	complete(cmd, "limit")
	complete(cmd, "cursor")
	cmd.MarkFlagsMutuallyExclusive("all", "limit")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		if limit < 1 || limit > pageOfAll {
			return usage(fmt.Sprintf("--limit is %d", limit), "Write 1 to 1000, or --all for every decision.")
		}
		if all {
			limit = pageOfAll
		}
		query := filterQuery(selected)
		query.Set("limit", strconv.Itoa(limit))
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathDecisions, Query: query}
		if all {
			return aboutDecisions(c.listAllRecords(cmd.Context(), client, call, c.newRecordTable()))
		}
		return aboutDecisions(c.listPage(cmd.Context(), client, call, c.newRecordTable()))
	}
	return cmd
}

// listAllRecords prints every page of the decision log, or of the audit.
func (c *cli) listAllRecords(ctx context.Context, client *remote.Client, call remote.Call, rows pageWriter) error {
	if c.output == formatJSON {
		rows = &jsonPages{w: c.out, last: headMembers}
	}
	return eachPage(ctx, client, call, rows)
}
