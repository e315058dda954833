package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newDecisions(c *cli) *cobra.Command {
	cmd := group("decisions", "Read the decisions that were made, and why",
		newDecisionsList(c), newDecisionsTail(c), newDecisionsShow(c), newDecisionsExport(c), newDecisionsVerify(c))
	cmd.Long = `Read the decisions that were made, and why. Each is recorded once, with what was asked
(no token, no secret), the answer with every reason, and the policy and data it was made
by. Records hang together in a chain of hashes: ` + "`verdict decisions verify`" + ` finds one that
was altered or is missing.`
	return cmd
}

// aboutDecisions is the err of a call about recorded decisions, with the fix that helps
// there; nil for nil.
func aboutDecisions(err error) error {
	return fixes{
		authz.CodeNotFound: "`verdict decisions list` shows the ids; old records are removed after a time.",
		authz.CodeGone:     "`verdict decisions list` shows what is still kept.",
	}.of(err)
}

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
		if err := pages.check("decision"); err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return aboutDecisions(list(cmd.Context(), c, pages, headMembers, func(ctx context.Context, p client.Paging) (page[authz.Record], error) {
			return pageOfLog(pdp.ListDecisionsPage(ctx, selected, p))
		}, c.recordRows()))
	}
	return cmd
}

func newDecisionsTail(c *cli) *cobra.Command {
	var filter recordFilter
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print decisions as they are made",
		Long: `Print the newest recorded decisions, and then each as it is made, until it is
interrupted. With --output json each record is one line.`,
		Example: `  verdict decisions tail --outcome deny
  verdict decisions tail --generation 7 --output json`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd, "generation")
	last := lastFlag(cmd)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		if err := checkLast(*last, "decisions"); err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := &tail[authz.Record]{cli: c, rows: c.recordRows(),
			newest: func(ctx context.Context, p client.Paging) (authz.LogPage[authz.Record], error) {
				return pdp.ListDecisionsPage(ctx, selected, p)
			},
			after: func(ctx context.Context, from client.Following) (authz.LogPage[authz.Record], error) {
				return pdp.ListDecisionsAfter(ctx, selected, from)
			},
		}
		return aboutDecisions(t.follow(cmd.Context(), *last))
	}
	return cmd
}

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
		depth := api.Explain("")
		if explain || *everyRule {
			depth = api.ExplainFull
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.ShownRecord, error) {
			return pdp.GetDecision(ctx, args[0], depth)
		}, aboutDecisions, func(w io.Writer, shown api.ShownRecord) error { return c.writeShown(w, &shown, *everyRule) })
	}
	return cmd
}

func (c *cli) writeShown(w io.Writer, shown *api.ShownRecord, everyRule bool) error {
	r := &report{w: w}
	r.record(&shown.Record)
	if shown.Note != "" {
		r.line("  note: %s", shown.Note)
	}
	r.explanation(explainOptions{c.screenOf(w), everyRule}, shown.Explanation)
	return r.err
}

func newDecisionsExport(c *cli) *cobra.Command {
	var filter recordFilter
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write recorded decisions as JSON, one a line, oldest first",
		Long: `Write recorded decisions to a file, or to standard output: one JSON object a line,
oldest first, as ` + "`verdict replay --records` and `verdict decisions verify --file`" + ` read them.`,
		Example:           `  verdict decisions export -f monday.ndjson --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd, "generation")
	cmd.Flags().StringVarP(&file, "file", "f", "-", "file to write, - for standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		export := func(ctx context.Context, w io.Writer) error { return pdp.ExportDecisions(ctx, selected, w) }
		if file == "-" || file == "" {
			return aboutDecisions(export(cmd.Context(), c.out))
		}
		bar := c.newProgress("exporting", -1)
		if err := c.download(cmd.Context(), export, file, force, bar, bar); err != nil {
			return aboutDecisions(err)
		}
		return c.printFile(file)
	}
	return cmd
}

// recordFilter selects recorded decisions, as flags.
type recordFilter struct {
	api.RecordFilter
	from, to string
}

// flags adds the filters to cmd and returns their names. generation is what the one by
// generation is called where that word means something else.
func (f *recordFilter) flags(cmd *cobra.Command, generation string) []string {
	flags := cmd.Flags()
	flags.StringVar(&f.Outcome, "outcome", "", "only these: allow or deny")
	flags.StringVar(&f.Code, "code", "", "only those with this reason code, also where its guard was not enforced")
	flags.StringVar(&f.Guard, "guard", "", "only those this guard denied, or would have")
	flags.StringVar(&f.Subject, "subject", "", "only those about this machine user")
	flags.StringVar(&f.Service, "service", "", "only those about this service")
	flags.StringVar(&f.Action, "action", "", "only those about this action")
	flags.StringVar(&f.Edge, "edge", "", "only those of this edge, such as 'mu:user-svc>svc:email'")
	flags.StringVar(&f.Caller, "caller", "", "only those asked with this API key, by id")
	flags.Uint64Var(&f.Generation, generation, 0, "only those this policy generation decided")
	flags.StringVar(&f.from, "from", "", "only those at or after: a time (RFC 3339), or how long ago, such as 2h")
	flags.StringVar(&f.to, "to", "", "only those before: a time (RFC 3339), or how long ago")
	complete(cmd, "outcome", api.Allow.String(), api.Deny.String())
	names := []string{"code", "guard", "subject", "service", "action", "edge", "caller", generation, "from", "to"}
	for _, name := range names {
		complete(cmd, name)
	}
	return append(names, "outcome")
}

// parse checks the flags and reads the times.
func (f *recordFilter) parse(c *cli) (api.RecordFilter, error) {
	if f.Outcome != "" && f.Outcome != api.Allow.String() && f.Outcome != api.Deny.String() {
		return f.RecordFilter, usage(fmt.Sprintf("--outcome is %q", f.Outcome), "Write allow or deny.")
	}
	if from, to, ok := strings.Cut(f.Edge, ">"); f.Edge != "" && (!ok || from == "" || to == "") {
		return f.RecordFilter, usage(fmt.Sprintf("--edge is %q", f.Edge), "Write the machine user and the service, such as --edge 'mu:user-svc>svc:email', in quotes.")
	}
	var err error
	if f.From, err = c.parsePast("--from", f.from); err != nil {
		return f.RecordFilter, err
	}
	if f.To, err = c.parsePast("--to", f.to); err != nil {
		return f.RecordFilter, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f.RecordFilter, usage("--from is not before --to", "Swap them, or leave one out.")
	}
	return f.RecordFilter, nil
}

// parsePast reads a flag that takes a time or how long ago it was; the zero time when
// it was not given.
func (c *cli) parsePast(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return c.now().UTC().Add(-ago).Truncate(time.Millisecond), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usage(fmt.Sprintf("%s is %q", flag, text), "Write a time such as 2026-11-22T09:30:00Z, or how long ago, such as 30m or 2h.")
	}
	return at, nil
}
