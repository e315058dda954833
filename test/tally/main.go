// Command tally reads the output of `go test -json` on standard input, shows what
// failed and what was skipped, counts and times each package, and exits 1 when a test
// failed or when a package passed no test at all. A check that runs nothing is a check
// that passed nothing. Its arguments are the packages that have to be there; those of
// -untested may have no tests.
//
//	go test -json ./... | go run ./test/tally $(go list ./...)
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
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
	untested := flag.String("untested", "", "comma-separated `packages` that have no tests")
	flag.Parse()
	began := time.Now()
	t := newTally(os.Stdout)
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	if !t.report(flag.Args(), strings.Split(*untested, ","), time.Since(began)) {
		os.Exit(1)
	}
}

func newTally(out io.Writer) tally {
	return tally{suites: map[string]*suite{}, output: map[string]*strings.Builder{}, out: out}
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
	show := e.Action != "pass"
	switch {
	case e.Test == "":
		s.seconds = e.Elapsed
		s.broken = e.Action == "fail"
		show = s.broken && s.failed == 0 // and not that a package has no test files
	case e.Action == "pass":
		s.passed++
	case e.Action == "fail":
		s.failed++
	case e.Action == "skip":
		s.skipped++
	}
	if show && said != nil {
		fmt.Fprint(t.out, said.String())
	}
}

// report prints the counts and reports whether all is well: no test failed, and each
// package of want passed one, or is untested and has none.
func (t *tally) report(want, untested []string, took time.Duration) bool {
	var sum suite
	good := true
	for _, name := range slices.Sorted(maps.Keys(t.suites)) {
		s := t.suites[name]
		sum.passed += s.passed
		sum.failed += s.failed
		sum.skipped += s.skipped
		sum.seconds += s.seconds
		if s.passed+s.failed+s.skipped > 0 || s.broken {
			fmt.Fprintf(t.out, "%-62s %5d passed %3d failed %3d skipped %7.1f s\n", name, s.passed, s.failed, s.skipped, s.seconds)
		}
		good = good && s.failed == 0 && !s.broken
	}
	for _, name := range want {
		s := t.suites[name]
		switch tested := s != nil && s.passed > 0; {
		case !tested && !slices.Contains(untested, name):
			fmt.Fprintf(t.out, "package %s passed no test at all\n", name)
			good = false
		case tested && slices.Contains(untested, name):
			fmt.Fprintf(t.out, "package %s has tests now; it is untested no more\n", name)
			good = false
		}
	}
	fmt.Fprintf(t.out, "packages took %.1f s one by one, %.1f s by the clock with their builds\n", sum.seconds, took.Seconds())
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, sum.skipped)
	return good && sum.passed > 0
}
