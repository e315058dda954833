package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newBundleActivate(c *cli) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:               "activate GENERATION",
		Short:             "Decide with a generation from now on",
		Long:              `Decide with a generation from the next request on. Requests in flight are answered by the one they began with.`,
		Example:           `  verdict bundle activate 7 -m "as reviewed"`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	because(cmd, &message)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.activated(cmd, client, generationPath(n)+"/activate", api.ActivateRequest{Message: message})
	}
	return cmd
}

// activated posts request, which makes a generation the active one, and says which.
func (c *cli) activated(cmd *cobra.Command, client *remote.Client, path string, request any) error {
	body, err := ijson.Marshal(request)
	if err != nil {
		return err
	}
	waiting := c.newWait("activating")
	answer, err := client.Upload(cmd.Context(), remote.Call{Method: http.MethodPost, Path: path, Body: bytes.NewReader(body)})
	if err := errors.Join(err, waiting.done()); err != nil {
		return aboutPolicies(err)
	}
	g, err := readGeneration(answer.Body)
	if err != nil {
		return err
	}
	return c.print(answer.Body, func(w io.Writer) error {
		r := &report{w: w}
		r.line("generation %d decides from now on (%s)", g.Number, shortDigest(g.Digest))
		r.nextOfActive(g.Number)
		return r.err
	})
}
