// Command manual writes the settings into the manuals that list them: the package
// comment of cmd/verdict and docs/operating.md.
//
//	go run ./cmd/config/manual          in the root of the module; `make generate` runs it
//	go run ./cmd/config/manual -check   writes nothing, and fails when it would
//
// It is no part of the product.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/verdict-pdp/verdict/cmd/config"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail when something would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	for _, part := range parts() {
		text, err := os.ReadFile(part.file)
		if err != nil {
			return err
		}
		changed, err := part.put(string(text))
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", part.file, err)
		case bytes.Equal(text, []byte(changed)):
		case check:
			return fmt.Errorf("%s does not have the settings as they are declared; run make generate", part.file)
		default:
			if err := os.WriteFile(part.file, []byte(changed), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// part is the lines of a file between two others, which are not replaced.
type part struct {
	file, after, before string
	lines               string
}

func parts() []part {
	return []part{
		{"cmd/verdict/doc.go", "// known one.\n//\n", "//\n// # Policies\n", comment(config.SampleFile())},
		{"docs/operating.md", "<!-- settings: written by make generate -->\n\n", "\n<!-- end of settings -->\n", config.Table()},
	}
}

// put replaces the part of text.
func (p part) put(text string) (string, error) {
	before, rest, found := strings.Cut(text, p.after)
	_, after, ends := strings.Cut(rest, p.before)
	if !found || !ends {
		return "", fmt.Errorf("has no place for the settings, between the lines %q and %q", p.after, p.before)
	}
	return before + p.after + p.lines + p.before + after, nil
}

// comment is text as a block of code in a Go comment.
func comment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("//\t" + line)
	}
	return b.String()
}
