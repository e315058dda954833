package main

import "github.com/spf13/cobra"

func newSecret(c *cli) *cobra.Command {
	return group("secret", "Make the shared secrets of machine users", newSecretCreate(c))
}
