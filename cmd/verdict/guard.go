package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/spell"
)

func newGuard(c *cli) *cobra.Command {
	cmd := group("guard", "Show the guards and change their modes", newGuardList(c), newGuardMode(c))
	cmd.Long = `Show the guards and change their modes. A guard is off, or it observes (what it would
deny is recorded and counted), or it flags (callers are told too), or it is enforced. It
goes up one step at a time, and down any number.`
	return cmd
}

func checkMode(mode string) error {
	if slices.Contains(authz.Modes(), mode) {
		return nil
	}
	return usage("\""+mode+"\" is not a mode"+spell.DidYouMean(mode, authz.Modes()), "Write off, observe, flag or enforce.")
}

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
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.GuardList, error) { return pdp.ListGuards(ctx) }, aboutPolicies, c.writeGuards)
	}
	return cmd
}

func (c *cli) writeGuards(_ io.Writer, guards api.GuardList) error {
	colours := map[string]colour{authz.ModeEnforce: green, authz.ModeObserve: amber, authz.ModeFlag: amber, authz.ModeOff: red}
	t := c.newTable(1, colours, "GUARD", "MODE", "OF BUNDLE", "DENIED", "WOULD DENY", "WOULD FLIP", "OF", "SINCE", "DESCRIPTION")
	return rows(t, func(g api.GuardMode) ([]string, error) {
		return []string{
			g.Name, g.Mode, g.Bundle, grouped(g.Evidence.Denied), grouped(g.Evidence.WouldDeny), grouped(g.Evidence.WouldFlip),
			grouped(g.Evidence.Decisions), stamp(g.Evidence.Since), firstSentence(g.Description),
		}, nil
	})(guards.Items)
}

// firstSentence is as much of a description as a table has room for.
func firstSentence(description string) string {
	first, _, more := strings.Cut(oneLine(description), ". ")
	if more {
		first += "."
	}
	return first
}

func newGuardMode(c *cli) *cobra.Command {
	var request api.ModeRequest
	var yes bool
	cmd := &cobra.Command{
		Use:   "mode GUARD MODE",
		Short: "Change the mode of a guard, from the next decision on",
		Long: `Change the mode of a guard, from the next decision on: off, observe, flag or enforce.
First it shows what the guard said in the newest recorded decisions, which is what a
step up would change, and asks. It makes a new generation, so ` + "`verdict bundle rollback`" + `
takes it back.`,
		Example: `  verdict guard mode network flag
  verdict guard mode network enforce --yes -m "a week without surprises"`,
		Args: takes(2, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return authz.Modes(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	messageFlag(cmd, &request.Message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		guard := strings.TrimPrefix(args[0], "guards.")
		request.Mode = args[1]
		if err := checkMode(request.Mode); err != nil {
			return err
		}
		set := func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
			if !yes {
				question, err := modeQuestion(ctx, pdp, guard, request.Mode)
				if err != nil {
					return authz.Generation{}, aboutPolicies(err)
				}
				if err := c.confirm(ctx, false, question); err != nil {
					return authz.Generation{}, err
				}
			}
			change := func(ctx context.Context, pdp *client.Client) (authz.Generation, error) {
				g, err := pdp.SetGuardMode(ctx, guard, request)
				return g, refusedMode(err)
			}
			return withSpinner(c, "changing the mode, the gate runs", change)(ctx, pdp)
		}
		return callAndPrint(c, cmd, to, set, nil, func(w io.Writer, g authz.Generation) error {
			r := &report{w: w}
			r.line("guard %s: %s, from generation %d on", guard, request.Mode, g.Number)
			r.line("  undo: verdict bundle rollback")
			return r.err
		})
	}
	return cmd
}

// refusedMode is the err of setting a mode, with the fix that helps there. What comes
// with problems is about the modes that signed bundles say.
func refusedMode(err error) error {
	help := fixes{
		authz.CodeNotFound: "`verdict guard list` shows the guards.",
		authz.CodeConflict: "Go up one step; `verdict guard list` shows the evidence for it.",
	}
	if len(problemsOf(err)) > 0 {
		help[authz.CodeInvalid] = "Nothing was changed. Do what is named above: a mode that a signed bundle says is loosened by signing it again."
	}
	return help.of(err)
}

// modeQuestion is what a guard said lately, and the question whether to change its mode.
func modeQuestion(ctx context.Context, pdp *client.Client, guard, mode string) (string, error) {
	guards, err := pdp.ListGuards(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, g := range guards.Items {
		if g.Name == guard {
			return evidenceText(g, mode), nil
		}
		names = append(names, g.Name)
	}
	return "", &failure{status: exitNotFound, code: authz.CodeNotFound, message: "there is no guard " + guard + spell.DidYouMean(guard, names),
		fix: "`verdict guard list` shows the guards."}
}

func evidenceText(g api.GuardMode, mode string) string {
	var b strings.Builder
	e := g.Evidence
	fmt.Fprintf(&b, "guard %s is in mode %s.\n", g.Name, g.Mode)
	if e.Decisions == 0 {
		b.WriteString("There is no recorded decision that shows what it does.\n")
	} else {
		fmt.Fprintf(&b, "In the newest %s since %s it denied %s and would have denied %s more;\n%s of those were allowed, and would be denied if it were enforced.\n",
			plural(e.Decisions, "recorded decision", "recorded decisions"), stamp(e.Since), grouped(e.Denied), grouped(e.WouldDeny), grouped(e.WouldFlip))
	}
	evidenceCounts(&b, "by edge", e.Edges)
	evidenceCounts(&b, "by code", e.Codes)
	fmt.Fprintf(&b, "Change it from %s to %s?", g.Mode, mode)
	return b.String()
}

func evidenceCounts(b *strings.Builder, by string, counts []api.EvidenceCount) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s:\n", by)
	for _, n := range counts[:min(len(counts), shownGroups)] {
		fmt.Fprintf(b, "    %s  %s", n.Name, grouped(n.Count))
		if len(n.Examples) > 0 {
			fmt.Fprintf(b, ", such as %s", n.Examples[0])
		}
		b.WriteByte('\n')
	}
	if more := len(counts) - shownGroups; more > 0 {
		fmt.Fprintf(b, "    and %d more\n", more)
	}
}
