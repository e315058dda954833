package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newShadow(c *cli) *cobra.Command {
	cmd := group("shadow", "Let a candidate judge live traffic, without effect", newShadowStart(c),
		newShadowCall(c, "show", "Print what the shadow found so far", http.MethodGet),
		newShadowCall(c, "stop", "End the shadow, and print what it found", http.MethodDelete))
	cmd.Long = `Let a candidate generation judge live traffic a second time, without effect: what it
would have answered otherwise is counted, with examples. Callers do not wait for it, and
when it falls behind it judges fewer.`
	return cmd
}

// newShadowCall is a command that needs nothing but the method of its call.
func newShadowCall(c *cli, use, short, method string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: takes(0, 0), ValidArgsFunction: cobra.NoFileCompletions}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.callShadow(cmd.Context(), client, method, nil)
	}
	return cmd
}

// callShadow sends a call about the shadow and prints the report that answers it.
func (c *cli) callShadow(ctx context.Context, client *remote.Client, method string, body io.Reader) error {
	answer, err := client.Do(ctx, remote.Call{Method: method, Path: api.PathShadow, Body: body})
	if err != nil {
		return refixed(err, map[authz.ErrorCode]string{
			authz.CodeNotFound: "`verdict shadow start GENERATION` starts one; `verdict bundle history` lists the generations.",
		})
	}
	var report authz.ShadowReport
	if err := ijson.UnmarshalOpen(answer.Body, &report); err != nil {
		return unreadable(err)
	}
	return c.print(answer.Body, func(w io.Writer) error { return tellShadow(w, report, c.now()) })
}

func tellShadow(w io.Writer, s authz.ShadowReport, now time.Time) error {
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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		body, err := ijson.Marshal(request)
		if err != nil {
			return err
		}
		return c.callShadow(cmd.Context(), client, http.MethodPost, bytes.NewReader(body))
	}
	return cmd
}
