package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

func nameIssuerKey() naming {
	var issuer string
	return naming{
		use:     "issuer-key KID --issuer URL",
		what:    "every token signed with a key of an issuer",
		example: "issuer-key 2026-11 --issuer https://issuer.brightfold.example",
		args:    [2]int{1, 1},
		aged:    true,
		warning: "This stops every token signed with the key.",
		flags: func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&issuer, "issuer", "", "URL of the issuer, as its tokens have it in iss")
		},
		name: func(_ *cli, args []string) (api.Naming, error) {
			if issuer == "" {
				return api.Naming{}, usage("a key needs its --issuer: other issuers may have one of the same name", "`verdict issuer get ID` shows an issuer's url.")
			}
			return api.Naming{By: authz.ByIssuerKey, Issuer: issuer, Name: args[0]}, nil
		},
	}
}
