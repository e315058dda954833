package main

import (
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
	return []naming{nameToken(), nameCredential(), nameSubject(), nameTenant(), nameIssuerKey(), nameIssuer(), nameEverything()}
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
