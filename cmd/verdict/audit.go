package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
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
	if err == nil {
		return nil
	}
	return refixed(err, map[authz.ErrorCode]string{
		authz.CodeNotFound: "`verdict audit list` shows the ids; old records are removed after a time.",
		authz.CodeGone:     "`verdict audit list` shows what is still kept.",
	})
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

// query checks the flags, and is the filter as the parameters of a URL.
func (f *auditFilter) query(c *cli) (url.Values, error) {
	if f.refused {
		f.Outcome = authz.ChangeRefused
	}
	switch {
	case f.Outcome != "" && !slices.Contains(outcomes, f.Outcome):
		return nil, usage(fmt.Sprintf("--outcome is %q", f.Outcome), "Write one of "+strings.Join(outcomes, ", ")+".")
	case f.kind != "" && !slices.Contains(authz.ChangeKinds(), authz.ChangeKind(f.kind)):
		return nil, usage(fmt.Sprintf("--kind is %q", f.kind), "Write one of "+strings.Join(words(authz.ChangeKinds()), ", ")+".")
	case f.collection != "" && !authz.Collection(f.collection).Known():
		return nil, usage(fmt.Sprintf("--collection is %q", f.collection), "Write one of "+strings.Join(words(authz.AllCollections()), ", ")+".")
	}
	times := recordFilter{from: f.from, to: f.to}
	span, err := times.parse(c)
	if err != nil {
		return nil, err
	}
	query := filterQuery(span)
	for name, value := range map[string]string{"by": f.By, "kind": f.kind, "collection": f.collection, "key": f.Key, "bundle": f.Bundle, "outcome": f.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query, nil
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
		query, err := filter.query(c)
		if err != nil {
			return err
		}
		if err := pages.ask(query, "change"); err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathAudit, Query: query}
		if pages.all {
			return aboutAudit(c.listAllRecords(cmd.Context(), client, call, c.newChangeTable()))
		}
		return aboutAudit(c.listPage(cmd.Context(), client, call, c.newChangeTable()))
	}
	return cmd
}

func newAuditTail(c *cli) *cobra.Command {
	var filter auditFilter
	last := 10
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
	cmd.Flags().IntVarP(&last, "last", "n", last, "how many of those made before to begin with, up to 1000")
	complete(cmd, "last")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query, err := filter.query(c)
		if err != nil {
			return err
		}
		if last < 0 || last > pageOfAll {
			return usage(fmt.Sprintf("--last is %d", last), "Write 0 to 1000; `verdict audit list --all` prints every one.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := &tail{cli: c, client: client, path: api.PathAudit, filter: query, rows: c.newChangeTable()}
		if c.output == formatJSON {
			t.rows = &recordLines{w: c.out}
		}
		return aboutAudit(t.follow(cmd.Context(), last))
	}
	return cmd
}

// changeTable prints changes, one a line.
type changeTable struct{ table *table }

func (c *cli) newChangeTable() *changeTable {
	t := newTable(c.out, "AT", "OUTCOME", "CHANGE", "OF", "BY", "RESULT", "ID")
	t.screen = c.screenOf(c.out)
	t.colours = map[int]func(string) colour{1: changeColour}
	return &changeTable{table: t}
}

func changeColour(outcome string) colour {
	switch outcome {
	case authz.ChangeMade:
		return green
	case authz.ChangeRefused, authz.ChangeFailed:
		return red
	case authz.ChangePending, authz.ChangeNotMade, authz.ChangeInterrupted:
		return amber
	}
	return plain
}

func (t *changeTable) page(items []json.RawMessage) error {
	var rows [][]string
	for _, item := range items {
		var c authz.AuditedChange
		if err := ijson.UnmarshalOpen(item, &c); err != nil {
			return unreadable(err)
		}
		rows = append(rows, []string{
			c.At.UTC().Format("2006-01-02T15:04:05.000Z"), c.Outcome, string(c.Kind), subjectOf(&c), c.By.Key, resultOf(&c), c.ID,
		})
	}
	return t.table.page(rows)
}

func (*changeTable) end(uint64) error { return nil }

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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: api.PathAudit + "/" + url.PathEscape(args[0])})
		if err != nil {
			return aboutAudit(err)
		}
		return c.print(answer.Body, func(w io.Writer) error { return tellChange(w, answer.Body) })
	}
	return cmd
}

// auditedRecord answers for one change.
type auditedRecord struct {
	Change authz.AuditedChange `json:"change"`
	Seq    uint64              `json:"seq"`
	Kind   string              `json:"kind"`
	At     time.Time           `json:"at"`
	Prev   string              `json:"prev"`
	Hash   string              `json:"hash"`
}

func tellChange(w io.Writer, answer []byte) error {
	var shown auditedRecord
	if err := ijson.UnmarshalOpen(answer, &shown); err != nil {
		return unreadable(err)
	}
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
