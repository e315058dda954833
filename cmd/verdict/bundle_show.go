package main

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: generationPath(n)})
		if err != nil {
			return aboutPolicies(err)
		}
		g, err := readGeneration(answer.Body)
		if err != nil {
			return err
		}
		return c.print(answer.Body, func(w io.Writer) error {
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
