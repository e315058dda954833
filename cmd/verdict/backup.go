package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newBackup(c *cli) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy all data of a running server to a file",
		Long: `Copy all data of a running server, as of one revision, to a file. The file appears
under its name only when it is whole and on disk. It holds the hashes of API keys
but no key, and is readable by its user only.`,
		Example: `  verdict backup /backup/verdict-monday
  verdict restore /backup/verdict-monday --data /var/lib/verdict-new`,
		Args: takes(1, 1),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		bar := c.newProgress("backing up", -1)
		call := remote.Call{Method: http.MethodGet, Path: api.PathBackup}
		if err := c.download(cmd.Context(), client, call, args[0], force, bar, bar.bytesOnly()); err != nil {
			return err
		}
		return c.tellFile(args[0])
	}
	return cmd
}
