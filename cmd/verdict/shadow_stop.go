package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newShadowStop(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "stop",
		Short:             "End the shadow, and print what it found",
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.callShadow(cmd.Context(), client, http.MethodDelete, nil)
	}
	return cmd
}
