package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newBundleDiff(c *cli) *cobra.Command {
	last := authz.DefaultReplayed
	cmd := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "Print what differs between two generations: files and decisions",
		Long: `Print what differs between two generations: the lines of their files, and which of the
newest recorded decisions the second one makes otherwise than the first.`,
		Example: `  verdict bundle diff 6 7
  verdict bundle diff 6 7 --last 0`,
		Args:              takes(2, 2),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVar(&last, "last", last, "newest recorded decisions to judge anew; 0 compares files only")
	complete(cmd, "last")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := parseGeneration(args[0])
		if err != nil {
			return err
		}
		other, err := parseGeneration(args[1])
		if err != nil {
			return err
		}
		if last < 0 {
			return usage(fmt.Sprintf("--last is %d", last), "Write how many decisions to judge anew, or 0 for none.")
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		waiting := c.newWait("comparing")
		answer, err := client.Upload(cmd.Context(), remote.Call{
			Method: http.MethodGet, Path: generationPath(from) + "/diff/" + strconv.FormatUint(other, 10),
			Query: url.Values{"last": {strconv.Itoa(last)}},
		})
		if err := errors.Join(err, waiting.done()); err != nil {
			return aboutPolicies(err)
		}
		return c.print(answer.Body, func(w io.Writer) error { return c.tellDiff(w, answer.Body) })
	}
	return cmd
}

func (c *cli) tellDiff(w io.Writer, answer []byte) error {
	var d api.Difference
	if err := ijson.UnmarshalOpen(answer, &d); err != nil {
		return unreadable(err)
	}
	s := c.screenOf(w)
	s.columns = 0 // lines of a diff are not cut
	r := &report{w: w}
	if len(d.Files) == 0 {
		r.line("generations %d and %d have the same files", d.From, d.To)
	}
	for _, f := range d.Files {
		r.line("%s %s/%s", f.Change, f.Bundle, f.Path)
		r.diffLines(s, f.Lines)
	}
	if d.Decisions != nil {
		r.comparison(d.Decisions)
	}
	return r.err
}

// diffLines prints a unified diff.
func (r *report) diffLines(s screen, lines string) {
	for line := range strings.Lines(lines) {
		if r.err == nil {
			text := strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
			r.err = writeAll(r.w, []byte(s.line(part{text: "  "}, part{text: text, colour: diffColour(line)})+"\n"))
		}
	}
}

func diffColour(line string) colour {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return plain
	case strings.HasPrefix(line, "+"):
		return green
	case strings.HasPrefix(line, "-"):
		return red
	}
	return plain
}
