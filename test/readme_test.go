package test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readmeLimit is what a newcomer reads before the first answer.
const readmeLimit = 7000

// readmeBlock is a fenced block of the README.
type readmeBlock struct {
	line int    // of its fence
	kind string // behind the fence: sh is run, none is the output of the sh block before it, text is the picture
	text string
}

func readmeBlocks(t *testing.T, readme string) []readmeBlock {
	t.Helper()
	var blocks []readmeBlock
	var open *readmeBlock
	n := 0
	for line := range strings.Lines(readme) {
		n++
		fence, fenced := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fenced && open == nil:
			open = &readmeBlock{line: n, kind: fence}
		case fenced:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("README.md:%d: the block has no end", open.line)
	}
	return blocks
}

// TestReadme runs what the README shows against a server of its own, with the program
// built from this tree, and holds it to what it says comes out. Every block is run, is the
// output of the one before it, or is the one picture.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > readmeLimit {
		t.Errorf("README.md has %d bytes, at most %d may be: a chapter goes to docs/", len(text), readmeLimit)
	}
	r := newReader(t)
	pictures := 0
	blocks := readmeBlocks(t, string(text))
	for i, b := range blocks {
		switch {
		case b.kind == "text":
			pictures++
		case b.kind == "sh":
			out := r.paste(b)
			if i+1 == len(blocks) || blocks[i+1].kind != "" {
				continue
			}
			want, got := masked(blocks[i+1].text), masked(out)
			if !sameBut(strings.Split(want, "\n"), strings.Split(got, "\n")) {
				t.Errorf("README.md:%d: what comes out (-README +now):\n%s", blocks[i+1].line, cmp.Diff(want, got))
			}
		case b.kind != "" || i == 0 || blocks[i-1].kind != "sh":
			t.Errorf("README.md:%d: the block %q is neither run (sh), nor the output of the block before it (no word behind the fence), nor the picture (text)", b.line, b.kind)
		}
	}
	if pictures != 1 {
		t.Errorf("README.md has %d pictures, want one", pictures)
	}
	if r.ran < 5 || !r.tested {
		t.Errorf("%d blocks were run, make test among them: %t; want five or more, and that", r.ran, r.tested)
	}
	for n, line := range slices.Collect(strings.Lines(string(text))) {
		if strings.HasPrefix(strings.TrimSpace(line), "$ ") {
			t.Errorf("README.md:%d: a command behind a dollar cannot be pasted; write it in an sh block", n+1)
		}
	}
}

