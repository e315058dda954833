package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newShadowShow(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show",
		Short:             "Print what the shadow found so far",
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.callShadow(cmd.Context(), client, http.MethodGet, nil)
	}
	return cmd
}
