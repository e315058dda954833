package main

import (
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newKeyRevoke(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke an API key",
		Long:    "Revoke an API key: the next call with it is refused. `verdict key list` shows the ids.",
		Example: `  verdict key revoke 01JD3V9Z4M`,
		Args:    takes(1, 1),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := authz.ValidateID("id", args[0]); err != nil {
			return usage(err.Error(), "`verdict key list` shows the ids; the key itself is not one.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if _, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodDelete, Path: api.PathKeys + "/" + url.PathEscape(args[0])}); err != nil {
			return notRevoked(err)
		}
		document, err := ijson.Marshal(map[string]string{"revoked": args[0]})
		if err != nil {
			return err
		}
		return c.print(document, func(w io.Writer) error { return say(w, "key %s revoked", args[0]) })
	}
	return cmd
}

// notRevoked names what to do in the words of keys, not of entities.
func notRevoked(err error) error {
	f := failureOf(err)
	switch f.code {
	case authz.CodeNotFound:
		f.fix = "`verdict key list` shows the ids; a key's name is not its id."
	case authz.CodeConflict:
		f.fix = "Use another operator's key: `verdict key create NAME --role operate` makes one."
	}
	return f
}
