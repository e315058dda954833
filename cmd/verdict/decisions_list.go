package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newDecisionsList(c *cli) *cobra.Command {
	var filter recordFilter
	var pages paging
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
	filter.flags(cmd, "generation")
	pages.flags(cmd, "decisions", 50)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		query := filterQuery(selected)
		if err := pages.ask(query, "decision"); err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathDecisions, Query: query}
		if pages.all {
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
