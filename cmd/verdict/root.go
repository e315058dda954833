package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Environment variables beside those of the settings (config.Setting.Env).
const (
	envConfig      = "VERDICT_CONFIG"       // the configuration file
	envServer      = "VERDICT_SERVER"       // URL of the decisions listener
	envAdminServer = "VERDICT_ADMIN_SERVER" // URL of the admin listener
	envKeyFile     = "VERDICT_KEY_FILE"     // file with the API key
	envKey         = "VERDICT_KEY"          // the API key itself
	envCA          = "VERDICT_CA"           // file of the authorities to trust
	envCert        = "VERDICT_CERT"         // file of the client certificate
	envCertKey     = "VERDICT_CERT_KEY"     // file of its private key
)

func clientEnv() []string {
	return []string{envConfig, envServer, envAdminServer, envKeyFile, envKey, envCA, envCert, envCertKey}
}

func newRoot(c *cli) *cobra.Command {
	root := group("verdict", "Policy decisions for machine users")
	root.Long = `Verdict answers whether a machine user may call a service, now: allow or deny,
with every reason. One binary holds the server and the commands that talk to it.

  verdict serve --demo                              start with demo data
  verdict demo token mu:user-svc |
    verdict decide --token - --action email.send --resource svc:email \
      --prop recipient=u-ana --prop message_class=invoice.issued \
      --context source_ip=10.4.2.19 --context env=prod`
	root.SilenceUsage, root.SilenceErrors = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		// Cobra would check this too, but only after the command has started.
		if err := cmd.ValidateFlagGroups(); err != nil {
			return excluded(err)
		}
		c.started = true
		return nil
	}
	c.output = formatText
	root.PersistentFlags().VarP(&c.output, "output", "o", "how to print: text or json")
	root.PersistentFlags().StringVar(&c.configFile, "config", "", "configuration file, YAML ($"+envConfig+")")
	complete(root, "output", formatText.String(), formatJSON.String())

	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Server:"},
		&cobra.Group{ID: "decisions", Title: "Decisions:"},
		&cobra.Group{ID: "policies", Title: "Policies:"},
		&cobra.Group{ID: "credentials", Title: "Credentials and tokens:"},
		&cobra.Group{ID: "data", Title: "Data:"},
	)
	add(root, "server", newServe(c), newStatus(c), newConfig(c), newKey(c), newAudit(c), newVersion(c))
	add(root, "decisions", newDecide(c), newDecisions(c), newReplay(c), newDemo(c))
	add(root, "policies", newBundle(c), newGuard(c), newShadow(c), newTest(c))
	add(root, "credentials", newIssuer(c), newCredential(c), newSecret(c), newToken(c), newRotate(c), newRevoke(c), newRenew(c))
	add(root, "data", newEntity(c), newImport(c), newExport(c), newBackup(c), newRestore(c))
	root.AddCommand(newExitCodesTopic(), newConfigurationTopic(), newDecisionTablesTopic())
	root.SetHelpCommand(newHelp())
	addVersionFlag(root, c)
	addCompletion(root)
	return root
}

// excluded says in plain words which flags may not be given together.
func excluded(err error) error {
	_, given, ok := strings.Cut(err.Error(), "; [")
	given, ends := strings.CutSuffix(given, "] were all set")
	if !ok || !ends {
		return err
	}
	return errors.New("--" + strings.ReplaceAll(given, " ", " and --") + " cannot be given together; choose one")
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(commands...)
	return holdsOnly(cmd)
}

// holdsOnly makes cmd refuse to be called without one of its commands. The root
// alone shows its help then.
func holdsOnly(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return unknownCommand(cmd, args[0])
		case cmd.HasParent():
			return fmt.Errorf("`%s` needs one of its commands: %s", cmd.CommandPath(), strings.Join(commandNames(cmd), ", "))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// unknownCommand refuses a word that is no command of cmd, with the nearest ones.
func unknownCommand(cmd *cobra.Command, word string) error {
	var hint string
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	} else if cmd.HasParent() && cmd.HasSubCommands() {
		hint = "; it has " + strings.Join(commandNames(cmd), ", ")
	}
	return usage(fmt.Sprintf("%q is not a command of %s%s", word, cmd.CommandPath(), hint), fmt.Sprintf("`%s --help` lists its commands.", cmd.CommandPath()))
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, held := range cmd.Commands() {
		names = append(names, held.Name())
	}
	return names
}

// complete offers values for a flag in shell completion.
func complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("completing a flag that is not defined: " + err.Error())
	}
}
