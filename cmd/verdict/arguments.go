package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// takes holds a command to between least and most arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if least <= len(args) && len(args) <= most {
			return nil
		}
		wanted := "no argument"
		if _, names, ok := strings.Cut(cmd.Use, " "); ok {
			wanted = names
		}
		return fmt.Errorf("`%s` takes %s; it was given %s", cmd.CommandPath(), wanted, counted(args))
	}
}

func counted(args []string) string {
	switch len(args) {
	case 0:
		return "none"
	case 1:
		return fmt.Sprintf("%q", args[0])
	}
	return fmt.Sprintf("%d", len(args))
}
