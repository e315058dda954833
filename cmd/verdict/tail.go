package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newDecisionsTail(c *cli) *cobra.Command {
	var filter recordFilter
	last := 10
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print decisions as they are made",
		Long: `Print the newest recorded decisions, and then each as it is made, until it is
interrupted. With --output json each record is one line.`,
		Example: `  verdict decisions tail --outcome deny
  verdict decisions tail --generation 7 --output json`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	filter.flags(cmd, "generation")
	cmd.Flags().IntVarP(&last, "last", "n", last, "how many of those made before to begin with, up to 1000")
	complete(cmd, "last")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		selected, err := filter.parse(c)
		if err != nil {
			return err
		}
		if last < 0 || last > pageOfAll {
			return usage(fmt.Sprintf("--last is %d", last), "Write 0 to 1000; `verdict decisions list --all` prints every one.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := &tail{cli: c, client: client, path: api.PathDecisions, filter: filterQuery(selected), rows: c.newRecordTable()}
		if c.output == formatJSON {
			t.rows = &recordLines{w: c.out}
		}
		return aboutDecisions(t.follow(cmd.Context(), last))
	}
	return cmd
}

// tailWait is how long the server may wait for a record before it answers without.
const tailWait = 50 * time.Second

// tail prints records as they are made.
type tail struct {
	*cli
	client *remote.Client
	path   string
	filter url.Values
	rows   pageWriter
}

// follow prints the newest so many records and then those that come, until ctx ends,
// which is not an error. A server that gives no answer for a while is asked again.
func (t *tail) follow(ctx context.Context, last int) error {
	after, err := t.begin(ctx, last)
	missed := 0
	for err == nil && ctx.Err() == nil {
		after, err = t.next(ctx, after)
		switch {
		case err == nil:
			missed = 0
		case failureOf(err).status == exitUnreachable && missed < maxMissed && ctx.Err() == nil:
			err = t.missed(ctx, missed, err)
			missed++
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// missed tells, the first time, that the server gave no answer, and waits a moment.
func (t *tail) missed(ctx context.Context, before int, cause error) error {
	if before == 0 {
		if err := t.note("%s; trying again", cause); err != nil {
			return err
		}
	}
	return pause(ctx, time.Second)
}

// begin prints the newest so many records, oldest first, and returns the sequence
// number to go on after.
func (t *tail) begin(ctx context.Context, last int) (uint64, error) {
	p, err := t.fetch(ctx, url.Values{"limit": {strconv.Itoa(max(last, 1))}})
	if err != nil {
		return 0, err
	}
	if last == 0 {
		p.Items = nil
	}
	slices.Reverse(p.Items)
	return p.NextAfter, t.rows.page(p.Items)
}

// next prints what was recorded after a sequence number, and returns the next one.
func (t *tail) next(ctx context.Context, after uint64) (uint64, error) {
	p, err := t.fetch(ctx, url.Values{
		"after": {strconv.FormatUint(after, 10)}, "wait_s": {strconv.Itoa(int(tailWait / time.Second))}, "limit": {strconv.Itoa(pageOfAll)},
	})
	if err != nil {
		return after, err
	}
	if p.NextAfter < after {
		return after, unreadable(fmt.Errorf("it goes on at %d, before %d", p.NextAfter, after))
	}
	if len(p.Items) == 0 { // a server that is stopping does not wait
		return p.NextAfter, pause(ctx, time.Second)
	}
	return p.NextAfter, t.rows.page(p.Items)
}

// records is a stretch of the decision log, or of the audit.
type records struct {
	Items     []json.RawMessage `json:"items"`
	NextAfter uint64            `json:"next_after"`
}

func (t *tail) fetch(ctx context.Context, query url.Values) (records, error) {
	maps.Copy(query, t.filter)
	var p records
	answer, err := t.client.Do(ctx, remote.Call{Method: http.MethodGet, Path: t.path, Query: query})
	if err != nil {
		return p, err
	}
	if err := ijson.UnmarshalOpen(answer.Body, &p); err != nil {
		return p, unreadable(err)
	}
	return p, nil
}

// recordLines prints records as the server sent them, one a line.
type recordLines struct{ w io.Writer }

func (l *recordLines) page(items []json.RawMessage) error {
	var lines bytes.Buffer
	for _, item := range items {
		lines.Write(item)
		lines.WriteByte('\n')
	}
	return writeAll(l.w, lines.Bytes())
}

func (*recordLines) end(uint64) error { return nil }
