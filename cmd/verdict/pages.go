package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

// pageOfAll is the page size when every page is wanted: the largest there is.
const pageOfAll = 1000

// paging is how much of a list is asked for.
type paging struct {
	limit  int
	cursor string
	all    bool
}

// flags adds the flags of a list of many.
func (p *paging) flags(cmd *cobra.Command, many string, limit int) {
	f := cmd.Flags()
	f.IntVar(&p.limit, "limit", limit, "most "+many+" to print, 1 to 1000")
	f.StringVar(&p.cursor, "cursor", "", "go on where an earlier page ended")
	f.BoolVar(&p.all, "all", false, "print every page")
	complete(cmd, "limit")
	complete(cmd, "cursor")
	cmd.MarkFlagsMutuallyExclusive("all", "limit")
}

// ask adds to the query what was given; one is what the list is of.
func (p *paging) ask(query url.Values, one string) error {
	if p.limit < 1 || p.limit > pageOfAll {
		return usage(fmt.Sprintf("--limit is %d", p.limit), "Write 1 to 1000, or --all for every "+one+".")
	}
	if p.all {
		p.limit = pageOfAll
	}
	query.Set("limit", strconv.Itoa(p.limit))
	if p.cursor != "" {
		query.Set("cursor", p.cursor)
	}
	return nil
}

// page is one page of a list, with the bytes it was read from.
type page struct {
	api.EntityList[json.RawMessage]
	Head uint64 `json:"head"` // of the decision log, in place of a data revision
	raw  []byte
}

func fetchPage(ctx context.Context, client *remote.Client, call remote.Call) (page, error) {
	answer, err := client.Do(ctx, call)
	if err != nil {
		return page{}, err
	}
	p := page{raw: answer.Body}
	if err := ijson.UnmarshalOpen(answer.Body, &p); err != nil {
		return page{}, unreadable(err)
	}
	return p, nil
}

// pageWriter prints the pages of a list as they arrive.
type pageWriter interface {
	page(items []json.RawMessage) error
	// end is called once, after the last page, with the data revision of the first
	// one, or with the head of the decision log then.
	end(first uint64) error
}

// listAll follows the cursors from call on. In JSON it prints one list of the
// shape of a page; its data_revision is that of the first page, the oldest.
func (c *cli) listAll(ctx context.Context, client *remote.Client, call remote.Call, rows pageWriter) error {
	if c.output == formatJSON {
		rows = &jsonPages{w: c.out, last: revisionMember}
	}
	return eachPage(ctx, client, call, rows)
}

// eachPage follows the cursors from call on.
func eachPage(ctx context.Context, client *remote.Client, call remote.Call, rows pageWriter) error {
	var first uint64
	for {
		p, err := fetchPage(ctx, client, call)
		if err != nil {
			return err
		}
		first = cmp.Or(first, p.Revision, p.Head)
		if err := rows.page(p.Items); err != nil {
			return err
		}
		if p.NextCursor == "" {
			return rows.end(first)
		}
		if p.NextCursor == call.Query.Get("cursor") {
			return unreadable(errors.New("the next page is this one again"))
		}
		call.Query.Set("cursor", p.NextCursor)
	}
}

// Formats of jsonPages.last.
const (
	revisionMember = `"data_revision":%d`
	headMembers    = `"next_after":%[1]d,"head":%[1]d`
)

// jsonPages prints pages as one list, an item a line.
type jsonPages struct {
	w       io.Writer
	last    string // format of the members that come last, of what end is called with
	started bool
}

func (j *jsonPages) page(items []json.RawMessage) error {
	for _, item := range items {
		if err := writeAll(j.w, append([]byte(j.separator()), item...)); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonPages) separator() string {
	if j.started {
		return ",\n"
	}
	j.started = true
	return `{"items":[`
}

func (j *jsonPages) end(first uint64) error {
	opening := ""
	if !j.started {
		opening = j.separator()
	}
	return writeAll(j.w, []byte(opening+`],"next_cursor":"",`+fmt.Sprintf(j.last, first)+"}\n"))
}
