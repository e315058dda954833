package main

import "github.com/spf13/cobra"

func newDemo(c *cli) *cobra.Command {
	return group("demo", "Work with the demo data of serve --demo", newDemoToken(c), newDemoDPoP(c))
}
