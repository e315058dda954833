package main

import (
	"bytes"
	"cmp"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		header := http.Header{}
		if create {
			header.Set("If-None-Match", "*")
		}
		if cmd.Flags().Changed("if-match") {
			header.Set("If-Match", etag(ifMatch))
		}
		answer, err := client.Do(cmd.Context(), remote.Call{
			Method: http.MethodPut, Path: entityPath(collection, key), Header: header, Body: bytes.NewReader(body),
		})
		if err != nil {
			return err
		}
		return c.print(answer.Body, func(w io.Writer) error { return tellPut(w, collection, key, answer) })
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

func tellPut(w io.Writer, c authz.Collection, key string, answer *remote.Answer) error {
	entity := c.New()
	if err := ijson.UnmarshalOpen(answer.Body, entity); err != nil {
		return unreadable(err)
	}
	done := "replaced"
	if answer.Status == http.StatusCreated {
		done = "created"
	}
	return say(w, "%s %s %s, revision %d", c, cmp.Or(entity.Head().ID, key), done, entity.Head().Revision)
}
