package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

func nameToken() naming {
	var token, tokenFile, issuer string
	return naming{
		use:  "token [JTI]",
		what: "one token",
		long: `The token is named by its id (jti) and its issuer's URL, or given whole: from
standard input with --token -, or from a file. Of one given whole the server takes
what it needs, verifies it and keeps none of it; the entry ends when the token does.`,
		example: "token 7f3c9e --issuer https://issuer.brightfold.example",
		args:    [2]int{0, 1},
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.StringVar(&token, "token", "", "- reads the token from standard input")
			f.StringVar(&tokenFile, "token-file", "", "file with the token")
			f.StringVar(&issuer, "issuer", "", "URL of the token's issuer (iss), with a JTI")
			cmd.MarkFlagsMutuallyExclusive("token", "token-file", "issuer")
		},
		name: func(c *cli, args []string) (api.Naming, error) {
			source, err := secretSource("token", token, tokenFile)
			if err != nil {
				return api.Naming{}, err
			}
			switch {
			case source == "" && (len(args) == 0 || issuer == ""):
				return api.Naming{}, usage("a token needs to be named", "Give its id and issuer, JTI --issuer URL, or the token itself with --token - or --token-file.")
			case source != "" && len(args) > 0:
				return api.Naming{}, usage("a token and the id of a token are given", "Leave one of them out: the token says its id.")
			case source == "":
				return api.Naming{By: authz.ByToken, Issuer: issuer, Name: args[0]}, nil
			}
			text, err := c.readSecret("token", source)
			return api.Naming{By: authz.ByToken, Token: text}, err
		},
	}
}
