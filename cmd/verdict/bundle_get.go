package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newBundleGet(c *cli) *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Copy the active bundle of a name to a file",
		Long: `Copy the bundle of a name, as it is in the active generation, to a file, or with
--file - to standard output.`,
		Example: `  verdict bundle get acme -f acme.tar.gz
  verdict bundle get base -f - | tar tz`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to write, - for standard output (default: NAME.tar.gz)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkBundleName(args[0]); err != nil {
			return err
		}
		if file == "-" && isTerminal(c.out) {
			return usage("a bundle is not for a terminal", "Name a file with --file, or pipe it into another command.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: bundlePath(args[0])}
		if file == "-" {
			return aboutPolicies(client.Download(cmd.Context(), call, c.out))
		}
		if file == "" {
			file = args[0] + ".tar.gz"
		}
		bar := c.newProgress("fetching "+args[0], -1)
		if err := c.download(cmd.Context(), client, call, file, force, bar, bar.bytesOnly()); err != nil {
			return aboutPolicies(err)
		}
		return c.tellFile(file)
	}
	return cmd
}
