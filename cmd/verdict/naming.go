package main

import (
	"crypto/x509"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// naming is one way to say what a revocation or a renewal is of. It is a command of
// each of the two.
type naming struct {
	use     string // "subject MACHINE_USER"
	what    string // what is named, in a few words, after "Revoke"
	long    string // how it is named; may be empty
	example string // of the arguments alone, for `verdict revoke`
	args    [2]int // least and most
	flags   func(*cobra.Command)
	name    func(c *cli, args []string) (api.Naming, error)
	// aged: it names many tokens, so those issued before a time alone can be meant.
	aged bool
	// warning, when not empty, is what else it hits; a revocation is then asked about.
	warning string
}

// revocable are all the namings.
func revocable() []naming {
	return append(renewable(), nameCertificate())
}

// renewable are those of tokens: nothing else can be renewed.
func renewable() []naming {
	credential := nameByID(authz.ByCredential, "ID", "a credential and every token got with it")
	credential.long = "`verdict credential list` shows the ids. A credential revoked without a time limit\nis never accepted again."
	credential.example = "credential mu:billing-svc.secret.3"

	subject := nameByID(authz.BySubject, "MACHINE_USER", "every token of a machine user")
	subject.long = "With --issued-before now the machine user goes on with tokens it gets from now on."
	subject.example = "subject mu:billing-svc --issued-before now --reason 'host was lost'"

	tenant := nameByID(authz.ByTenant, "ID", "every token of a tenant")
	tenant.example = "tenant acme-logistics --issued-before now"
	tenant.warning = "This stops every machine user of the tenant."

	issuer := nameByID(authz.ByIssuer, "ID", "every token of an issuer")
	issuer.long = "`verdict issuer list` shows the ids."
	issuer.example = "issuer partner --issued-before 2026-11-22T09:30:00Z"
	issuer.warning = "This stops every machine user that the issuer speaks for."

	everything := naming{
		use:     authz.ByEverything,
		what:    "every token there is",
		example: "everything --issued-before now",
		aged:    true,
		warning: "This stops every machine user until it has got a new token.",
		name: func(*cli, []string) (api.Naming, error) {
			return api.Naming{By: authz.ByEverything, Of: authz.Everything}, nil
		},
	}
	return []naming{nameToken(), credential, subject, tenant, nameIssuerKey(), issuer, everything}
}

// nameByID is a naming by the id of an entity.
func nameByID(by, argument, what string) naming {
	return naming{
		use:  by + " " + argument,
		what: what,
		args: [2]int{1, 1},
		aged: true,
		name: func(_ *cli, args []string) (api.Naming, error) {
			if err := authz.ValidateID(argument, args[0]); err != nil {
				return api.Naming{}, usage(err.Error(), "An id is letters, digits and . _ : @ -")
			}
			return api.Naming{By: by, Of: args[0]}, nil
		},
	}
}

// command makes the command of a naming.
func (n naming) command(verb string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     n.use,
		Short:   strings.ToUpper(verb[:1]) + verb[1:] + " " + n.what,
		Long:    n.long,
		Example: "  verdict " + verb + " " + n.example,
		Args:    takes(n.args[0], n.args[1]),
	}
	if n.long != "" {
		cmd.Long = cmd.Short + ".\n\n" + n.long
	}
	if n.flags != nil {
		n.flags(cmd)
	}
	return cmd
}

// entryName is an entry of a list as its reader knows it.
func entryName(l authz.Listed) string {
	by := strings.ReplaceAll(l.By, "_", " ")
	switch {
	case l.By == authz.ByEverything:
		return by
	case l.Name != "":
		return by + " " + l.Name + " of " + l.Issuer
	}
	return by + " " + l.Of
}

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

func nameCertificate() naming {
	var file, issuer, serial string
	return naming{
		use:  "certificate",
		what: "one client certificate",
		long: `The certificate is read from a PEM file, of which the first one counts, or named by
its issuer's distinguished name and its serial number in hex.`,
		example: `certificate --file client.pem
  verdict revoke certificate --issuer 'CN=Brightfold CA' --serial 5f:3a`,
		flags: func(cmd *cobra.Command) {
			f := cmd.Flags()
			f.StringVar(&file, "file", "", "PEM file with the certificate, - for standard input")
			f.StringVar(&issuer, "issuer", "", "distinguished name of its issuer")
			f.StringVar(&serial, "serial", "", "its serial number, hex")
			cmd.MarkFlagsMutuallyExclusive("file", "issuer")
			cmd.MarkFlagsMutuallyExclusive("file", "serial")
		},
		name: func(c *cli, _ []string) (api.Naming, error) {
			if file == "" {
				if issuer == "" || serial == "" {
					return api.Naming{}, usage("a certificate needs to be named", "Give its --file, or --issuer and --serial.")
				}
				return api.Naming{By: authz.ByCertificate, Issuer: issuer, Name: serial}, nil
			}
			leaf, err := c.readLeaf(file)
			if err != nil {
				return api.Naming{}, err
			}
			return api.Naming{By: authz.ByCertificate, Issuer: leaf.Issuer.String(), Name: leaf.SerialNumber.Text(16)}, nil
		},
	}
}

// readLeaf is the first certificate of a PEM file.
func (c *cli) readLeaf(path string) (*x509.Certificate, error) {
	chain, err := c.readCertificates(path)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0].Bytes)
	if err != nil {
		return nil, notCertificate(path, err)
	}
	return leaf, nil
}
