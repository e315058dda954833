package main

import "github.com/spf13/cobra"

func newToken(c *cli) *cobra.Command {
	return group("token", "Work with Verdict's own token service", newTokenGet(c), newTokenReplaceKeys(c))
}
