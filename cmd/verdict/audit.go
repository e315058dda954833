package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newAudit(c *cli) *cobra.Command {
	cmd := group("audit", "Read who changed what, and what was refused", newAuditList(c), newAuditTail(c), newAuditShow(c))
	cmd.Long = `Read who changed what: data, API keys, policies, modes of guards, rotations and revocations.
Each change that an API key asked for is recorded, allowed or refused, with who asked and
from where, what it was of, and the revision or generation it made. What was written is
there as a digest: no secret is in the audit.

The records hang together in the chain of the decision log, and are kept longer than
decisions. Reading them needs the role review, and no other role opens them.`
	cmd.Example = `  verdict audit list --refused --from 24h
  verdict audit list --collection edges --entity mu:user-svc/svc:email`
	return cmd
}

// aboutAudit is the err of a call about the audit, with the fix that helps there; nil
// for nil.
func aboutAudit(err error) error {
	return fixes{
		authz.CodeNotFound: "`verdict audit list` shows the ids; old records are removed after a time.",
		authz.CodeGone:     "`verdict audit list` shows what is still kept.",
	}.of(err)
}

// auditFilter selects changes, as flags.
type auditFilter struct {
	authz.AuditFilter
	kind, collection, from, to string
	refused                    bool
}

// outcomes of changes, as they are offered in completion.
var outcomes = []string{authz.ChangeMade, authz.ChangeRefused, authz.ChangeFailed, authz.ChangePending, authz.ChangeNotMade, authz.ChangeInterrupted}

func (f *auditFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.By, "by", "", "only those asked for with this API key, by id; or offline, or node")
	flags.StringVar(&f.kind, "kind", "", "only those of this kind, such as entity.put or bundle.push")
	flags.StringVar(&f.collection, "collection", "", "only those of entities of this collection")
	flags.StringVar(&f.Key, "entity", "", "only those of the entity with this id, such as mu:user-svc/svc:email")
	flags.StringVar(&f.Bundle, "bundle", "", "only those of this bundle")
	flags.StringVar(&f.Outcome, "outcome", "", "only those that were "+strings.Join(outcomes, ", "))
	flags.BoolVar(&f.refused, "refused", false, "only those that were refused: --outcome refused")
	flags.StringVar(&f.from, "from", "", "only those at or after: a time (RFC 3339), or how long ago, such as 2h")
	flags.StringVar(&f.to, "to", "", "only those before: a time (RFC 3339), or how long ago")
	cmd.MarkFlagsMutuallyExclusive("outcome", "refused")
	complete(cmd, "outcome", outcomes...)
	complete(cmd, "kind", words(authz.ChangeKinds())...)
	complete(cmd, "collection", words(authz.AllCollections())...)
	for _, name := range []string{"by", "entity", "bundle", "from", "to"} {
		complete(cmd, name)
	}
}

func words[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

// parse checks the flags and reads the times.
func (f *auditFilter) parse(c *cli) (authz.AuditFilter, error) {
	selected := f.AuditFilter
	selected.Kind, selected.Collection = authz.ChangeKind(f.kind), authz.Collection(f.collection)
	if f.refused {
		selected.Outcome = authz.ChangeRefused
	}
	switch {
	case selected.Outcome != "" && !slices.Contains(outcomes, selected.Outcome):
		return selected, usage(fmt.Sprintf("--outcome is %q", selected.Outcome), "Write one of "+strings.Join(outcomes, ", ")+".")
	case f.kind != "" && !slices.Contains(authz.ChangeKinds(), selected.Kind):
		return selected, usage(fmt.Sprintf("--kind is %q", f.kind), "Write one of "+strings.Join(words(authz.ChangeKinds()), ", ")+".")
	case f.collection != "" && !selected.Collection.Known():
		return selected, usage(fmt.Sprintf("--collection is %q", f.collection), "Write one of "+strings.Join(words(authz.AllCollections()), ", ")+".")
	}
	times := recordFilter{from: f.from, to: f.to}
	span, err := times.parse(c)
	selected.From, selected.To = span.From, span.To
	return selected, err
}

func newAuditList(c *cli) *cobra.Command {
	var filter auditFilter
	var pages paging
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print changes, newest first",
		Long: `Print changes that were asked for, newest first: what became of each, what it was of, who
asked, and what it came to: the data revision or the policy generation it made, or the code
it was refused with. Filters are combined.`,
		Example: `  verdict audit list --refused --from 24h
  verdict audit list --by key-01JD7Q8R9V3M --kind key.create
  verdict audit list --bundle acme --all --output json`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd)
	pages.flags(cmd, "changes", 50)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		if err := pages.check("change"); err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return aboutAudit(list(cmd.Context(), c, pages, headMembers, func(ctx context.Context, p client.Paging) (page[authz.AuditedChange], error) {
			return pageOfLog(pdp.ListChangesPage(ctx, selected, p))
		}, c.changeRows()))
	}
	return cmd
}

