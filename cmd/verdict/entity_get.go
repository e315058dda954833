package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: entityPath(collection, args[1])})
		if err != nil {
			return err
		}
		return c.print(answer.Body, func(w io.Writer) error { return tellEntity(w, answer.Body) })
	}
	return cmd
}

// tellEntity prints the members of an entity, one a line: id first, what the
// store wrote last.
func tellEntity(w io.Writer, entity []byte) error {
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

// unreadable is the failure of an answer that is not what the contract says.
func unreadable(err error) *failure {
	return &failure{status: exitError, code: authz.CodeInternal, message: "the server's answer cannot be read: " + err.Error(),
		fix: "Check that --server names a Verdict server, and the right one of its two listeners.", cause: err}
}
