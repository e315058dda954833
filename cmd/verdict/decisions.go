package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
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
	if err == nil {
		return nil
	}
	return refixed(err, map[authz.ErrorCode]string{
		authz.CodeNotFound: "`verdict decisions list` shows the ids; old records are removed after a time.",
		authz.CodeGone:     "`verdict decisions list` shows what is still kept.",
	})
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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathDecisionsExport, Query: filterQuery(selected)}
		if file == "-" || file == "" {
			return aboutDecisions(client.Download(cmd.Context(), call, c.out))
		}
		bar := c.newProgress("exporting", -1)
		if err := c.download(cmd.Context(), client, call, file, force, bar, bar); err != nil {
			return aboutDecisions(err)
		}
		return c.tellFile(file)
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
	if f.From, err = c.pastMoment("--from", f.from); err != nil {
		return f.RecordFilter, err
	}
	if f.To, err = c.pastMoment("--to", f.to); err != nil {
		return f.RecordFilter, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f.RecordFilter, usage("--from is not before --to", "Swap them, or leave one out.")
	}
	return f.RecordFilter, nil
}

// pastMoment reads a flag that takes a time or how long ago it was; the zero time when
// it was not given.
func (c *cli) pastMoment(flag, text string) (time.Time, error) {
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

// filterQuery is a filter as the parameters of a URL.
func filterQuery(f api.RecordFilter) url.Values {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("outcome", f.Outcome)
	set("code", f.Code)
	set("guard", f.Guard)
	set("subject", f.Subject)
	set("service", f.Service)
	set("action", f.Action)
	set("caller", f.Caller)
	set("edge", f.Edge)
	if f.Generation != 0 {
		set("generation", strconv.FormatUint(f.Generation, 10))
	}
	if !f.From.IsZero() {
		set("from", f.From.Format(time.RFC3339Nano))
	}
	if !f.To.IsZero() {
		set("to", f.To.Format(time.RFC3339Nano))
	}
	return query
}
