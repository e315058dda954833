package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/spell"
)

func newEntity(c *cli) *cobra.Command {
	cmd := group("entity", "Read and write machine users, services, edges and the other entities",
		newEntityGet(c), newEntityPut(c), newEntityList(c), newEntityDelete(c))
	cmd.Long = `Read and write entities. The collections are:

  ` + strings.Join(collectionNames(), "\n  ") + `

Edges, entitlements, revocations and renewals are named by two ids with a slash
between: mu:user-svc/svc:email.`
	return cmd
}

// collectionNames lists the collections entities are read and written in. API
// keys have commands of their own.
func collectionNames() []string { return words(authz.ServedCollections()) }

// parseCollection takes a collection's name, with - for _ too.
func parseCollection(name string) (authz.Collection, error) {
	plain := strings.ReplaceAll(name, "-", "_")
	if plain == string(authz.APIKeys) {
		return "", usage("API keys are not entities to read and write", "Use `verdict key create`, `list` and `revoke`.")
	}
	if names := collectionNames(); !slices.Contains(names, plain) {
		return "", usage(fmt.Sprintf("%q is not a collection%s", name, spell.DidYouMean(plain, names)),
			"The collections are "+strings.Join(names, ", ")+".")
	}
	return authz.Collection(plain), nil
}

// parseEntity takes a collection and the key of one of its entities.
func parseEntity(name, key string) (authz.Collection, error) {
	c, err := parseCollection(name)
	if err != nil {
		return "", err
	}
	if err := c.ValidateKey(key); err != nil {
		fix := "An id is letters, digits and . _ : @ -"
		if c.Pair() {
			fix = "Write two ids with a slash between, such as " + c.Kind().Example + "."
		}
		return "", usage(err.Error(), fix)
	}
	return c, nil
}

// entityPath is the path of one entity; key has been validated.
func entityPath(c authz.Collection, key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return api.PathV1 + string(c) + "/" + strings.Join(parts, "/")
}

// etag is the entity tag of a revision.
func etag(revision uint64) string { return fmt.Sprintf("%q", fmt.Sprint(revision)) }

// completeCollections offers collections for a command's first argument.
func completeCollections(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return collectionNames(), cobra.ShellCompDirectiveNoFileComp
}
