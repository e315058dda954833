package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
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

// newExitCodesTopic is `verdict help exit-codes`.
func newExitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every command exits with one of these:\n\n")
	for _, row := range exitMeanings() {
		fmt.Fprintf(&b, "  %d  %s\n", row.status, row.meaning)
	}
	b.WriteString("\nErrors are written to standard error; with --output json as one JSON object with\ncode, detail and, where known, field and fix.\n")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit status means", Long: b.String()}
}

// newConfigurationTopic is `verdict help configuration`.
func newConfigurationTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString(`A value comes from the first of: its flag, its environment variable, the
configuration file (--config or $` + envConfig + `), its default. The environment variable is
VERDICT_ and the key in capitals, with _ for the dot; the flag is the key with
dashes: engine.timeout, VERDICT_ENGINE_TIMEOUT, --engine-timeout.

`)
	defaults := config.Default()
	for _, s := range defaults.Settings() {
		fmt.Fprintf(&b, "  %-27s %s\n", s.Key, s.Usage)
		if s.String() != "" {
			fmt.Fprintf(&b, "  %-27s default %s\n", "", s.String())
		}
		if s.Allowed != "" {
			fmt.Fprintf(&b, "  %-27s may be %s\n", "", s.Allowed)
		}
	}
	b.WriteString(`
In the file the part before the dot is a section:

  data: /var/lib/verdict
  engine:
    timeout: 250ms
    max_keys: 64

Client commands also read:

  $` + envServer + `          URL of the server for decide, token get and token introspect
  $` + envAdminServer + `    URL of the server for the other commands
  $` + envKeyFile + `        file with the API key
  $` + envKey + `             the API key itself
`)
	return &cobra.Command{Use: "configuration", Short: "Configuration keys, their variables and defaults", Long: b.String()}
}

// tableExample is a decision table that the base policies pass, with world.yaml in the
// folder above.
const tableExample = `
about: Who may post to the ledger.    # optional, as in each case
time: 2026-11-22T10:00:00Z            # RFC 3339; a case may have its own
data:                                 # the facts, by collection and id
  include: [../world.yaml]            # more facts, from files with nothing else
  machine_users:
    mu:billing-svc: {kind: service, origin: internal, owner: finance, tier: 3, env: prod, state: active}
  services: {svc:ledger: {tier: 3, env: prod, owner: finance, required_level: {internal: 3}}}
  edges: {mu:billing-svc: {svc:ledger: {actions: [ledger.post], owner: finance}}}
input:                                # what the questions have in common
  subject: {id: mu:billing-svc}
  resource: {id: svc:ledger}
  token: {env: prod}
cases:
  - name: its own action
    input: {action: {name: ledger.post}}
    want: allow
  - name: another action
    input: {action: {name: ledger.close}}
    want: deny
    reasons: [ACTION_NOT_ALLOWED]
`

// newDecisionTablesTopic is `verdict help decision-tables`.
func newDecisionTablesTopic() *cobra.Command {
	return &cobra.Command{Use: "decision-tables", Short: "How a decision table is written", Long: `A decision table lists questions with the answers they must get. It is a YAML file
named *_table.yaml beside the policies, and ` + "`verdict test`" + ` runs it:

` + indent(strings.TrimSpace(tableExample)) + `

want is allow or deny. reasons and would_deny are codes, obligations and advice are ids:
these and no others, in any order; left out, there must be none. Facts are entities as
an import has them. The data and the input of a case change those of its table, as a
JSON merge patch does: null takes away. What is left out of the input has a default: a
fresh JWT of our own token issuer, for the subject.
`}
}
