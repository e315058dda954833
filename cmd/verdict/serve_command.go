package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
)

func newServe(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is interrupted; requests in flight are then finished.

On first start it makes an operator's key and a PEP's key in the data directory
(keys/operator.key, keys/pep.key, readable by its user only) and says where.
One process uses a data directory at a time.

Every flag is also a key of the configuration file and an environment variable:
` + "`verdict help configuration` lists them.",
		Example: `  verdict serve --demo
  verdict serve --data /var/lib/verdict --config /etc/verdict.yaml`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := c.config(cmd)
			if err != nil {
				return err
			}
			return c.runServe(cmd.Context(), loaded.Config)
		},
	}
	addSettingFlags(cmd)
	return cmd
}

// addSettingFlags gives cmd a flag for every setting. What they set is read by
// cli.config, which knows their precedence.
func addSettingFlags(cmd *cobra.Command) {
	unbound := config.Default()
	for _, s := range unbound.Settings() {
		f := cmd.Flags().VarPF(s, s.Flag(), "", s.Usage)
		if s.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
		if len(s.Choices) > 0 {
			complete(cmd, s.Flag(), s.Choices...)
		}
	}
}
