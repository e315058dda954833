package main

import (
	"context"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

func newTokenReplaceKeys(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replace-keys",
		Short: "Drop every key the token service has signed with",
		Long: `Drop every key the token service has signed with, and begin with a new one: for a
signing key that may have leaked. Every token it issued is denied from the next
decision on, and machine users get new ones. Keys are replaced on schedule by
themselves, without anybody noticing; this is not for that.`,
		Args: cobra.NoArgs,
	}
	var yes bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if err := c.confirm(cmd.Context(), yes, "Every token of the token service stops being good.\nReplace its keys?"); err != nil {
			return err
		}
		return c.replaceKeys(cmd.Context(), client)
	}
	return cmd
}

func (c *cli) replaceKeys(ctx context.Context, client *remote.Client) error {
	if _, err := client.Do(ctx, remote.Call{Method: http.MethodPost, Path: api.PathReplaceKeys}); err != nil {
		return withoutTokenService(err)
	}
	return c.print([]byte(`{"replaced":true}`), func(w io.Writer) error {
		r := &report{w: w}
		r.line("signing keys replaced; machine users get new tokens with verdict token get, or as they did before")
		return r.err
	})
}
