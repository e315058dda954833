package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

// Lines of a file around the one at fault, with that one marked.
const (
	frameAround = 2
	frameWidth  = 160 // characters of a line that are shown
)

// codeFrame is the lines of a file around line, each with its number, the one at fault
// marked and underlined; "" when they cannot be read: a frame is a courtesy.
func codeFrame(files fs.FS, file string, line int) string {
	content, err := fs.ReadFile(files, path.Clean(strings.TrimPrefix(file, "/")))
	if err != nil || line < 1 {
		return ""
	}
	var b strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	width := len(fmt.Sprint(line + frameAround))
	for n := 1; lines.Scan() && n <= line+frameAround; n++ {
		if n < line-frameAround {
			continue
		}
		text := shorten(printable(strings.ReplaceAll(lines.Text(), "\t", "    ")), frameWidth)
		mark := " "
		if n == line {
			mark = ">"
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("%s %*d | %s", mark, width, n, text), " ") + "\n")
		if n == line {
			fmt.Fprintf(&b, "  %*s | %s\n", width, "", caret(text))
		}
	}
	return b.String()
}

// caret stands below where text begins.
func caret(text string) string {
	return strings.Repeat(" ", len(text)-len(strings.TrimLeft(text, " "))) + "^"
}

// framesOf are the frames of the problems that are about a line of files. A file may
// be named with the bundle it is in before its path.
func framesOf(files fs.FS, problems []authz.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		frame := codeFrame(files, p.File, p.Line)
		if _, below, ok := strings.Cut(p.File, "/"); frame == "" && ok {
			frame = codeFrame(files, below, p.Line)
		}
		if frame == "" {
			continue
		}
		fmt.Fprintf(&b, "  %s:%d\n%s\n", p.File, p.Line, indent(strings.TrimSuffix(frame, "\n")))
	}
	return b.String()
}

// problemsOf are the places in files that err is about, found here or by the server.
func problemsOf(err error) []authz.Problem {
	var ours *authz.Error
	if errors.As(err, &ours) {
		return ours.Problems
	}
	var theirs *remote.Problem
	if !errors.As(err, &theirs) {
		return nil
	}
	var problems []authz.Problem
	for _, e := range theirs.Errors {
		problems = append(problems, authz.Problem(e))
	}
	return problems
}
