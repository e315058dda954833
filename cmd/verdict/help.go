package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/spell"
)

// newHelp is cobra's help command, except that it refuses what it has no help on.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Show the help of a command or a topic",
		Args: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) == 0 {
				return err
			}
			return usage(fmt.Sprintf("there is no help on %q%s", strings.Join(args, " "), spell.DidYouMean(rest[0], commandNames(found))),
				fmt.Sprintf("`%s --help` lists what there is.", found.CommandPath()))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag() // for its help to show
			return found.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(found), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// addCompletion adds cobra's completion command, except that it refuses shells
// it does not know.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			holdsOnly(cmd)
		}
	}
}
