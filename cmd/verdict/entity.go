package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/spell"
	"github.com/verdict-pdp/verdict/ijson"
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
	underscored := strings.ReplaceAll(name, "-", "_")
	if underscored == string(authz.APIKeys) {
		return "", usage("API keys are not entities to read and write", "Use `verdict key create`, `list` and `revoke`.")
	}
	if names := collectionNames(); !slices.Contains(names, underscored) {
		return "", usage(fmt.Sprintf("%q is not a collection%s", name, spell.DidYouMean(underscored, names)),
			"The collections are "+strings.Join(names, ", ")+".")
	}
	return authz.Collection(underscored), nil
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

// completeCollections offers collections for a command's first argument.
func completeCollections(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return collectionNames(), cobra.ShellCompDirectiveNoFileComp
}

func newEntityGet(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get COLLECTION ID",
		Short: "Print one entity",
		Example: `  verdict entity get machine_users mu:user-svc
  verdict entity get edges mu:user-svc/svc:email --output json`,
		Args:              takes(2, 2),
		ValidArgsFunction: completeCollections,
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		collection, err := parseEntity(args[0], args[1])
		if err != nil {
			return err
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (json.RawMessage, error) {
			return pdp.Collection(collection).Get(ctx, args[1])
		}, nil, writeEntity)
	}
	return cmd
}

// writeEntity prints the members of an entity, one a line: id first, what the
// store wrote last.
func writeEntity(w io.Writer, entity json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(entity, &members); err != nil {
		return unreadable(err)
	}
	names := slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	r := &report{w: w}
	for _, name := range names {
		r.line("%-*s  %s", width, name, cell(members[name]))
	}
	return r.err
}

func place(name string) int {
	switch name {
	case "id":
		return 0
	case "created_at", "updated_at":
		return 2
	case "revision":
		return 3
	}
	return 1
}

// cell is a JSON value as a table shows it.
func cell(value json.RawMessage) string {
	if len(value) == 0 {
		return ""
	}
	var v any
	if err := ijson.UnmarshalOpen(value, &v); err != nil {
		return string(value)
	}
	return compact(v)
}

func newEntityPut(c *cli) *cobra.Command {
	var file string
	var ifMatch uint64
	var create bool
	cmd := &cobra.Command{
		Use:   "put COLLECTION [ID]",
		Short: "Create or replace an entity from JSON",
		Long: `Create or replace an entity with the JSON of a file or of standard input. The id
is that of the JSON unless given. Members left out take their defaults: the entity
is replaced whole.

--create refuses to replace one, --if-match replaces only the revision named; both
exit with 5 when that does not hold.`,
		Example: `  echo '{"id":"acme","plan":"business"}' | verdict entity put tenants
  verdict entity put machine_users --file mu.json --if-match 4812`,
		Args:              takes(1, 2),
		ValidArgsFunction: completeCollections,
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "-", "file with the entity as JSON, - for standard input")
	f.Uint64Var(&ifMatch, "if-match", 0, "replace only this revision")
	f.BoolVar(&create, "create", false, "only create, never replace")
	cmd.MarkFlagsMutuallyExclusive("if-match", "create")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		collection, err := parseCollection(args[0])
		if err != nil {
			return err
		}
		body, err := readInput(file, c.in)
		if err != nil {
			return err
		}
		key, err := putKey(collection, args[1:], body)
		if err != nil {
			return err
		}
		var condition authz.Precondition
		switch {
		case create:
			condition = authz.IfAbsent()
		case cmd.Flags().Changed("if-match"):
			condition = authz.IfRevision(ifMatch)
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (client.Written[json.RawMessage], error) {
			return pdp.Collection(collection).Put(ctx, key, body, condition)
		}, nil, func(w io.Writer, put client.Written[json.RawMessage]) error { return writePut(w, collection, key, put) })
	}
	return cmd
}

// putKey is the key to put body under: the one given, else the body's own.
func putKey(c authz.Collection, given []string, body []byte) (string, error) {
	if len(given) > 0 {
		_, err := parseEntity(string(c), given[0])
		return given[0], err
	}
	entity := c.New()
	if err := ijson.UnmarshalOpen(body, entity); err != nil {
		return "", usage("the entity cannot be read: "+err.Error(), "Write one JSON object, such as `verdict entity get -o json` prints.")
	}
	entity.Normalize()
	key := entity.Head().ID
	if err := c.ValidateKey(key); err != nil {
		return "", usage("the JSON has no id to put it under: "+err.Error(), "Write an id into it, or name one: verdict entity put "+string(c)+" ID.")
	}
	return key, nil
}

func writePut(w io.Writer, c authz.Collection, key string, put client.Written[json.RawMessage]) error {
	entity := c.New()
	if err := ijson.UnmarshalOpen(put.Entity, entity); err != nil {
		return unreadable(err)
	}
	done := "replaced"
	if put.Created {
		done = "created"
	}
	return say(w, "%s %s %s, revision %d", c, cmp.Or(entity.Head().ID, key), done, entity.Head().Revision)
}

func newEntityDelete(c *cli) *cobra.Command {
	var ifMatch uint64
	cmd := &cobra.Command{
		Use:   "delete COLLECTION ID",
		Short: "Delete an entity",
		Long: `Delete an entity. The next decision no longer sees it. With --if-match it is
deleted only in the revision named, else the command exits with 5.`,
		Example:           `  verdict entity delete edges mu:backup-agent/svc:ledger`,
		Args:              takes(2, 2),
		ValidArgsFunction: completeCollections,
	}
	cmd.Flags().Uint64Var(&ifMatch, "if-match", 0, "delete only this revision")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		collection, err := parseEntity(args[0], args[1])
		if err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		var condition authz.Precondition
		if cmd.Flags().Changed("if-match") {
			condition = authz.IfRevision(ifMatch)
		}
		revision, err := pdp.Collection(collection).Delete(cmd.Context(), args[1], condition)
		if err != nil {
			return err
		}
		deleted := map[string]any{"deleted": string(collection) + "/" + args[1], "data_revision": revision}
		return c.printMade(deleted, "%s %s deleted, revision %d", collection, args[1], revision)
	}
	return cmd
}
