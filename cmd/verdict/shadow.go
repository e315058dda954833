package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newShadow(c *cli) *cobra.Command {
	cmd := group("shadow", "Let a candidate judge live traffic, without effect", newShadowStart(c),
		newShadowCall(c, "show", "Print what the shadow found so far", (*client.Client).ShadowReport),
		newShadowCall(c, "stop", "End the shadow, and print what it found", (*client.Client).StopShadow))
	cmd.Long = `Let a candidate generation judge live traffic a second time, without effect: what it
would have answered otherwise is counted, with examples. Callers do not wait for it, and
when it falls behind it judges fewer.`
	return cmd
}

// newShadowCall is a command that needs nothing but its call.
func newShadowCall(c *cli, use, short string, call func(*client.Client, context.Context) (api.ShadowReport, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: takes(0, 0), ValidArgsFunction: cobra.NoFileCompletions}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.callShadow(cmd, to, func(ctx context.Context, pdp *client.Client) (api.ShadowReport, error) { return call(pdp, ctx) })
	}
	return cmd
}

// callShadow makes a call about the shadow and prints the report that answers it.
func (c *cli) callShadow(cmd *cobra.Command, to *connection, call func(context.Context, *client.Client) (api.ShadowReport, error)) error {
	return callAndPrint(c, cmd, to, call, fixes{
		authz.CodeNotFound: "`verdict shadow start GENERATION` starts one; `verdict bundle history` lists the generations.",
	}.of, func(w io.Writer, report api.ShadowReport) error { return writeShadow(w, report, c.now()) })
}

func writeShadow(w io.Writer, s authz.ShadowReport, now time.Time) error {
	r := &report{w: w}
	state := "runs since " + stamp(s.Since)
	if !s.Running {
		state = "ran from " + stamp(s.Since) + " to " + stamp(s.Until)
	}
	r.line("generation %d %s, started by %s, on %s of the decisions", s.Policy.Generation, state, s.By, percent(s.Sample))
	r.line("  %s made, %s judged a second time, %s dropped because it fell behind",
		plural(s.Offered, "decision", "decisions"), grouped(s.Judged), grouped(s.Dropped))
	r.compared(&s.Comparison, "live")
	if s.Running {
		r.next(
			[2]string{"verdict shadow show", "how it stands"},
			[2]string{"verdict shadow stop", "end it"},
		)
	}
	return r.err
}

func newShadowStart(c *cli) *cobra.Command {
	request := api.ShadowRequest{Sample: 1}
	cmd := &cobra.Command{
		Use:   "start GENERATION",
		Short: "Judge live traffic with a generation too, without effect",
		Long: `Judge live traffic with a generation too, without effect, until it is stopped. It takes
the place of one that runs.`,
		Example:           `  verdict shadow start 7 --sample 0.1`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().Float64Var(&request.Sample, "sample", request.Sample, "part of the decisions to judge, above 0 and up to 1")
	complete(cmd, "sample", "0.01", "0.1", "1")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		if !(request.Sample > 0 && request.Sample <= 1) {
			return usage(fmt.Sprintf("--sample is %v", request.Sample), "Write a part above 0 and up to 1, such as 0.1 for every tenth.")
		}
		request.Generation = n
		return c.callShadow(cmd, to, func(ctx context.Context, pdp *client.Client) (api.ShadowReport, error) {
			return pdp.StartShadow(ctx, request)
		})
	}
	return cmd
}
