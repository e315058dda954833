package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print how the server stands, and what is wrong with it",
		Long: `Print how the server stands on one page: what is wrong and what to do about it, or
that everything is well; then the node, its policies, data, issuers, decision log,
sinks, sources and certificates.

It exits with 11 when something is wrong, for a monitor or a cron job.`,
		Example: `  verdict status
  verdict status > /dev/null || page-somebody`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		unwell := false
		err := callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.Status, error) {
			s, err := pdp.Status(ctx)
			unwell = len(s.Problems) > 0
			return s, err
		}, nil, writeStatus)
		if err != nil || !unwell {
			return err
		}
		return silent(exitUnwell)
	}
	return cmd
}

// writeStatus writes the page: what is wrong first. Times are told by the server's clock.
func writeStatus(w io.Writer, s api.Status) error {
	r := &report{w: w}
	if len(s.Problems) == 0 {
		r.line("everything is well")
	}
	for _, p := range s.Problems {
		first, more, _ := strings.Cut(p.What, "\n")
		r.line("wrong: %s", first)
		for line := range strings.Lines(more) {
			r.line("  %s", strings.TrimSpace(line))
		}
		r.line("  fix: %s", p.Fix)
	}
	r.line("")
	r.line("node          verdict %s, %s, up %s", s.Version, s.Role, span(s.Now.Sub(s.StartedAt)))
	r.statusOfPolicies(s)
	r.line("data          revision %d, schema %d, %s", s.DataRevision, s.SchemaVersion, collectionCounts(s.Collections))
	r.statusOfIssuers(s)
	r.statusOfLog(s)
	for _, sink := range s.Sinks {
		r.line("sink          %s, %s behind, last took records %s", sink.Name, plural(sink.LagRecords, "record", "records"), cmp.Or(ago(s.Now, sink.LastSuccess), "never"))
	}
	for _, source := range s.Sources {
		r.line("source        %s from %s, last good %s", source.Name, source.Source, cmp.Or(ago(s.Now, source.LastSuccess), "never"))
	}
	if len(s.Certificates) == 0 {
		r.line("certificates  none, no listener is served over TLS")
	}
	for _, c := range s.Certificates {
		until := "expired"
		if c.NotAfter.After(s.Now) {
			until = "for another " + span(c.NotAfter.Sub(s.Now))
		}
		r.line("certificate   %s, until %s, %s", c.Listener, stamp(c.NotAfter), until)
	}
	return r.err
}

func (r *report) statusOfPolicies(s api.Status) {
	if s.Policy.Digest == "" {
		r.line("policies      none")
	} else {
		r.line("policies      generation %d, %s, since %s", s.Policy.Generation, shortDigest(s.Policy.Digest), cmp.Or(stamp(s.PolicySince), "the start"))
	}
	if sh := s.Shadow; sh != nil {
		r.line("shadow        generation %d since %s, %s judged, %s otherwise", sh.Generation, stamp(sh.Since), grouped(sh.Judged), grouped(sh.Flips))
	}
}

func (r *report) statusOfIssuers(s api.Status) {
	if len(s.Issuers) == 0 {
		r.line("issuers       none")
		return
	}
	states := map[string]uint64{}
	for _, issuer := range s.Issuers {
		states[issuer.State]++
	}
	var counts []string
	for _, state := range slices.SortedFunc(maps.Keys(states), func(a, b string) int {
		return cmp.Or(cmp.Compare(issuerBadness(b), issuerBadness(a)), cmp.Compare(a, b))
	}) {
		counts = append(counts, grouped(states[state])+" "+state)
	}
	r.line("issuers       %s", strings.Join(counts, ", "))
	for _, issuer := range s.Issuers {
		if issuer.State == authz.Fresh {
			continue
		}
		changes := ""
		if issuer.ChangesInS != nil {
			changes = ", decisions change in " + firstChange(authz.IssuerStatus{ChangesInS: issuer.ChangesInS})
		}
		r.line("  %s %s%s", issuer.ID, issuer.State, strings.Replace(changes, "in now", "now", 1))
	}
}

func (r *report) statusOfLog(s api.Status) {
	l := s.DecisionLog
	text := plural(l.Records, "record", "records")
	if !l.Oldest.IsZero() {
		text += ", the oldest decision " + ago(s.Now, l.Oldest)
	}
	text += fmt.Sprintf("; %d of %s waiting; %s, %s free", l.Waiting, grouped(uint64(l.Queue)), byteCount(l.Bytes), byteCount(int64(l.FreeBytes)))
	if l.Lost+l.Refused > 0 {
		text += fmt.Sprintf("; since the start %s lost, %s refused", grouped(l.Lost), grouped(l.Refused))
	}
	r.line("decision log  %s", text)
}

// collectionCounts are the collections that have any, largest first.
func collectionCounts(counts map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		if counts[name] > 0 {
			parts = append(parts, grouped(counts[name])+" "+name)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "empty")
}
