package main

import "github.com/spf13/cobra"

func newToken(c *cli) *cobra.Command {
	return group("token", "Get tokens of Verdict's own token service", newTokenGet(c))
}
