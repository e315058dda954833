package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table prints rows in aligned columns, page after page: a later page keeps the
// widths of earlier ones, so that any number of rows needs the memory of one page.
type table struct {
	w      io.Writer
	header []string
	widths []int
	// screen cuts lines to the width of a terminal; the zero one cuts none.
	screen screen
	// colours, when not nil, is what a column's cells are shown in on such a screen.
	colours map[int]func(cell string) colour // :: column -> colour of a cell
}

func newTable(w io.Writer, header ...string) *table {
	return &table{w: w, header: header}
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
		if of := t.colours[i]; of != nil {
			p.colour = of(cell)
		}
		parts = append(parts, p)
		if i < len(row)-1 {
			parts = append(parts, part{text: strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(p.text))+2)})
		}
	}
	return t.screen.line(parts...)
}
