package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/spell"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newEntityList(c *cli) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list COLLECTION",
		Short: "Print the entities of a collection",
		Long: `Print a page of the entities of a collection, in the order of their ids. When more
follow, standard error says so, and next_cursor of the JSON; --all prints every page.`,
		Example: `  verdict entity list machine_users --filter tenant=acme-logistics
  verdict entity list edges --filter to=svc:email --all --output json`,
		Args:              takes(1, 1),
		ValidArgsFunction: completeCollections,
	}
	f := cmd.Flags()
	f.StringArrayVar(&l.filters, "filter", nil, "only those whose field has the value, field=value (repeatable)")
	l.flags(cmd, "entities", 100)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := l.parse(args[0])
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathV1 + string(l.collection), Query: query}
		rows := newEntityTable(c.out, l.collection)
		if l.all {
			return c.listAll(cmd.Context(), client, call, rows)
		}
		return c.listPage(cmd.Context(), client, call, rows)
	}
	return cmd
}

// listing is what to list.
type listing struct {
	collection authz.Collection
	filters    []string
	paging
}

func (l *listing) parse(collection string) (url.Values, error) {
	var err error
	if l.collection, err = parseCollection(collection); err != nil {
		return nil, err
	}
	query := url.Values{}
	if err := l.ask(query, "entity"); err != nil {
		return nil, err
	}
	for _, filter := range l.filters {
		name, value, ok := strings.Cut(filter, "=")
		if !ok || value == "" {
			return nil, usage(fmt.Sprintf("--filter is %q", filter), "Write --filter field=value.")
		}
		if err := knownFilter(l.collection, name); err != nil {
			return nil, err
		}
		if query.Has(name) {
			return nil, usage("--filter "+name+" is given twice", "Keep one: filters of different fields are combined, an entity has one value of each.")
		}
		query.Set(name, value)
	}
	return query, nil
}

func knownFilter(c authz.Collection, name string) error {
	known := c.Filters()
	if slices.Contains(known, name) {
		return nil
	}
	if len(known) == 0 {
		return usage(string(c)+" have no filters", "List them all and pick with another tool: --all --output json.")
	}
	return usage(fmt.Sprintf("%q is not a filter of %s%s", name, c, spell.DidYouMean(name, known)),
		"They can be filtered by "+strings.Join(known, ", ")+".")
}

// listPage prints one page and says when more follow.
func (c *cli) listPage(ctx context.Context, client *remote.Client, call remote.Call, rows pageWriter) error {
	p, err := fetchPage(ctx, client, call)
	if err != nil {
		return err
	}
	err = c.print(p.raw, func(io.Writer) error { return rows.page(p.Items) })
	if err != nil || p.NextCursor == "" {
		return err
	}
	return c.note("more follow: --all prints every one, --cursor %s the next page", p.NextCursor)
}

// columns are the members of an entity worth a column, by JSON name.
func columns(c authz.Collection) []string {
	return slices.Concat(c.IDs(), c.Kind().Columns, []string{"revision"})
}

// entityTable prints entities of one collection, page after page.
type entityTable struct {
	columns []string
	table   *table
}

func newEntityTable(w io.Writer, c authz.Collection) *entityTable {
	names := columns(c)
	var header []string
	for _, name := range names {
		header = append(header, strings.ToUpper(name))
	}
	return &entityTable{columns: names, table: newTable(w, header...)}
}

func (t *entityTable) page(items []json.RawMessage) error {
	var rows [][]string
	for _, item := range items {
		var members map[string]json.RawMessage
		if err := ijson.UnmarshalOpen(item, &members); err != nil {
			return unreadable(err)
		}
		var row []string
		for _, name := range t.columns {
			row = append(row, brief(members[name]))
		}
		rows = append(rows, row)
	}
	return t.table.page(rows)
}

func (*entityTable) end(uint64) error { return nil }

// brief is a value in a table: a list of strings without its brackets.
func brief(value json.RawMessage) string {
	var list []string
	if len(value) > 0 && value[0] == '[' && ijson.UnmarshalOpen(value, &list) == nil {
		return strings.Join(list, ",")
	}
	return cell(value)
}
