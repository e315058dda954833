package main

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

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
