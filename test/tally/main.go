// Command tally reads the output of `go test -json` on standard input, shows
// what failed and what was skipped, counts each package, and exits 1 when a
// test failed or when a suite that must run matched no test. A check that runs
// nothing is a check that passed nothing.
//
//	go test -json ./... | go run ./test/tally -require token,store
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// suite counts the tests of one package.
type suite struct {
	passed, failed, skipped int
	broken                  bool // did not build, or ended badly outside a test
	seconds                 float64
}

// tally is everything read so far.
type tally struct {
	suites map[string]*suite           // :: package -> counts
	output map[string]*strings.Builder // :: package and test -> what it printed
	out    io.Writer
}

func main() {
	require := flag.String("require", "", "comma-separated package suffixes that must have run at least one test")
	flag.Parse()
	t := tally{suites: map[string]*suite{}, output: map[string]*strings.Builder{}, out: os.Stdout}
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if !t.report(strings.FieldsFunc(*require, func(r rune) bool { return r == ',' })) {
		os.Exit(1)
	}
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(t.out, lines.Text()) // what the go command prints before it starts
			continue
		}
		t.add(e)
	}
	return lines.Err()
}

func (t *tally) add(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(t.out, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	s := t.suites[e.Package]
	if s == nil {
		s = &suite{}
		t.suites[e.Package] = s
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		if t.output[key] == nil {
			t.output[key] = &strings.Builder{}
		}
		t.output[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		t.end(s, key, e)
	}
}

func (t *tally) end(s *suite, key string, e event) {
	said := t.output[key]
	delete(t.output, key)
	switch {
	case e.Test == "":
		s.seconds = e.Elapsed
		s.broken = e.Action == "fail"
	case e.Action == "pass":
		s.passed++
		return
	case e.Action == "fail":
		s.failed++
	case e.Action == "skip":
		s.skipped++
	}
	if e.Action != "pass" && said != nil && (e.Test != "" || s.failed == 0 && e.Action == "fail") {
		fmt.Fprint(t.out, said.String())
	}
}

// report prints the counts and reports whether all is well.
func (t *tally) report(required []string) bool {
	names := make([]string, 0, len(t.suites))
	for name := range t.suites {
		names = append(names, name)
	}
	slices.Sort(names)

	var sum suite
	good := true
	for _, name := range names {
		s := t.suites[name]
		sum.passed += s.passed
		sum.failed += s.failed
		sum.skipped += s.skipped
		if s.passed+s.failed+s.skipped > 0 || s.broken {
			fmt.Fprintf(t.out, "%-62s %5d passed %3d failed %3d skipped %7.1fs\n", name, s.passed, s.failed, s.skipped, s.seconds)
		}
		good = good && s.failed == 0 && !s.broken
	}
	for _, suffix := range required {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, suffix) && t.suites[name].passed > 0 }) {
			fmt.Fprintf(t.out, "suite %s passed no test at all\n", suffix)
			good = false
		}
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, sum.skipped)
	return good && sum.passed > 0
}
