package main

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newBundlePush(c *cli) *cobra.Command {
	var name, message string
	var activate bool
	cmd := &cobra.Command{
		Use:   "push DIR|FILE",
		Short: "Put a bundle through the gate: a new candidate",
		Long: `Put a bundle through the gate of the server: a policy folder, or a file made by
` + "`verdict bundle build` or `opa build`" + `, or with - standard input. What passes is a
candidate generation: the active one with this bundle added, or in place of the one of
its name. What it would change is told by a replay of recorded decisions. A push that
fails changes nothing.`,
		Example: `  verdict bundle push ./acme -m "invoices from the EU only"
  verdict bundle push acme.tar.gz --name acme --activate`,
		Args: takes(1, 1),
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "name of the bundle (default: that of the folder or file)")
	f.BoolVar(&activate, "activate", false, "decide with it at once when it passes")
	because(cmd, &message)
	complete(cmd, "name")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		bundle, err := c.openBundle(args[0], name)
		if err != nil {
			return err
		}
		defer bundle.Close()
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		waiting := c.newWait("pushing " + bundle.name + ", the gate runs")
		answer, err := client.Upload(cmd.Context(), remote.Call{
			Method: http.MethodPut, Path: bundlePath(bundle.name), Query: pushQuery(message, activate),
			ContentType: typeBundle, Body: bundle,
		})
		if err := errors.Join(err, waiting.done()); err != nil {
			return refusedBundle(args[0], "Change what is named above and push again: nothing was changed, and the active generation decides on.", err)
		}
		return c.tellPush(bundle.name, answer)
	}
	return cmd
}

func pushQuery(message string, activate bool) url.Values {
	query := url.Values{}
	if message != "" {
		query.Set("message", message)
	}
	if activate {
		query.Set("activate", "true")
	}
	return query
}

func (c *cli) tellPush(name string, answer *remote.Answer) error {
	g, err := readGeneration(answer.Body)
	if err != nil {
		return err
	}
	return c.print(answer.Body, func(w io.Writer) error {
		r := &report{w: w}
		r.line("%s: generation %d, %s", name, g.Number, stateText(g, answer.Status == http.StatusOK))
		r.generationOutcome(g)
		return r.err
	})
}

// stateText says how a generation stands; there says that it was so before the call.
func stateText(g authz.Generation, there bool) string {
	text := map[string]string{ // :: state -> what people say
		authz.GenerationCandidate: "a candidate",
		authz.GenerationActive:    "active",
		authz.GenerationKept:      "kept",
	}[g.State]
	if text == "" {
		text = g.State
	}
	if there {
		text += ", which has the same content already"
	}
	return text
}

// generationOutcome prints what the gate found, and what can be done next.
func (r *report) generationOutcome(g authz.Generation) {
	if g.Gate != nil {
		r.gate(g.Gate)
	}
	if g.State == authz.GenerationActive {
		r.nextOfActive(g.Number)
		return
	}
	r.nextOfCandidate(g.Number)
}
