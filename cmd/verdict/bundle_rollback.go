package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
)

func newBundleRollback(c *cli) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:   "rollback [GENERATION]",
		Short: "Go back to an earlier generation, at once",
		Long: `Go back to an earlier generation, from the next request on: the one that was active
before, or the one named. Any that is kept can be gone back to.`,
		Example: `  verdict bundle rollback -m "denies invoices"
  verdict bundle rollback 5`,
		Args:              takes(0, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	because(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := api.RollbackRequest{Message: message}
		if len(args) == 1 {
			n, err := parseGeneration(args[0])
			if err != nil {
				return err
			}
			request.To = n
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.activated(cmd, client, api.PathRollback, request)
	}
	return cmd
}
