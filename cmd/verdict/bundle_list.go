package main

import (
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newBundleList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "Print the bundles that are decided with now",
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: api.PathBundles})
		if err != nil {
			return aboutPolicies(err)
		}
		return c.print(answer.Body, func(io.Writer) error { return c.tellBundles(answer.Body) })
	}
	return cmd
}

func (c *cli) tellBundles(answer []byte) error {
	var list api.BundleList
	if err := ijson.UnmarshalOpen(answer, &list); err != nil {
		return unreadable(err)
	}
	t := newTable(c.out, "NAME", "REVISION", "DIGEST", "SIZE", "SIGNED BY", "SOURCE", "ROOTS")
	t.screen = c.screenOf(c.out)
	var rows [][]string
	for _, b := range list.Bundles {
		rows = append(rows, []string{b.Name, b.Revision, shortDigest(b.Digest), byteCount(b.Bytes), b.SignedBy, b.Source, strings.Join(b.Roots, " ")})
	}
	if err := t.page(rows); err != nil {
		return err
	}
	return c.note("generation %d, %s", list.Generation, list.Digest)
}
