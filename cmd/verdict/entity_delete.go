package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newEntityDelete(c *cli) *cobra.Command {
	var ifMatch uint64
	cmd := &cobra.Command{
		Use:   "delete COLLECTION ID",
		Short: "Delete an entity",
		Long: `Delete an entity. The next decision no longer sees it. With --if-match it is
deleted only in the revision named, else the command exits with 5.`,
		Example:           `  verdict entity delete edges mu:backup-agent/svc:ledger`,
		Args:              takes(2, 2),
		ValidArgsFunction: completeCollections,
	}
	cmd.Flags().Uint64Var(&ifMatch, "if-match", 0, "delete only this revision")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		collection, err := parseEntity(args[0], args[1])
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		header := http.Header{}
		if cmd.Flags().Changed("if-match") {
			header.Set("If-Match", etag(ifMatch))
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodDelete, Path: entityPath(collection, args[1]), Header: header})
		if err != nil {
			return err
		}
		return c.tellDeleted(collection, args[1], answer)
	}
	return cmd
}

// tellDeleted makes up the document the server's empty answer lacks: its
// revision is in a header.
func (c *cli) tellDeleted(collection authz.Collection, key string, answer *remote.Answer) error {
	revision, err := strconv.ParseUint(answer.Header.Get(api.HeaderRevision), 10, 64)
	if err != nil {
		return unreadable(fmt.Errorf("%s is %w", api.HeaderRevision, err))
	}
	document, err := ijson.Marshal(map[string]any{"deleted": string(collection) + "/" + key, "data_revision": revision})
	if err != nil {
		return err
	}
	return c.print(document, func(w io.Writer) error {
		return say(w, "%s %s deleted, revision %d", collection, key, revision)
	})
}
