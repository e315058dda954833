package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newBundleHistory(c *cli) *cobra.Command {
	limit := 100
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Print the generations that are kept, newest first",
		Long: `Print the generations that are kept, newest first: candidates that were never decided
with, the active one, and those that can be gone back to.`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "most generations to print, 1 to 1000")
	complete(cmd, "limit")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 || limit > pageOfAll {
			return usage(fmt.Sprintf("--limit is %d", limit), "Write 1 to 1000.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: api.PathGenerations, Query: url.Values{"limit": {strconv.Itoa(limit)}}})
		if err != nil {
			return aboutPolicies(err)
		}
		return c.print(answer.Body, func(io.Writer) error { return c.tellHistory(answer.Body) })
	}
	return cmd
}

func (c *cli) tellHistory(answer []byte) error {
	var list api.GenerationList
	if err := ijson.UnmarshalOpen(answer, &list); err != nil {
		return unreadable(err)
	}
	t := newTable(c.out, "GENERATION", "STATE", "MADE", "BY", "ACTIVATED", "FLIPS", "BUNDLES", "MESSAGE")
	t.screen = c.screenOf(c.out)
	t.colours = map[int]func(string) colour{1: generationColour}
	var rows [][]string
	for _, g := range list.Items {
		rows = append(rows, []string{
			strconv.FormatUint(g.Number, 10), g.State, stamp(g.At), g.Author, stamp(g.ActivatedAt), gateFlips(g.Gate), bundleNames(g.Bundles), oneLine(g.Message),
		})
	}
	return t.page(rows)
}

func generationColour(state string) colour {
	switch state {
	case authz.GenerationActive:
		return green
	case authz.GenerationCandidate:
		return amber
	}
	return plain
}

// gateFlips is how many recorded decisions the gate saw flip; empty when it replayed
// none.
func gateFlips(g *authz.GateReport) string {
	if g == nil || g.Replay == nil {
		return ""
	}
	return grouped(g.Replay.Flips())
}

func bundleNames(refs []authz.BundleRef) string {
	var names []string
	for _, b := range refs {
		names = append(names, b.Name)
	}
	return strings.Join(names, " ")
}
