package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// columns are the members of an entity worth a column, by JSON name.
func columns(c authz.Collection) []string {
	switch c {
	case authz.MachineUsers:
		return []string{"id", "kind", "origin", "tenant", "env", "owner", "tier", "state", "revision"}
	case authz.Users:
		return []string{"id", "tenant", "state", "opt_outs", "revision"}
	case authz.Tenants:
		return []string{"id", "name", "plan", "state", "revision"}
	case authz.Plans:
		return []string{"id", "name", "revision"}
	case authz.Services:
		return []string{"id", "tier", "business_criticality", "security_criticality", "data_class", "env", "owner", "revision"}
	case authz.Edges:
		return []string{"from", "to", "actions", "mode", "owner", "expires_at", "revision"}
	case authz.Entitlements:
		return []string{"holder", "feature", "effect", "address_purpose", "source", "expires_at", "revision"}
	case authz.Credentials:
		return []string{"id", "machine_user", "kind", "generation", "state", "not_after", "revision"}
	case authz.RotationSets:
		return []string{"id", "members", "kind", "shared", "quiet_s", "owner", "revision"}
	case authz.Rotations:
		return []string{"id", "phase", "kind", "quiet_s", "revision"}
	case authz.Issuers:
		return []string{"id", "url", "kind", "algorithms", "audiences", "own", "revision"}
	case authz.Revocations:
		return []string{"by", "of", "issued_before", "until", "reason", "revision"}
	case authz.Renewals:
		return []string{"by", "of", "issued_before", "deadline", "until", "reason", "revision"}
	}
	return []string{"id", "revision"}
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
