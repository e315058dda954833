package main

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newGuardList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the guards: mode, and what each said lately",
		Long: `Print the guards: the mode in force, and what each said in the newest recorded
decisions. WOULD FLIP counts those that were allowed and would be denied if the guard
were enforced.`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		guards, raw, err := fetchGuards(cmd.Context(), client)
		if err != nil {
			return err
		}
		return c.print(raw, func(io.Writer) error { return c.tellGuards(guards) })
	}
	return cmd
}

// fetchGuards reads the guards, with the bytes they were read from.
func fetchGuards(ctx context.Context, client *remote.Client) ([]api.GuardMode, []byte, error) {
	answer, err := client.Do(ctx, remote.Call{Method: http.MethodGet, Path: api.PathGuards})
	if err != nil {
		return nil, nil, aboutPolicies(err)
	}
	var list api.GuardList
	if err := ijson.UnmarshalOpen(answer.Body, &list); err != nil {
		return nil, nil, unreadable(err)
	}
	return list.Items, answer.Body, nil
}

func (c *cli) tellGuards(guards []api.GuardMode) error {
	t := newTable(c.out, "GUARD", "MODE", "OF BUNDLE", "DENIED", "WOULD DENY", "WOULD FLIP", "OF", "SINCE", "DESCRIPTION")
	t.screen = c.screenOf(c.out)
	t.colours = map[int]func(string) colour{1: modeColour}
	var rows [][]string
	for _, g := range guards {
		rows = append(rows, []string{
			g.Name, g.Mode, g.Bundle, grouped(g.Evidence.Denied), grouped(g.Evidence.WouldDeny), grouped(g.Evidence.WouldFlip),
			grouped(g.Evidence.Decisions), stamp(g.Evidence.Since), firstSentence(g.Description),
		})
	}
	return t.page(rows)
}

// firstSentence is as much of a description as a table has room for.
func firstSentence(description string) string {
	first, _, more := strings.Cut(oneLine(description), ". ")
	if more {
		first += "."
	}
	return first
}

func modeColour(mode string) colour {
	switch mode {
	case authz.ModeEnforce:
		return green
	case authz.ModeObserve, authz.ModeFlag:
		return amber
	case authz.ModeOff:
		return red
	}
	return plain
}
