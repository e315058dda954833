package main

import (
	"errors"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newBundleRemove(c *cli) *cobra.Command {
	var message string
	var activate bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Make a candidate without a bundle",
		Long: `Make a candidate generation: the active one without this bundle. It goes through the
gate like a push, and is decided with once it is activated.`,
		Example:           `  verdict bundle remove acme -m "contract ended"`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&activate, "activate", false, "decide with it at once when it passes")
	because(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkBundleName(args[0]); err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		waiting := c.newWait("removing " + args[0] + ", the gate runs")
		answer, err := client.Upload(cmd.Context(), remote.Call{Method: http.MethodDelete, Path: bundlePath(args[0]), Query: pushQuery(message, activate)})
		if err := errors.Join(err, waiting.done()); err != nil {
			return refixed(aboutPolicies(err), map[authz.ErrorCode]string{
				authz.CodeInvalid: "Nothing was changed. What is named above does not load without " + args[0] + ": change or remove that first.",
			})
		}
		g, err := readGeneration(answer.Body)
		if err != nil {
			return err
		}
		return c.print(answer.Body, func(w io.Writer) error {
			r := &report{w: w}
			r.line("without %s: generation %d, %s", args[0], g.Number, stateText(g, false))
			r.generationOutcome(g)
			return r.err
		})
	}
	return cmd
}