// Every relative link of the README leads somewhere.
func TestReadmeLinks(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`).FindAllSubmatch(text, -1)
	if len(links) < 8 {
		t.Errorf("README.md has %d links, want those to the documents", len(links))
	}
	for _, link := range links {
		if _, err := os.Stat(filepath.Join("..", string(link[1]))); err != nil {
			t.Errorf("README.md leads to %s: %v", link[1], err)
		}
	}
}

// reader is somebody who pastes the README into a terminal, in a folder with bin/verdict.
type reader struct {
	t      *testing.T
	dir    string
	env    []string
	ran    int
	tested bool
}

func newReader(t *testing.T) *reader {
	t.Helper()
	verdict, err := verdictBinary()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: t.TempDir(), env: os.Environ()}
	if err := os.Mkdir(filepath.Join(r.dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(verdict, filepath.Join(r.dir, "bin", "verdict")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"VERDICT_LISTEN", "VERDICT_ADMIN_LISTEN"} {
		free, err := net.Listen("tcp", "127.0.0.1:0") // the README's own may be taken
		if err != nil {
			t.Fatal(err)
		}
		r.env = append(r.env, name+"="+free.Addr().String())
		if err := free.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// paste runs a block and returns its output. The targets of make are looked up: the tests
// do not run themselves, and the server is run until the test ends.
func (r *reader) paste(b readmeBlock) string {
	r.t.Helper()
	r.ran++
	switch strings.TrimSpace(b.text) {
	case "make run":
		return r.serve(r.recipe("run"))
	case "make test":
		r.tested = r.recipe("test") != ""
		return ""
	}
	cmd := exec.Command("bash", "-c", b.text)
	cmd.Dir, cmd.Env = r.dir, r.env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // 3: a decision is deny
		r.t.Errorf("README.md:%d: %v\n%s", b.line, err, &said)
	}
	return string(out)
}

// recipe is the last line of what a target of the Makefile does, with the variables that
// make run has.
func (r *reader) recipe(target string) string {
	r.t.Helper()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		r.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + target + `:.*\n((?:\t.*\n)+)`).FindSubmatch(makefile)
	if found == nil {
		r.t.Fatalf("the Makefile has no target %s that does anything", target)
	}
	lines := strings.Split(strings.TrimSpace(string(found[1])), "\n")
	return strings.ReplaceAll(strings.TrimSpace(lines[len(lines)-1]), "$(DATA)", "data")
}

// serve starts the server until the test ends, and returns what it says until it serves.
func (r *reader) serve(command string) string {
	r.t.Helper()
	cmd := exec.Command("bash", "-c", "exec "+command)
	cmd.Dir, cmd.Env, cmd.Stderr = r.dir, r.env, r.t.Output()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	var said strings.Builder
	for {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			r.t.Fatalf("%s ended: %v, %v\n%s", command, err, cmd.Wait(), said.String())
		}
		if strings.HasPrefix(line, "Paste into another terminal") {
			break
		}
	}
	rest := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, lines)
		rest <- err
	}()
	r.t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), <-rest, cmd.Wait()); err != nil {
			r.t.Errorf("%s ended with %v, want it to end well", command, err)
		}
	})
	return said.String()
}

// masks are what differs from run to run: what it is, and how it is written instead.
var masks = []struct {
	of   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?m)^verdict     .*$`), "verdict     VERSION"},
	{regexp.MustCompile(`verdict \S+, single`), "verdict VERSION, single"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`), "ID"},
	{regexp.MustCompile(`sha256:[0-9a-f]+`), "DIGEST"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z *`), "TIME "}, // milliseconds have no fixed width
	{regexp.MustCompile(`\b(\d+d)?(\d+h)?(\d+m)?(\d+s)?( ago)\b`), "DURATION$5"},
	{regexp.MustCompile(`\bup \d+[smhd]\d*[smh]?`), "up DURATION"},
	{regexp.MustCompile(`\d+ records?`), "N records"},
	{regexp.MustCompile(`[0-9.]+ ([KMGT]iB|bytes)`), "SIZE"},
}

func masked(text string) string {
	for _, m := range masks {
		text = m.of.ReplaceAllString(text, m.with)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// sameBut reports whether got is want, where a line "..." of want stands for any lines and
// a line that ends with "..." for what begins with it.
func sameBut(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "..." {
		for skipped := range len(got) + 1 {
			if sameBut(want[1:], got[skipped:]) {
				return true
			}
		}
		return false
	}
	if len(got) == 0 {
		return false
	}
	begin, cut := strings.CutSuffix(want[0], "...")
	if want[0] != got[0] && (!cut || !strings.HasPrefix(got[0], begin)) {
		return false
	}
	return sameBut(want[1:], got[1:])
}

func TestSameBut(t *testing.T) {
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{"a\nb", "a\nb", true}, {"a\nb", "a\nc", false}, {"a", "a\nb", false}, {"a\nb", "a", false},
		{"a\n...", "a\nb\nc", true}, {"a\n...", "a", true}, {"...\nc", "a\nb\nc", true}, {"...\nc", "a\nb", false},
		{"a, ...", "a, b", true}, {"a, ...", "b, a", false},
	} {
		if got := sameBut(strings.Split(test.want, "\n"), strings.Split(test.got, "\n")); got != test.same {
			t.Errorf("%q shown and %q come out: same %t, want %t", test.want, test.got, got, test.same)
		}
	}
}
