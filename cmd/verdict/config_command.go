package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/ijson"
)

func newConfig(c *cli) *cobra.Command {
	return group("config", "Look at the configuration", newConfigCheck(c))
}

func newConfigCheck(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Print each value the server would use and where it came from",
		Long: `Print each value ` + "`verdict serve`" + ` would use when called with the same flags and
environment, and where it came from, and say what is wrong with any of them.`,
		Example: `  verdict config check --config verdict.yaml`,
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, wrong := c.config(cmd)
			unknown := config.UnknownEnv(c.environ, clientEnv()...)
			if err := c.printSettings(loaded, unknown); err != nil {
				return err
			}
			for _, name := range unknown {
				if err := c.note("note: the environment has %s, which is nothing to Verdict", name); err != nil {
					return err
				}
			}
			return wrong
		},
	}
	addSettingFlags(cmd)
	return cmd
}

// effective is one row of config check.
type effective struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"`
}

func (c *cli) printSettings(loaded config.Loaded, unknown []string) error {
	var values []effective
	for _, s := range loaded.Settings() {
		values = append(values, effective{Key: s.Key, Value: s.String(), From: loaded.Origin(s.Key)})
	}
	members := map[string]any{"settings": values}
	if len(unknown) > 0 {
		members["unknown_environment"] = unknown
	}
	document, err := ijson.Marshal(members)
	if err != nil {
		return err
	}
	return c.print(document, func(w io.Writer) error {
		var rows [][]string
		for _, v := range values {
			rows = append(rows, []string{v.Key, v.Value, v.From})
		}
		return newTable(w, "KEY", "VALUE", "FROM").page(rows)
	})
}
