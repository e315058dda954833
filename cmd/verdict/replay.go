package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newReplay(c *cli) *cobra.Command {
	var r replayRun
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Judge recorded decisions again, by other policies or other data",
		Long: `Judge recorded decisions again and print which would come out otherwise. They are
judged by the active generation, by the one that --generation names, or by the active
one with a bundle of yours in place (--bundle); on the data each saw, or with --revision
on that of now or of one revision. Time and everything else stays as it was recorded.
Nothing is recorded, and nothing that is used once is used up.

The newest 5,000 that the filters select are taken, or as many as --last says; of a file
(--records) all are.`,
		Example: `  verdict replay --generation 7
  verdict replay --bundle ./acme --last 100000 --fail-on-flip
  verdict replay --revision now --edge 'mu:user-svc>svc:email'
  verdict replay --records monday.ndjson --bundle acme.tar.gz`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	r.flags(cmd)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		request, err := r.request(cmd, c)
		if err != nil {
			return err
		}
		in, closing, err := r.open(c, &request)
		if err != nil {
			return err
		}
		defer closing.Close()
		bar := c.newCount("replaying")
		in.Progress = func(p api.ReplayProgress) { bar.at(p.Done, p.Total) }
		var flips uint64
		err = callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (authz.Comparison, error) {
			comparison, err := pdp.Replay(ctx, request, in)
			flips = comparison.Flips()
			return comparison, errors.Join(err, bar.done())
		}, r.refused, writeReplay)
		if err != nil || !r.failOnFlip || flips == 0 {
			return err
		}
		return silent(exitFlips)
	}
	return cmd
}

// replayRun is what to replay, as flags.
type replayRun struct {
	filter     recordFilter
	generation uint64
	bundle     string
	name       string
	records    string
	last       int
	revision   string
	failOnFlip bool
}

func (r *replayRun) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Uint64Var(&r.generation, "generation", 0, "generation to judge by (default: the active one)")
	f.StringVar(&r.bundle, "bundle", "", "bundle to judge by, beside the other active ones: a policy folder or a tar.gz")
	f.StringVar(&r.name, "name", "", "name of that bundle (default: that of the folder or file)")
	f.StringVar(&r.records, "records", "", "file with the records, as exported; - for standard input")
	f.IntVar(&r.last, "last", 0, fmt.Sprintf("newest records to take (default %d)", authz.DefaultReplayed))
	f.StringVar(&r.revision, "revision", api.DataRecorded, "data to judge on: recorded, now, or a data revision")
	f.BoolVar(&r.failOnFlip, "fail-on-flip", false, "exit with 10 when a decision flips")
	complete(cmd, "revision", api.DataRecorded, api.DataNow)
	for _, name := range []string{"generation", "name", "last"} {
		complete(cmd, name)
	}
	cmd.MarkFlagsMutuallyExclusive("generation", "bundle")
	for _, name := range append(r.filter.flags(cmd, "decided-by"), "last") {
		cmd.MarkFlagsMutuallyExclusive("records", name)
	}
}

func (r *replayRun) request(cmd *cobra.Command, c *cli) (api.ReplayRequest, error) {
	filter, err := r.filter.parse(c)
	if err != nil {
		return api.ReplayRequest{}, err
	}
	switch {
	case r.name != "" && r.bundle == "":
		return api.ReplayRequest{}, usage("--name is given without --bundle", "Name the folder or file of the bundle with --bundle.")
	case cmd.Flags().Changed("last") && r.last < 1:
		return api.ReplayRequest{}, usage(fmt.Sprintf("--last is %d", r.last), "Write how many of the newest records to take.")
	case r.bundle == "-" && r.records == "-":
		return api.ReplayRequest{}, usage("--bundle and --records are both standard input", "Write one of them to a file.")
	}
	if _, err := strconv.ParseUint(r.revision, 10, 63); err != nil && r.revision != api.DataRecorded && r.revision != api.DataNow {
		return api.ReplayRequest{}, usage(fmt.Sprintf("--revision is %q", r.revision), "Write recorded, now or a data revision.")
	}
	return api.ReplayRequest{Filter: filter, Last: r.last, Generation: r.generation, Data: r.revision}, nil
}

// refused is the err of a replay, with what helps there.
func (r *replayRun) refused(err error) error {
	if r.bundle == "" {
		return fixes{
			authz.CodeInvalid: "Correct what is named above: --revision takes a revision that the data has reached, --records what `verdict decisions export` wrote.",
		}.of(aboutPolicies(err))
	}
	return refusedBundle(r.bundle, "Change what is named above and replay again.", err)
}

// judgeText names the policies that judged anew.
func judgeText(policy authz.PolicyRef) string {
	if policy.Generation == 0 {
		return "the active generation with this bundle"
	}
	return fmt.Sprintf("generation %d", policy.Generation)
}

func writeReplay(w io.Writer, comparison authz.Comparison) error {
	r := &report{w: w}
	r.comparison(&comparison)
	r.line("  judged by %s (%s) in %s", judgeText(comparison.Policy), shortDigest(comparison.Policy.Digest), took(comparison.TookMS))
	return r.err
}

// open opens the bundle and the records to send along, and names the bundle in request.
// closing closes them.
func (r *replayRun) open(c *cli, request *api.ReplayRequest) (in client.ReplayInput, closing closers, err error) {
	if r.bundle != "" {
		opened, err := c.openBundle(r.bundle, r.name)
		if err != nil {
			return in, nil, err
		}
		request.Bundle, in.Bundle, closing = opened.name, opened, append(closing, opened)
	}
	if r.records != "" {
		opened, _, err := c.openInput(r.records)
		if err != nil {
			return in, nil, errors.Join(err, closing.Close())
		}
		in.Records, closing = opened, append(closing, opened)
	}
	return in, closing, nil
}

// closers are closed together.
type closers []io.Closer

// Close closes all of them, the last first.
func (c closers) Close() error {
	var errs []error
	for i := len(c) - 1; i >= 0; i-- {
		errs = append(errs, c[i].Close())
	}
	return errors.Join(errs...)
}
