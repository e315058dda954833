package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newBundleList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "Print the bundles that are decided with now",
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.BundleList, error) { return pdp.ListBundles(ctx) }, aboutPolicies, c.writeBundles)
	}
	return cmd
}

func (c *cli) writeBundles(_ io.Writer, list api.BundleList) error {
	t := c.newTable(-1, nil, "NAME", "REVISION", "DIGEST", "SIZE", "SIGNED BY", "SOURCE", "ROOTS")
	err := rows(t, func(b authz.BundleRef) ([]string, error) {
		return []string{b.Name, b.Revision, shortDigest(b.Digest), byteCount(b.Bytes), b.SignedBy, b.Source, strings.Join(b.Roots, " ")}, nil
	})(list.Bundles)
	if err != nil {
		return err
	}
	return c.note("generation %d, %s", list.Generation, list.Digest)
}

func newBundleGet(c *cli) *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Copy the active bundle of a name to a file",
		Long: `Copy the bundle of a name, as it is in the active generation, to a file, or with
--file - to standard output.`,
		Example: `  verdict bundle get acme -f acme.tar.gz
  verdict bundle get base -f - | tar tz`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to write, - for standard output (default: NAME.tar.gz)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkBundleName(args[0]); err != nil {
			return err
		}
		if file == "-" && isTerminal(c.out) {
			return usage("a bundle is not for a terminal", "Name a file with --file, or pipe it into another command.")
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		fetch := func(ctx context.Context, w io.Writer) error { return pdp.GetBundle(ctx, args[0], w) }
		if file == "-" {
			return aboutPolicies(fetch(cmd.Context(), c.out))
		}
		if file == "" {
			file = args[0] + ".tar.gz"
		}
		bar := c.newProgress("fetching "+args[0], -1)
		if err := c.download(cmd.Context(), fetch, file, force, bar, bar.bytesOnly()); err != nil {
			return aboutPolicies(err)
		}
		return c.printFile(file)
	}
	return cmd
}

func newBundleShow(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show GENERATION",
		Short:             "Print one generation: its bundles, and what the gate found",
		Example:           `  verdict bundle show 7`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			return pdp.GetGeneration(ctx, n)
		}, aboutPolicies, func(w io.Writer, g authz.Generation) error {
			r := &report{w: w}
			r.generation(g, c.now())
			if g.State == authz.GenerationCandidate {
				r.nextOfCandidate(g.Number)
			}
			return r.err
		})
	}
	return cmd
}

func newBundleHistory(c *cli) *cobra.Command {
	limit := 100
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Print the generations that are kept, newest first",
		Long: `Print the generations that are kept, newest first: candidates that were never decided
with, the active one, and those that can be gone back to.`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "most generations to print, 1 to 1000")
	complete(cmd, "limit")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > client.MaxLimit {
			return usage(fmt.Sprintf("--limit is %d", limit), "Write 1 to 1000.")
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.GenerationList, error) {
			return pdp.ListGenerations(ctx, limit)
		}, aboutPolicies, c.writeHistory)
	}
	return cmd
}

func (c *cli) writeHistory(_ io.Writer, list api.GenerationList) error {
	colours := map[string]colour{authz.GenerationActive: green, authz.GenerationCandidate: amber}
	t := c.newTable(1, colours, "GENERATION", "STATE", "MADE", "BY", "ACTIVATED", "FLIPS", "BUNDLES", "MESSAGE")
	return rows(t, func(g authz.Generation) ([]string, error) {
		return []string{
			strconv.FormatUint(g.Number, 10), g.State, stamp(g.At), g.Author, stamp(g.ActivatedAt), gateFlips(g.Gate), bundleNames(g.Bundles), oneLine(g.Message),
		}, nil
	})(list.Items)
}

// gateFlips is how many recorded decisions the gate saw flip; empty when it replayed
// none.
func gateFlips(g *authz.GateReport) string {
	if g == nil || g.Replay == nil {
		return ""
	}
	return grouped(g.Replay.Flips())
}

func bundleNames(refs []authz.BundleRef) string {
	var names []string
	for _, b := range refs {
		names = append(names, b.Name)
	}
	return strings.Join(names, " ")
}

func newBundleStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print what is decided with, its sources, and what failed last",
		Long: `Print the generation that is decided with, how the sources that bundles are pulled
from stand, and the last failure of each bundle that did not get through since.`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (authz.PolicyStatus, error) {
			return pdp.PolicyStatus(ctx)
		}, aboutPolicies, c.writePolicyStatus)
	}
	return cmd
}

func (c *cli) writePolicyStatus(w io.Writer, status authz.PolicyStatus) error {
	r := &report{w: w}
	r.line("active    generation %d, %s", status.Active.Generation, status.Active.Digest)
	if status.Previous != 0 {
		r.line("previous  generation %d: `verdict bundle rollback` goes back to it", status.Previous)
	}
	for _, s := range status.Sources {
		r.source(c, s)
	}
	if len(status.Failures) == 0 {
		r.line("failures  none")
	}
	for _, f := range status.Failures {
		r.policyFailure(c, f)
	}
	return r.err
}

func (r *report) source(c *cli, s authz.SourceStatus) {
	r.line("source    %s from %s, asked %s, last good %s", s.Name, s.Source,
		cmp.Or(ago(c.now(), s.LastAttempt), "never"), cmp.Or(ago(c.now(), s.LastSuccess), "never"))
	if s.Error != "" {
		r.lines("            ", "failed: "+s.Error)
	}
	if !s.NextAttempt.IsZero() {
		r.line("            asked again in %s", left(c.now(), s.NextAttempt))
	}
}

func (r *report) policyFailure(c *cli, f authz.PolicyFailure) {
	by := ""
	if f.Author != "" {
		by = ", by " + f.Author
	}
	r.line("failed    %s at %s, %s%s", f.Name, f.Step, ago(c.now(), f.At), by)
	r.lines("            ", f.Message)
	for _, p := range f.Problems {
		if text := p.String(); !strings.Contains(f.Message, text) {
			r.line("            %s", text)
		}
	}
}

func newBundleDiff(c *cli) *cobra.Command {
	last := authz.DefaultReplayed
	cmd := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "Print what differs between two generations: files and decisions",
		Long: `Print what differs between two generations: the lines of their files, and which of the
newest recorded decisions the second one makes otherwise than the first.`,
		Example: `  verdict bundle diff 6 7
  verdict bundle diff 6 7 --last 0`,
		Args:              takes(2, 2),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&last, "last", last, "newest recorded decisions to judge anew; 0 compares files only")
	complete(cmd, "last")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		other, err := parseGeneration(args[1])
		if err != nil {
			return err
		}
		if last < 0 {
			return usage(fmt.Sprintf("--last is %d", last), "Write how many decisions to judge anew, or 0 for none.")
		}
		compare := func(ctx context.Context, pdp *client.Client) (api.Difference, error) {
			return pdp.DiffGenerations(ctx, from, other, last)
		}
		return callAndPrint(c, cmd, to, withSpinner(c, "comparing", compare), aboutPolicies, c.writeDiff)
	}
	return cmd
}

func (c *cli) writeDiff(w io.Writer, d api.Difference) error {
	s := c.screenOf(w)
	s.columns = 0 // lines of a diff are not cut
	r := &report{w: w}
	if len(d.Files) == 0 {
		r.line("generations %d and %d have the same files", d.From, d.To)
	}
	for _, f := range d.Files {
		r.line("%s %s/%s", f.Change, f.Bundle, f.Path)
		r.diffLines(s, f.Lines)
	}
	if d.Decisions != nil {
		r.comparison(d.Decisions)
	}
	return r.err
}

// diffLines prints a unified diff.
func (r *report) diffLines(s screen, lines string) {
	for line := range strings.Lines(lines) {
		if r.err == nil {
			text := strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
			r.err = writeAll(r.w, []byte(s.line(part{text: "  "}, part{text: text, colour: diffColour(line)})+"\n"))
		}
	}
}

func diffColour(line string) colour {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return noColour
	case strings.HasPrefix(line, "+"):
		return green
	case strings.HasPrefix(line, "-"):
		return red
	}
	return noColour
}
