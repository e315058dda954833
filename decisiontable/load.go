package decisiontable

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// Suffix is how the name of a file ends that is a table.
const Suffix = authz.TableSuffix

// reader returns the content of a file by its path.
type reader func(name string) ([]byte, error)

// Bounds of what is loaded.
const (
	maxTables   = 1000
	maxCases    = 1000 // in one table
	maxIncludes = 20   // in one table
)

// Load reads every table in a folder and below it, by name. None is no error.
// Otherwise the error is an *authz.Error whose Problems are all that is wrong, up
// to 50; no table is returned then.
func Load(files fs.FS) ([]Table, error) {
	names, err := find(files)
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeInvalid, Message: "the folder of the decision tables cannot be read: " + err.Error(), Cause: err}
	}
	return load(context.Background(), names, maxTables*maxCases, func(name string) ([]byte, error) { return read(files, name) })
}

// load reads the tables of these names, as Load does, of rows in all at most. It ends
// early when ctx does, with its error.
func load(ctx context.Context, names []string, rows int, files reader) ([]Table, error) {
	var found problems
	limit := rows
	if len(names) > maxTables {
		found.add(names[maxTables], 0, fmt.Sprintf("there are more than %d tables", maxTables), "test a part of the folder at a time")
		return nil, found.err()
	}
	tables := make([]Table, 0, len(names))
	for _, name := range names {
		l := loader{ctx: ctx, files: files, document: &document{file: name, problems: &found}}
		t := l.table()
		tables = append(tables, t)
		if rows -= len(t.Cases); rows < 0 {
			return nil, &authz.Error{Code: authz.CodeTooLarge, Field: name, Message: fmt.Sprintf("and the decision tables before it have more than %d rows", limit)}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return tables, nil
}

func find(files fs.FS) (names []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(name, Suffix) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// loader reads one table.
type loader struct {
	*document
	ctx   context.Context // of the one call that reads; cases are left out when it ends
	files reader

	timed bool // it has a time; otherwise cases have their own
	time  time.Time
	data  map[string]any // :: collection -> what is in it
	input map[string]any // a patch of the defaults
	facts *facts         // of data

	origins   []origin   // of data, the nearest first; empty when there is none
	inputNode *yaml.Node // nil when left out
}

// table reads the file. What it returns is of use only without problems.
func (l *loader) table() Table {
	t := Table{File: l.file}
	root := l.parse(l.files)
	if root == nil {
		return t
	}
	members, ok := l.members(root, "the table")
	if !ok {
		return t
	}
	var cases *yaml.Node
	for _, m := range members {
		switch m.name {
		case "about":
			t.About = l.text(m.value, "about")
		case "time":
			l.time, l.timed = l.moment(m.value), true
		case "data":
			l.data = l.tableData(m.value)
		case "input":
			l.inputNode = m.value
			l.input = l.inputOf(m.value)
		case "cases":
			cases = aliased(m.value)
		default:
			l.unknown(m, "a table has about, time, data, input and cases")
		}
	}
	l.facts = l.build()
	if cases == nil || cases.Kind != yaml.SequenceNode || len(cases.Content) == 0 {
		l.problem(root, "the table has no cases", "write at least one: cases: [{name: .., input: .., want: allow}]")
		return t
	}
	if len(cases.Content) > maxCases {
		l.problem(cases, fmt.Sprintf("the table has more than %d cases", maxCases), "split it")
		return t
	}
	t.Cases = l.cases(cases.Content)
	return t
}

func (l *loader) cases(nodes []*yaml.Node) []Case {
	cases := make([]Case, 0, len(nodes))
	first := make(map[string]int, len(nodes)) // :: name -> line
	for _, n := range nodes {
		if l.ctx.Err() != nil {
			return nil
		}
		c, ok := l.readCase(n)
		if !ok {
			continue
		}
		if line, twice := first[c.Name]; twice {
			l.problems.add(l.file, c.Line, fmt.Sprintf("a case is named %q like the one on line %d", c.Name, line), "give each case a name of its own")
		}
		first[c.Name] = c.Line
		cases = append(cases, c)
	}
	return cases
}

func (l *loader) unknown(m member, known string) {
	l.problems.add(l.file, m.line, m.name+" is not known here", known)
}

// moment is a time, zero after a problem.
func (l *loader) moment(n *yaml.Node) time.Time {
	text := l.text(n, "time")
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.IsZero() || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		l.problem(n, "time is not a time", "write it as RFC 3339: 2026-11-22T10:00:00Z")
		return time.Time{}
	}
	return at.UTC()
}

// inputOf is a patch of the input.
func (l *loader) inputOf(n *yaml.Node) map[string]any {
	input := l.mapping(n, "input")
	if _, ok := input["time"]; ok {
		l.problems.add(l.file, lineAt(n, "time"), "time is not known here", "write it beside input, not in it")
	}
	return input
}

// tableData is the data of a table, on top of what it includes.
func (l *loader) tableData(n *yaml.Node) map[string]any {
	own := l.mapping(n, "data")
	l.origins = []origin{{l.file, n}}
	include := own["include"]
	delete(own, "include")
	if include == nil {
		return patched(nil, own)
	}
	line := lineAt(n, "include")
	list, ok := include.([]any)
	if !ok {
		list = []any{include}
	}
	if len(list) > maxIncludes {
		l.problems.add(l.file, line, fmt.Sprintf("more than %d files are included", maxIncludes), "put what they hold together")
		return own
	}
	var data map[string]any
	for _, name := range list {
		data = patched(data, l.included(line, name))
	}
	return patched(data, own)
}

// included is the data in a file beside this one.
func (l *loader) included(line int, name any) map[string]any {
	text, ok := name.(string)
	full := path.Join(path.Dir(l.file), text)
	switch {
	case !ok || text == "" || path.IsAbs(text) || !fs.ValidPath(full):
		l.problems.add(l.file, line, fmt.Sprintf("includes %v", name), "name a file within the folder, from where this one lies: include: [../world.yaml]")
		return nil
	case strings.HasSuffix(full, Suffix):
		l.problems.add(l.file, line, "includes "+text+", which is a table", "put what tables share into a file of another name")
		return nil
	}
	d := &document{file: full, problems: l.problems}
	root := d.parse(l.files)
	if root == nil {
		return nil
	}
	data := d.mapping(root, "the file")
	if _, nested := data["include"]; nested {
		d.problems.add(full, lineAt(root, "include"), "a file that is included includes another one", "include both in the table")
	}
	l.origins = slices.Insert(l.origins, 1, origin{full, root})
	return data
}

// readCase reads one case; ok is false when it has no name to speak of it by.
func (l *loader) readCase(n *yaml.Node) (c Case, ok bool) {
	members, ok := l.members(n, "a case")
	if !ok {
		return Case{}, false
	}
	c = Case{Line: n.Line, facts: l.facts}
	at, timed, wanted := l.time, l.timed, false
	var input map[string]any
	var data, inputNode *yaml.Node
	for _, m := range members {
		switch m.name {
		case "name":
			c.Name, c.Line = l.text(m.value, "name"), m.line
		case "about":
			c.About = l.text(m.value, "about")
		case "time":
			at, timed = l.moment(m.value), true
		case "data":
			data = m.value
		case "input":
			inputNode, input = m.value, l.inputOf(m.value)
		case "want":
			wanted = true
			c.Want.Outcome = l.outcome(m.value)
		case "reasons":
			c.Want.Reasons = sorted(l.texts(m.value, m.name))
		case "would_deny":
			c.Want.WouldDeny = sorted(l.texts(m.value, m.name))
		case "obligations":
			c.Want.Obligations = sorted(l.texts(m.value, m.name))
		case "advice":
			c.Want.Advice = sorted(l.texts(m.value, m.name))
		default:
			l.unknown(m, "a case has name, about, time, data, input, want, reasons, would_deny, obligations and advice")
		}
	}
	l.checkWant(&c, wanted)
	if !timed {
		l.problems.add(l.file, c.Line, "neither the case nor its table has a time", "write time: 2026-11-22T10:00:00Z")
	}
	if data != nil {
		c.facts = l.override(data)
	}
	q := question{document: l.document, line: c.Line, nodes: []*yaml.Node{inputNode, l.inputNode}, at: at, given: both(l.input, input)}
	c.Input = q.json()
	return c, true
}

func (l *loader) outcome(n *yaml.Node) authz.Outcome {
	switch n := aliased(n); {
	case n.Kind == yaml.ScalarNode && n.Value == "allow":
		return authz.Allow
	case n.Kind == yaml.ScalarNode && n.Value == "deny":
		return authz.Deny
	}
	l.problem(n, "want is neither allow nor deny", "write want: allow or want: deny")
	return authz.Deny
}

// checkWant refuses what no answer can be, and what would not say why.
func (l *loader) checkWant(c *Case, wanted bool) {
	problem := func(message, fix string) { l.problems.add(l.file, c.Line, message, fix) }
	switch {
	case c.Name == "":
		problem("the case has no name", "say in a few words what it shows")
	case !wanted:
		problem("the case does not say what it wants", "write want: allow or want: deny")
	case c.Want.Outcome == authz.Allow && len(c.Want.Reasons) > 0:
		problem("the case wants allow and has reasons", "write those that a mode keeps from denying as would_deny")
	case c.Want.Outcome == authz.Deny && len(c.Want.Reasons) == 0:
		problem("the case wants deny and does not say why", "write reasons: [CODE]: any denial would do else")
	case c.Want.Outcome == authz.Deny && len(c.Want.Obligations) > 0:
		problem("the case wants deny and has obligations", "only what is allowed has any")
	}
}

// sorted is a set of texts; nil when it is empty.
func sorted(texts []string) []string {
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		set[text] = true
	}
	if len(set) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(set))
}
