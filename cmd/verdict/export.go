package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newExport(c *cli) *cobra.Command {
	var collections []string
	var force bool
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Read all entities, as import takes them",
		Long: `Write every entity of one revision to a file, or to standard output: one JSON object
a line, in the order an import wants them. API keys are not exported; a backup has
everything.`,
		Example: `  verdict export entities.ndjson
  verdict export --collection edges --collection services`,
		Args: takes(0, 1),
	}
	cmd.Flags().StringArrayVar(&collections, "collection", nil, "only this collection (repeatable)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	complete(cmd, "collection", collectionNames()...)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{}
		for _, name := range collections {
			collection, err := parseCollection(name)
			if err != nil {
				return err
			}
			query.Add("collection", string(collection))
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathExport, Query: query}
		if len(args) == 0 || args[0] == "-" {
			return client.Download(cmd.Context(), call, c.out)
		}
		bar := c.newProgress("exporting", -1)
		return c.download(cmd.Context(), client, call, args[0], force, bar, bar)
	}
	return cmd
}

// download fetches call into a new file at path, shown by bar, which count feeds.
func (c *cli) download(ctx context.Context, client *remote.Client, call remote.Call, path string, force bool, bar *progress, count io.Writer) error {
	file, err := createOut(path, force)
	if err != nil {
		return err
	}
	err = client.Download(ctx, call, io.MultiWriter(file, count))
	if err := errors.Join(err, bar.done()); err != nil {
		return file.abort(err)
	}
	return file.commit()
}
