package main

import (
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newDecisionsShow(c *cli) *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print one recorded decision, and why it came out so",
		Long: `Print one recorded decision: who asked what, the answer with every reason, and the
input of the policy as far as it was kept. With --explain it is judged again by the
generation and the data it was made by, and a tree shows what would have to change for an
allow, which rules held and which did not, where each stopped, and what was read.`,
		Example:           `  verdict decisions show 01JD7Q8R9V3M --explain`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "draw how it came about")
	everyRule := everyRuleFlag(cmd)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := authz.ValidateID("ID", args[0]); err != nil {
			return usage(err.Error(), "`verdict decisions list` shows the ids.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathDecisions + "/" + url.PathEscape(args[0])}
		if explain || *everyRule {
			call.Query = url.Values{"explain": {string(authz.ExplainFull)}}
		}
		answer, err := client.Do(cmd.Context(), call)
		if err != nil {
			return aboutDecisions(err)
		}
		return c.print(answer.Body, func(w io.Writer) error { return c.tellShown(w, answer.Body, *everyRule) })
	}
	return cmd
}

// shownRecord answers for one recorded decision.
type shownRecord struct {
	Record      authz.Record     `json:"record"`
	Explanation *api.Explanation `json:"explanation"`
	Note        string           `json:"note"`
}

func (c *cli) tellShown(w io.Writer, answer []byte, everyRule bool) error {
	var shown shownRecord
	if err := ijson.UnmarshalOpen(answer, &shown); err != nil {
		return unreadable(err)
	}
	r := &report{w: w}
	r.record(&shown.Record)
	if shown.Note != "" {
		r.line("  note: %s", shown.Note)
	}
	r.explanation(drawing{c.screenOf(w), everyRule}, shown.Explanation)
	return r.err
}
