package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/spell"
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
	f.StringArrayVar(&l.given, "filter", nil, "only those whose field has the value, field=value (repeatable)")
	l.flags(cmd, "entities", 100)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := l.parse(args[0]); err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		entities := pdp.Collection(l.collection)
		return list(cmd.Context(), c, l.paging, revisionMember, func(ctx context.Context, p client.Paging) (page[json.RawMessage], error) {
			read, err := entities.ListPage(ctx, l.filters, p)
			return page[json.RawMessage]{read.Items, read.NextCursor, read.Revision}, err
		}, c.entityRows(l.collection))
	}
	return cmd
}

// listing is what to list.
type listing struct {
	collection authz.Collection
	given      []string // as flags
	filters    client.Filters
	paging
}

func (l *listing) parse(collection string) (err error) {
	if l.collection, err = parseCollection(collection); err != nil {
		return err
	}
	if err := l.check("entity"); err != nil {
		return err
	}
	l.filters = client.Filters{}
	for _, filter := range l.given {
		name, value, ok := strings.Cut(filter, "=")
		if !ok || value == "" {
			return usage(fmt.Sprintf("--filter is %q", filter), "Write --filter field=value.")
		}
		if err := knownFilter(l.collection, name); err != nil {
			return err
		}
		if _, twice := l.filters[name]; twice {
			return usage("--filter "+name+" is given twice", "Keep one: filters of different fields are combined, an entity has one value of each.")
		}
		l.filters[name] = value
	}
	return nil
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

// columns are the members of an entity worth a column, by JSON name.
func columns(c authz.Collection) []string {
	return slices.Concat(c.IDs(), c.Kind().Columns, []string{"revision"})
}

// entityRows prints entities of one collection, page after page.
func (c *cli) entityRows(of authz.Collection) func([]json.RawMessage) error {
	names := columns(of)
	header := make([]string, len(names))
	for i, name := range names {
		header[i] = strings.ToUpper(name)
	}
	return rows(newTable(c.out, header...), func(item json.RawMessage) ([]string, error) {
		var members map[string]json.RawMessage
		if err := ijson.UnmarshalOpen(item, &members); err != nil {
			return nil, unreadable(err)
		}
		row := make([]string, len(names))
		for i, name := range names {
			row[i] = brief(members[name])
		}
		return row, nil
	})
}

// brief is a value in a table: a list of strings without its brackets.
func brief(value json.RawMessage) string {
	var list []string
	if len(value) > 0 && value[0] == '[' && ijson.UnmarshalOpen(value, &list) == nil {
		return strings.Join(list, ",")
	}
	return cell(value)
}
