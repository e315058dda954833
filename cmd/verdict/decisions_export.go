package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newDecisionsExport(c *cli) *cobra.Command {
	var filter recordFilter
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write recorded decisions as JSON, one a line, oldest first",
		Long: `Write recorded decisions to a file, or to standard output: one JSON object a line,
oldest first, as ` + "`verdict replay --records` and `verdict decisions verify --file`" + ` read them.`,
		Example:           `  verdict decisions export -f monday.ndjson --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd, "generation")
	cmd.Flags().StringVarP(&file, "file", "f", "-", "file to write, - for standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathDecisionsExport, Query: filterQuery(selected)}
		if file == "-" || file == "" {
			return aboutDecisions(client.Download(cmd.Context(), call, c.out))
		}
		bar := c.newProgress("exporting", -1)
		if err := c.download(cmd.Context(), client, call, file, force, bar, bar); err != nil {
			return aboutDecisions(err)
		}
		return c.tellFile(file)
	}
	return cmd
}
