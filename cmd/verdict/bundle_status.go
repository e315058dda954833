package main

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newBundleStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print what is decided with, its sources, and what failed last",
		Long: `Print the generation that is decided with, how the sources that bundles are pulled
from stand, and the last failure of each bundle that did not get through since.`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: api.PathPolicyStatus})
		if err != nil {
			return aboutPolicies(err)
		}
		return c.print(answer.Body, func(w io.Writer) error { return c.tellPolicyStatus(w, answer.Body) })
	}
	return cmd
}

func (c *cli) tellPolicyStatus(w io.Writer, answer []byte) error {
	var status authz.PolicyStatus
	if err := ijson.UnmarshalOpen(answer, &status); err != nil {
		return unreadable(err)
	}
	r := &report{w: w}
	r.line("active    generation %d, %s", status.Active.Generation, status.Active.Digest)
	if status.Previous != 0 {
		r.line("previous  generation %d: `verdict bundle rollback` goes back to it", status.Previous)
	}
	for _, s := range status.Sources {
		r.source(c, s)
	}
	if len(status.Failures) == 0 {
		r.line("failures  none")
	}
	for _, f := range status.Failures {
		r.policyFailure(c, f)
	}
	return r.err
}

func (r *report) source(c *cli, s authz.SourceStatus) {
	r.line("source    %s from %s, asked %s, last good %s", s.Name, s.Source,
		cmp.Or(ago(c.now(), s.LastAttempt), "never"), cmp.Or(ago(c.now(), s.LastSuccess), "never"))
	if s.Error != "" {
		r.lines("            ", "failed: "+s.Error)
	}
	if !s.NextAttempt.IsZero() {
		r.line("            asked again in %s", left(c.now(), s.NextAttempt))
	}
}

func (r *report) policyFailure(c *cli, f authz.PolicyFailure) {
	by := ""
	if f.Author != "" {
		by = ", by " + f.Author
	}
	r.line("failed    %s at %s, %s%s", f.Name, f.Step, ago(c.now(), f.At), by)
	r.lines("            ", f.Message)
	for _, p := range f.Problems {
		if text := p.String(); !strings.Contains(f.Message, text) {
			r.line("            %s", text)
		}
	}
}
