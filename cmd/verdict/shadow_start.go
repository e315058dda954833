package main

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/ijson"
)

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
