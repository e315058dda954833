package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/verdict-pdp/verdict/ijson"
)

// format is how a command prints. It is a flag value.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

// String implements pflag.Value.
func (f format) String() string { return string(f) }

// Type implements pflag.Value.
func (format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if s != string(formatText) && s != string(formatJSON) {
		return errors.New("must be text or json")
	}
	*f = format(s)
	return nil
}

// print writes a server's answer: in JSON as it came, else what text makes of it.
func (c *cli) print(answer []byte, text func(io.Writer) error) error {
	if c.output == formatJSON {
		return writeAll(c.out, append(bytes.TrimRight(answer, "\n"), '\n'))
	}
	return text(c.out)
}

// without is a JSON object but for one of its members.
func without(object []byte, name string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(object, &members); err != nil {
		return nil, unreadable(err)
	}
	delete(members, name)
	return ijson.Marshal(members)
}

// printMade writes what no server said: in JSON document, else one line of text.
func (c *cli) printMade(document any, line string, values ...any) error {
	made, err := ijson.Marshal(document)
	if err != nil {
		return err
	}
	return c.print(made, func(w io.Writer) error { return say(w, line, values...) })
}

// say writes one formatted line of text output; values are made printable.
func say(w io.Writer, line string, values ...any) error {
	return writeAll(w, []byte(printable(fmt.Sprintf(line, values...))+"\n"))
}

// note writes about the work to standard error, so that output stays
// clean. In JSON it writes nothing: the document has what a program needs.
func (c *cli) note(line string, values ...any) error {
	if c.output == formatJSON {
		return nil
	}
	return say(c.err, line, values...)
}

func writeAll(w io.Writer, data []byte) error {
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// printable replaces what could move a terminal's cursor or colours: text from a
// server may hold what an attacker sent it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// printableLines is printable, but keeps line ends.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// report writes lines of text and keeps the first error.
type report struct {
	w   io.Writer
	err error
}

func (r *report) line(format string, values ...any) {
	if r.err == nil {
		r.err = say(r.w, format, values...)
	}
}

// lines writes text of several lines, each behind prefix.
func (r *report) lines(prefix, text string) {
	for line := range strings.Lines(text) {
		r.line("%s%s", prefix, strings.TrimSuffix(line, "\n"))
	}
}

// quote writes text of another author below its name. Every line of it stands
// behind a bar, so that none can be taken for a line of the report.
func (r *report) quote(name, text string) {
	r.line("  %s:", name)
	r.lines("  | ", text)
}

// table prints rows in aligned columns, page after page: a later page keeps the
// widths of earlier ones, so that any number of rows needs the memory of one page.
type table struct {
	w      io.Writer
	header []string
	widths []int
	// screen cuts lines to the width of a terminal; the zero one cuts none.
	screen screen
	// Cells of the column coloured are shown in these colours on such a screen.
	coloured int
	colours  map[string]colour // :: cell -> its colour
}

func newTable(w io.Writer, header ...string) *table {
	return &table{w: w, header: header}
}

// newTable makes a table for standard output. The cells of one column are coloured.
func (c *cli) newTable(coloured int, colours map[string]colour, header ...string) *table {
	t := newTable(c.out, header...)
	t.screen, t.coloured, t.colours = c.screenOf(c.out), coloured, colours
	return t
}

// rows prints each of a page's items as a row of t.
func rows[E any](t *table, row func(E) ([]string, error)) func([]E) error {
	return func(items []E) error {
		all := make([][]string, len(items))
		for i, item := range items {
			var err error
			if all[i], err = row(item); err != nil {
				return err
			}
		}
		return t.page(all)
	}
}

// page prints rows, the first time under the header. Empty cells show as "-".
func (t *table) page(rows [][]string) error {
	if t.widths == nil {
		t.widths = make([]int, len(t.header))
		rows = append([][]string{t.header}, rows...)
	}
	for _, row := range rows {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		if err := writeAll(t.w, []byte(t.line(row)+"\n")); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) line(row []string) string {
	var parts []part
	for i, cell := range row {
		p := part{text: cell}
		if cell == "" {
			p.text = "-"
		}
		if i == t.coloured {
			p.colour = t.colours[cell]
		}
		parts = append(parts, p)
		if i < len(row)-1 {
			parts = append(parts, part{text: strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(p.text))+2)})
		}
	}
	return t.screen.line(parts...)
}

// tree is a line and what stands below it.
type tree struct {
	label    []part
	branches []tree
}

// branch makes a tree of a plain label.
func branch(label string, branches ...tree) tree {
	return tree{label: []part{{text: label}}, branches: branches}
}

// draw writes t with lines from each branch to its own. Nothing is cut: a line that
// is longer than the screen goes on in its next one.
func (t tree) draw(w io.Writer, s screen) error {
	s.columns = 0
	return t.drawBelow(w, s, "", "")
}

// drawBelow draws t's line behind first, and all below it behind rest.
func (t tree) drawBelow(w io.Writer, s screen, first, rest string) error {
	line := append([]part{{text: first}}, t.label...)
	if err := writeAll(w, []byte(s.line(line...)+"\n")); err != nil {
		return err
	}
	for i, b := range t.branches {
		knee, trunk := "├─ ", "│  "
		if i == len(t.branches)-1 {
			knee, trunk = "└─ ", "   "
		}
		if err := b.drawBelow(w, s, rest+knee, rest+trunk); err != nil {
			return err
		}
	}
	return nil
}
