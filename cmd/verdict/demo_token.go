package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/token"
)

func newDemoToken(c *cli) *cobra.Command {
	var d demoToken
	cmd := &cobra.Command{
		Use:   "token SUBJECT",
		Short: "Print a fresh token of the demo issuer",
		Long: `Print a fresh access token (RFC 9068) for a machine user, signed with the demo
issuer's key in the data directory. It is good for five minutes; flags spoil it, to
see what the server says, or bind it to a key or a certificate, so that it is good
only with a proof of that.`,
		Example: `  verdict demo token mu:user-svc
  verdict demo token mu:user-svc --expired | verdict decide --token - \
    --action audit.write --resource svc:audit`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := authz.ValidateID("SUBJECT", args[0]); err != nil {
				return usage(err.Error(), "Name a machine user, such as mu:user-svc.")
			}
			signer, err := c.demoSigner(cmd)
			if err != nil {
				return err
			}
			binding, err := d.binding(c)
			if err != nil {
				return err
			}
			text, err := d.mint(signer, args[0], binding, c.now())
			if err != nil {
				return err
			}
			document, err := ijson.Marshal(map[string]string{"token": text})
			if err != nil {
				return err
			}
			return c.print(document, func(w io.Writer) error { return say(w, "%s", text) })
		},
	}
	addDataFlag(cmd)
	d.flags(cmd)
	return cmd
}

// demoSigner reads the demo issuer's key, which serve --demo has made.
func (c *cli) demoSigner(cmd *cobra.Command) (*token.Signer, error) {
	loaded, err := c.config(cmd)
	if err != nil {
		return nil, err
	}
	path := demo.KeyFile(loaded.Config.Data)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{status: exitError, code: authz.CodeNotFound, message: "there is no demo issuer's key at " + path,
			fix: "`verdict serve --demo` makes it on first start; name its data directory with --data.", cause: err}
	}
	if err != nil {
		return nil, err
	}
	return token.ParseSigner(data)
}
