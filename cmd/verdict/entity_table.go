package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

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
