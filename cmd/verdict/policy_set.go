package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/decisiontable"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/policies"
)

// policySet is a policy folder that is to be tested: alone when it decides itself, and
// else beside the base policies, as a server has it.
type policySet struct {
	name    string // for people
	files   fs.FS
	archive bundles.Archive
	beside  []bundles.Member // empty: the folder is tested alone
	inSet   string           // name of the folder beside the base policies
}

// nameInSet is what `verdict bundle push` names a folder, so that places in it read as
// the server names them.
func nameInSet(folder string) string {
	if name := bundleNameOf(folder); name != authz.BaseBundle && checkBundleName(name) == nil {
		return name
	}
	return "folder"
}

// policyFolder is the folder at path, which policies are read from.
func policyFolder(path string) (fs.FS, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, usage("opening "+inputName(path)+": "+reason(err), "Name the folder that holds .manifest.")
	case !info.IsDir():
		return nil, usage(path+" is not a folder", "Name the folder that holds .manifest.")
	}
	return os.DirFS(path), nil
}

// openPolicySet reads the folder of args, or the base policies.
func openPolicySet(args []string) (*policySet, error) {
	set := &policySet{name: "the base policies", files: policies.Bundle}
	var err error
	if len(args) > 0 {
		set.name = args[0]
		if set.files, err = policyFolder(args[0]); err != nil {
			return nil, err
		}
	}
	if set.archive, err = bundles.Read(set.files); err != nil {
		return nil, set.notLoaded(err)
	}
	if !decides(set.archive.Manifest.Roots) {
		err = set.putBesideBase()
	}
	return set, err
}

// decides reports whether roots hold what every decision begins with.
func decides(roots []string) bool {
	for _, root := range roots {
		if root == "" || root == "verdict" || strings.HasPrefix("verdict/decision/", root+"/") {
			return true
		}
	}
	return false
}

func (s *policySet) putBesideBase() error {
	base, err := bundles.ReadFolder(policies.Bundle, bundles.Limits{})
	if err != nil {
		return err
	}
	packed, err := bundles.ReadFolder(s.files, bundles.Limits{})
	if err != nil {
		return s.notLoaded(err)
	}
	packed.Signatures = nil // nothing is decided with it: who signed it is for the server to ask
	own, err := packed.Verify(bundles.Verification{}, bundles.Accepted{})
	if err != nil {
		return s.notLoaded(err)
	}
	s.inSet = nameInSet(s.name)
	s.beside = []bundles.Member{{Name: authz.BaseBundle, Verified: bundles.Trusted(base)}, {Name: s.inSet, Verified: own}}
	return nil
}

// notLoaded is err, found in the folder, with the lines it is about.
func (s *policySet) notLoaded(err error) error { return notLoaded(s.name, s.files, err) }

// test runs the Rego tests of the folder.
func (s *policySet) test(ctx context.Context, o bundles.TestOptions) (bundles.TestReport, error) {
	if len(s.beside) == 0 {
		found, err := bundles.Test(ctx, s.archive, o)
		return found, s.loaded(err)
	}
	found, err := bundles.TestSet(ctx, s.beside, s.inSet, o)
	for i := range found.Results {
		found.Results[i].File = s.ownPath(found.Results[i].File)
	}
	for i := range found.Coverage.Files {
		found.Coverage.Files[i].File = s.ownPath(found.Coverage.Files[i].File)
	}
	return found, s.loaded(err)
}

// ownPath is a path of the set as it is within the folder.
func (s *policySet) ownPath(path string) string { return strings.TrimPrefix(path, s.inSet+"/") }

func (s *policySet) loaded(err error) error {
	if err == nil {
		return nil
	}
	return s.notLoaded(err)
}

// testTables runs the decision tables of the folder: the cases that filter matches, as
// "<file>/<name>". It is nil when there are no tables.
func (s *policySet) testTables(ctx context.Context, filter *regexp.Regexp, timeout time.Duration) (*decisiontable.Report, error) {
	tables, err := decisiontable.Load(s.files)
	if err != nil {
		f := *failureOf(s.notLoaded(err))
		f.fix = "Change what is named above; `verdict help decision-tables` shows how a table is written."
		return nil, &f
	}
	if len(tables) == 0 {
		return nil, nil
	}
	for i := range tables {
		tables[i] = matching(tables[i], filter)
	}
	policy, err := s.compile(timeout)
	if err != nil {
		return nil, s.notLoaded(err)
	}
	found := decisiontable.Run(ctx, policy, tables)
	return &found, ctx.Err()
}

func matching(t decisiontable.Table, filter *regexp.Regexp) decisiontable.Table {
	var cases []decisiontable.Case
	for _, c := range t.Cases {
		if filter.MatchString(t.File + "/" + c.Name) {
			cases = append(cases, c)
		}
	}
	t.Cases = cases
	return t
}

func (s *policySet) compile(timeout time.Duration) (*engine.Policy, error) {
	snapshot, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	return engine.New(snapshot, engine.Config{Timeout: timeout})
}

func (s *policySet) snapshot() (*bundles.Snapshot, error) {
	if len(s.beside) == 0 {
		return bundles.Compile(s.archive, bundles.Options{})
	}
	return bundles.CompileSet(s.beside, bundles.Options{})
}

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
	var theirs *client.Error
	if errors.As(err, &theirs) {
		return theirs.Problems
	}
	return nil
}
