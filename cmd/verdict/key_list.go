package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newKeyList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the API keys, without the keys themselves",
		Args:  takes(0, 0),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodGet, Path: api.PathKeys, Query: url.Values{"limit": {strconv.Itoa(pageOfAll)}}}
		return c.listAll(cmd.Context(), client, call, &keyTable{
			table: newTable(c.out, "ID", "NAME", "ROLES", "STATE", "EXPIRES_AT"),
			now:   c.now(),
		})
	}
	return cmd
}

// keyTable prints API keys, and whether each is accepted now.
type keyTable struct {
	table *table
	now   time.Time
}

func (t *keyTable) page(items []json.RawMessage) error {
	var rows [][]string
	for _, item := range items {
		var key api.Key
		if err := ijson.UnmarshalOpen(item, &key); err != nil {
			return unreadable(err)
		}
		rows = append(rows, t.row(key))
	}
	return t.table.page(rows)
}

func (*keyTable) end(uint64) error { return nil }

func (t *keyTable) row(key api.Key) []string {
	state, expires := "active", ""
	if !key.ExpiresAt.IsZero() {
		expires = key.ExpiresAt.UTC().Format(time.RFC3339)
		if !t.now.Before(key.ExpiresAt) {
			state = "expired"
		}
	}
	if key.Revoked {
		state = "revoked"
	}
	return []string{key.ID, key.Name, strings.Join(key.Roles, ","), state, expires}
}
