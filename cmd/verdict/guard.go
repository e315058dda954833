package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/spell"
)

func newGuard(c *cli) *cobra.Command {
	cmd := group("guard", "Show the guards and change their modes", newGuardList(c), newGuardMode(c))
	cmd.Long = `Show the guards and change their modes. A guard is off, or it observes (what it would
deny is recorded and counted), or it flags (callers are told too), or it is enforced. It
goes up one step at a time, and down any number.`
	return cmd
}

func checkMode(mode string) error {
	if slices.Contains(authz.Modes(), mode) {
		return nil
	}
	return usage("\""+mode+"\" is not a mode"+spell.DidYouMean(mode, authz.Modes()), "Write off, observe, flag or enforce.")
}
