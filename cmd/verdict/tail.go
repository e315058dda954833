package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

// tailWait is how long the server may wait for something new before it answers without.
const tailWait = 50 * time.Second

// tail prints the decisions, or the changes, as they are recorded.
type tail[E any] struct {
	*cli
	newest func(context.Context, client.Paging) (authz.LogPage[E], error)
	after  func(context.Context, client.Following) (authz.LogPage[E], error)
	rows   func([]E) error
}

// lastFlag adds the flag of how many of those that were recorded before to begin with.
func lastFlag(cmd *cobra.Command) *int {
	last := cmd.Flags().IntP("last", "n", 10, "how many of those made before to begin with, up to 1000")
	complete(cmd, "last")
	return last
}

func checkLast(last int, command string) error {
	if last < 0 || last > client.MaxLimit {
		return usage(fmt.Sprintf("--last is %d", last), "Write 0 to 1000; `verdict "+command+" list --all` prints every one.")
	}
	return nil
}

// follow prints the newest so many and then those that come, until ctx ends, which is
// not an error. A server that gives no answer for a while is asked again.
func (t *tail[E]) follow(ctx context.Context, last int) error {
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

// missed notes, the first time, that the server gave no answer, and waits a moment.
func (t *tail[E]) missed(ctx context.Context, before int, cause error) error {
	if before == 0 {
		if err := t.note("%s; trying again", cause); err != nil {
			return err
		}
	}
	return pause(ctx, time.Second)
}

// begin prints the newest so many, oldest first, and returns the number to go on after.
func (t *tail[E]) begin(ctx context.Context, last int) (uint64, error) {
	read, raw, err := withAnswer(ctx, func(ctx context.Context) (authz.LogPage[E], error) {
		return t.newest(ctx, client.Paging{Limit: max(last, 1)})
	})
	if err != nil {
		return 0, err
	}
	if last == 0 {
		return read.NextAfter, t.write(nil, []byte("{}"), false)
	}
	slices.Reverse(read.Items)
	return read.NextAfter, t.write(read.Items, raw, true)
}

// next prints what was recorded after a number, and returns the next one.
func (t *tail[E]) next(ctx context.Context, after uint64) (uint64, error) {
	read, raw, err := withAnswer(ctx, func(ctx context.Context) (authz.LogPage[E], error) {
		return t.after(ctx, client.Following{After: after, Wait: tailWait, Limit: client.MaxLimit})
	})
	switch {
	case err != nil:
		return after, err
	case len(read.Items) == 0: // a server that is stopping does not wait
		return read.NextAfter, pause(ctx, time.Second)
	}
	return read.NextAfter, t.write(read.Items, raw, false)
}

// write prints rows; in JSON the items as they came, one a line, reversed when those of a
// page are newest first.
func (t *tail[E]) write(items []E, page []byte, reversed bool) error {
	if t.output != formatJSON {
		return t.rows(items)
	}
	raw, err := rawItems(page)
	if err != nil {
		return err
	}
	if reversed {
		slices.Reverse(raw)
	}
	var lines bytes.Buffer
	for _, item := range raw {
		lines.Write(item)
		lines.WriteByte('\n')
	}
	return writeAll(t.out, lines.Bytes())
}