func newAuditTail(c *cli) *cobra.Command {
	var filter auditFilter
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print changes as they are made or refused",
		Long: `Print the newest changes, and then each as it is made or refused, until it is
interrupted. With --output json each change is one line.`,
		Example: `  verdict audit tail --refused
  verdict audit tail --collection api_keys --output json`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd)
	last := lastFlag(cmd)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		if err := checkLast(*last, "audit"); err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := &tail[authz.AuditedChange]{cli: c, rows: c.changeRows(),
			newest: func(ctx context.Context, p client.Paging) (authz.LogPage[authz.AuditedChange], error) {
				return pdp.ListChangesPage(ctx, selected, p)
			},
			after: func(ctx context.Context, from client.Following) (authz.LogPage[authz.AuditedChange], error) {
				return pdp.ListChangesAfter(ctx, selected, from)
			},
		}
		return aboutAudit(t.follow(cmd.Context(), *last))
	}
	return cmd
}

// changeRows prints changes, one a line.
func (c *cli) changeRows() func([]authz.AuditedChange) error {
	colours := map[string]colour{
		authz.ChangeMade:    green,
		authz.ChangeRefused: red, authz.ChangeFailed: red,
		authz.ChangePending: amber, authz.ChangeNotMade: amber, authz.ChangeInterrupted: amber,
	}
	t := c.newTable(1, colours, "AT", "OUTCOME", "CHANGE", "OF", "BY", "RESULT", "ID")
	return rows(t, func(c authz.AuditedChange) ([]string, error) {
		return []string{c.At.UTC().Format("2006-01-02T15:04:05.000Z"), c.Outcome, string(c.Kind), subjectOf(&c), c.By.Key, resultOf(&c), c.ID}, nil
	})
}

// subjectOf is what a change was of, in a few words.
func subjectOf(c *authz.AuditedChange) string {
	switch {
	case c.Key != "":
		return string(c.Collection) + " " + c.Key
	case c.Guard != "" && c.Mode != "":
		return "guard " + c.Guard + " to " + c.Mode
	case c.Guard != "":
		return "guard " + c.Guard
	case c.Bundle != "":
		return "bundle " + c.Bundle
	case c.Import != nil:
		return fmt.Sprintf("lines %d to %d", c.Import.First, c.Import.Last)
	case c.Generation != 0 && c.Outcome != authz.ChangeMade:
		return "generation " + strconv.FormatUint(c.Generation, 10)
	}
	return string(c.Collection)
}

// resultOf is what a change came to, in a word or two.
func resultOf(c *authz.AuditedChange) string {
	switch {
	case c.Code != "":
		return string(c.Code)
	case c.Outcome != authz.ChangeMade:
		return ""
	case c.Generation != 0:
		return "generation " + strconv.FormatUint(c.Generation, 10)
	case c.Revision != 0:
		return "revision " + strconv.FormatUint(c.Revision, 10)
	}
	return ""
}

func newAuditShow(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print one change, with all that is recorded of it",
		Long: `Print one change: what became of it and why, who asked for it and from where, the digests
of what was stored before and after, and the record it stands in.`,
		Example:           `  verdict audit show 01JD7Q8R9V3M`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := authz.ValidateID("ID", args[0]); err != nil {
			return usage(err.Error(), "`verdict audit list` shows the ids.")
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.AuditedRecord, error) {
			return pdp.GetChange(ctx, args[0])
		}, aboutAudit, writeChange)
	}
	return cmd
}

func writeChange(w io.Writer, shown api.AuditedRecord) error {
	r := &report{w: w}
	r.change(&shown.Change)
	r.line("  record %d, %s, at %s; change %s, number %d", shown.Seq, shown.Kind, shown.At.UTC().Format(time.RFC3339Nano), shown.Change.ID, shown.Change.Number)
	r.line("  hash %s", shown.Hash)
	return r.err
}

// change prints one change.
func (r *report) change(c *authz.AuditedChange) {
	head := strings.ToUpper(strings.ReplaceAll(c.Outcome, "_", " ")) + " " + string(c.Kind)
	if of := subjectOf(c); of != "" {
		head += " of " + of
	}
	r.line("%s", head)
	r.line("  by %s at %s", authorText(c.By), c.At.UTC().Format(time.RFC3339Nano))
	if c.Error != "" {
		why := c.Error
		if c.Code != "" {
			why = string(c.Code) + ": " + why
		}
		r.quote("why", why)
	}
	if c.Message != "" {
		r.quote("message", c.Message)
	}
	if result := resultOf(c); result != "" && c.Code == "" {
		r.line("  made %s", result)
	}
	if c.Before != "" || c.After != "" {
		r.line("  before %s, after %s", cmp.Or(c.Before, "nothing"), cmp.Or(c.After, "nothing"))
	}
	if i := c.Import; i != nil {
		r.line("  %d written, %d unchanged, %d failed; %s", i.Written, i.Unchanged, i.Failed, i.Digest)
	}
	if c.Omitted > 0 {
		r.line("  %s of this author before it not recorded one by one", plural(c.Omitted, "refusal", "refusals"))
	}
}

// authorText is who asked, from where.
func authorText(by authz.Author) string {
	text := by.Key
	if by.Name != "" {
		text += " (" + by.Name + ")"
	}
	if by.From != "" {
		text += " from " + by.From
	}
	if by.RequestID != "" {
		text += ", request " + by.RequestID + ","
	}
	return text
}
