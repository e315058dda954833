package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
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

// say writes one formatted line of text output; values are made printable.
func say(w io.Writer, line string, values ...any) error {
	return writeAll(w, []byte(printable(fmt.Sprintf(line, values...))+"\n"))
}

// note tells a person about the work on standard error, so that output stays
// clean. In JSON it tells nothing: the document has what a program needs.
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
