package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is what is known of where text goes. The zero screen is no terminal.
type screen struct {
	terminal bool
	colours  bool
	columns  int // 0: lines of any length
	rows     int // 0: any number of lines
}

// screenOf looks at w. Colours are left out when $NO_COLOR is set, whatever to, or
// the terminal is a dumb one.
func (c *cli) screenOf(w io.Writer) screen {
	if !isTerminal(w) {
		return screen{}
	}
	s := screen{terminal: true}
	none, _ := c.lookupEnv("NO_COLOR")
	kind, _ := c.lookupEnv("TERM")
	s.colours = none == "" && kind != "dumb"
	if columns, rows, err := term.GetSize(int(w.(*os.File).Fd())); err == nil {
		s.columns, s.rows = columns, rows
	}
	return s
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour is one of the colours that every terminal has. What it says is also said
// in words.
type colour string

const (
	noColour colour = ""
	green    colour = "32"
	amber    colour = "33"
	red      colour = "31"
)

// paint colours printable text, on a screen that has colours.
func (s screen) paint(in colour, text string) string {
	if !s.colours || in == noColour || text == "" {
		return text
	}
	return "\x1b[" + string(in) + "m" + text + "\x1b[0m"
}

// line makes one line of parts. It is printable apart from the colours, and no
// longer than the screen is wide.
func (s screen) line(parts ...part) string {
	var b strings.Builder
	left := s.columns
	for _, p := range parts {
		text := printable(p.text)
		if s.columns > 0 {
			text = shorten(text, left)
			left -= utf8.RuneCountInString(text)
		}
		b.WriteString(s.paint(p.colour, text))
	}
	return b.String()
}

// part is a piece of a line.
type part struct {
	text   string
	colour colour
}

// shorten cuts text to so many characters, the last of which then is an ellipsis.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	if most < 1 {
		return ""
	}
	return string([]rune(text)[:most-1]) + "…"
}
