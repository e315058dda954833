package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
)

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
		fmt.Fprintf(&b, "  %-24s %s\n", s.Key, s.Usage)
		if s.String() != "" {
			fmt.Fprintf(&b, "  %-24s default %s\n", "", s.String())
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
