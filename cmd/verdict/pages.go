package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/ijson"
)

// callAndPrint dials, makes one call and prints its answer: in JSON as it came, else what text
// makes of it. An error of the call goes through explain, which may be nil.
func callAndPrint[T any](c *cli, cmd *cobra.Command, to *connection, call func(context.Context, *client.Client) (T, error), explain func(error) error, text func(io.Writer, T) error) error {
	pdp, err := c.dial(cmd, to)
	if err != nil {
		return err
	}
	read, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (T, error) { return call(ctx, pdp) })
	if err != nil && explain != nil {
		return explain(err)
	}
	if err != nil {
		return err
	}
	return c.print(raw, func(w io.Writer) error { return text(w, read) })
}

// withAnswer makes a call, and returns the answer as it came as well.
func withAnswer[T any](ctx context.Context, call func(context.Context) (T, error)) (read T, raw []byte, err error) {
	var answer client.Answer
	read, err = call(client.KeepAnswer(ctx, &answer))
	return read, answer.Body, err
}

// withSpinner is call, with a sign on a terminal that it takes its time.
func withSpinner[T any](c *cli, what string, call func(context.Context, *client.Client) (T, error)) func(context.Context, *client.Client) (T, error) {
	return func(ctx context.Context, pdp *client.Client) (T, error) {
		done := c.newSpinner(what)
		read, err := call(ctx, pdp)
		return read, errors.Join(err, done())
	}
}

// paging is how much of a list is asked for.
type paging struct {
	limit  int
	cursor string
	all    bool
}

// everyPage asks for all of a list.
var everyPage = paging{limit: client.MaxLimit, all: true}

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

// check refuses what cannot be asked for; one is what the list is of.
func (p *paging) check(one string) error {
	if p.limit < 1 || p.limit > client.MaxLimit {
		return usage(fmt.Sprintf("--limit is %d", p.limit), "Write 1 to 1000, or --all for every "+one+".")
	}
	if p.all {
		p.limit = client.MaxLimit
	}
	return nil
}

// page is one page of a list: its items, the cursor of the next one, and the data
// revision, or the head of the log, that it was read at.
type page[E any] struct {
	items []E
	next  string
	at    uint64
}

// pageOfLog is what was read of a log as a page of a list.
func pageOfLog[E any](read authz.LogPage[E], err error) (page[E], error) {
	return page[E]{read.Items, read.NextCursor, read.Head}, err
}

// Formats of the members that come last in a list of every page, of page.at of the first
// one, which is the oldest.
const (
	revisionMember = `"data_revision":%d`
	headMembers    = `"next_after":%[1]d,"head":%[1]d`
)

// list prints a page, or with p.all every one, and says when more follow. In JSON that is
// the page as it came, or one list of the shape of a page, an item a line.
func list[E any](ctx context.Context, c *cli, p paging, last string, fetch func(context.Context, client.Paging) (page[E], error), rows func([]E) error) error {
	at := client.Paging{Cursor: p.cursor, Limit: p.limit}
	whole := &jsonList{w: c.out}
	var first uint64
	for {
		read, raw, err := withAnswer(ctx, func(ctx context.Context) (page[E], error) { return fetch(ctx, at) })
		if err != nil {
			return err
		}
		switch {
		case c.output == formatJSON && p.all:
			err = whole.add(raw)
		case c.output == formatJSON:
			err = c.print(raw, nil)
		default:
			err = rows(read.items)
		}
		switch {
		case err != nil:
			return err
		case !p.all && read.next != "":
			return c.note("more follow: --all prints every one, --cursor %s the next page", read.next)
		case !p.all:
			return nil
		case read.next == at.Cursor && read.next != "":
			return unreadable(errors.New("the next page is this one again"))
		}
		if first == 0 {
			first = read.at
		}
		if read.next == "" {
			break
		}
		at.Cursor = read.next
	}
	if c.output == formatJSON {
		return whole.end(fmt.Sprintf(last, first))
	}
	return nil
}

// jsonList prints the items of several pages as one list, an item a line.
type jsonList struct {
	w       io.Writer
	started bool
}

func (j *jsonList) add(page []byte) error {
	items, err := rawItems(page)
	for _, item := range items {
		if err == nil {
			err = writeAll(j.w, append([]byte(j.separator()), item...))
		}
	}
	return err
}

// rawItems are the items of a page as the server sent them.
func rawItems(page []byte) ([]json.RawMessage, error) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := ijson.UnmarshalOpen(page, &list); err != nil {
		return nil, unreadable(err)
	}
	return list.Items, nil
}

func (j *jsonList) separator() string {
	if j.started {
		return ",\n"
	}
	j.started = true
	return `{"items":[`
}

func (j *jsonList) end(last string) error {
	opening := ""
	if !j.started {
		opening = j.separator()
	}
	return writeAll(j.w, []byte(opening+`],"next_cursor":"",`+last+"}\n"))
}
