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
		if err := say(t.w, "%s", t.line(row)); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) line(row []string) string {
	var b strings.Builder
	for i, cell := range row {
		if cell == "" {
			cell = "-"
		}
		b.WriteString(cell)
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	return b.String()
}
