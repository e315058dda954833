package decisiontable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisiontable"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/policies"
)

func folder(files map[string]string) fstest.MapFS {
	f := fstest.MapFS{}
	for name, text := range files {
		f[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return f
}

func load(t *testing.T, text string) decisiontable.Table {
	t.Helper()
	tables, err := decisiontable.Load(folder(map[string]string{"a_table.yaml": text}))
	if err != nil {
		t.Fatal(err)
	}
	return tables[0]
}

const minimal = `
time: 2026-11-22T10:00:00Z
input: {subject: {id: mu:a}, action: {name: x}, resource: {id: svc:b}}
cases:
  - name: one
    want: allow
`

// with is the minimal table with more members.
func with(members string) string { return strings.TrimSpace(members) + minimal }

// aCase is the minimal table with members of its case.
func aCase(members string) string { return minimal + "    " + members }

func TestProblems(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":               {"", "a_table.yaml: the file is empty; write a table, or delete it"},
		"only a comment":      {"# nothing\n", "a_table.yaml: the file is empty"},
		"not YAML":            {"about: [\n", "a_table.yaml:1: is not YAML: "},
		"not YAML further on": {"about: x\ncases:\n\t- a\n", "a_table.yaml:3: is not YAML: "},
		"a list":              {"- a\n", "a_table.yaml:1: the table is not a mapping"},
		"two documents":       {minimal + "---\nabout: x\n", "a_table.yaml:7: the file has a second document"},
		"unknown member":      {with("abuot: x"), "a_table.yaml:1: abuot is not known here; a table has about"},
		"twice":               {with("about: x\nabout: y"), "a_table.yaml:2: about is given twice; remove one; the first is on line 1"},
		"no cases":            {"about: x\n", "a_table.yaml:1: the table has no cases"},
		"empty cases":         {"cases: []\n", "a_table.yaml:1: the table has no cases"},
		"a case is text":      {"time: 2026-11-22T10:00:00Z\ncases: [x]\n", "a_table.yaml:2: a case is not a mapping"},
		"no time":             {strings.Replace(minimal, "time: 2026-11-22T10:00:00Z\n", "", 1), "a_table.yaml:4: neither the case nor its table has a time"},
		"not a time":          {strings.Replace(minimal, "2026-11-22T10:00:00Z", "today", 1), "a_table.yaml:2: time is not a time; write it as RFC 3339"},
		"a date":              {strings.Replace(minimal, "T10:00:00Z", "", 1), "a_table.yaml:2: time is not a time"},
		"time in the input":   {aCase("input: {time: 2026-11-22T10:00:00Z}"), "a_table.yaml:7: time is not known here; write it beside input, not in it"},
		"unknown in a case":   {aCase("wnat: deny"), "a_table.yaml:7: wnat is not known here; a case has name"},
		"no name":             {strings.Replace(minimal, "name: one", "about: one", 1), "a_table.yaml:5: the case has no name"},
		"a name twice":        {aCase("\n  - {name: one, want: allow}"), `a_table.yaml:8: a case is named "one" like the one on line 5`},
		"no want":             {strings.Replace(minimal, "want: allow", "about: x", 1), "a_table.yaml:5: the case does not say what it wants"},
		"another want":        {strings.Replace(minimal, "allow", "yes", 1), "a_table.yaml:6: want is neither allow nor deny"},
		"deny without why":    {strings.Replace(minimal, "allow", "deny", 1), "a_table.yaml:5: the case wants deny and does not say why"},
		"allow with a why":    {aCase("reasons: [A]"), "a_table.yaml:5: the case wants allow and has reasons"},
		"denied with duties":  {strings.Replace(minimal, "want: allow", "want: deny\n    reasons: [A]\n    obligations: [b]", 1), "a_table.yaml:5: the case wants deny and has obligations"},
		"reasons are a text":  {aCase("would_deny: A"), "a_table.yaml:7: would_deny is not a list; write it as [A, B]"},
		"a reason is none":    {aCase("would_deny: [7]"), "a_table.yaml:7: an element of would_deny is not text"},

		"a key that is no string": {aCase("input: {context: {1: a}}"), `a_table.yaml:7: the key "1" is not a string; put it in quotes`},
		"merge key":               {aCase("input: {<<: {}}"), `a_table.yaml:7: the key "<<" is not a string; put it in quotes; merge keys`},
		"a key twice, deep":       {aCase("input:\n      context:\n        a: 1\n        a: 2"), "a_table.yaml:10: a is given twice; remove one; the first is on line 9"},
		"octal":                   {aCase("input: {context: {a: 0644}}"), `a_table.yaml:7: a is the number "0644", which JSON does not write so`},
		"hex":                     {aCase("input: {context: {a: 0xff}}"), `a_table.yaml:7: a is the number "0xff"`},
		"not a number":            {aCase("input: {context: {a: .nan}}"), `a_table.yaml:7: a is the number ".nan"`},
		"a number too exact":      {aCase("input: {context: {a: 9007199254740993}}"), "a_table.yaml:5: input.input: context.a is a number that not every JSON reader holds exactly"},
		"tag":                     {aCase("input: {context: {a: !!binary aGk=}}"), "a_table.yaml:7: a has the tag !!binary; leave the tag out"},
		"tagged mapping":          {aCase("input: {context: !world {}}"), "a_table.yaml:7: context has the tag !world"},
		"alias in itself":         {aCase("input: {context: &c {c: *c}}"), "is nested deeper than 32 levels"},
		"many aliases": {with("about: x\ndata:\n  users: &a [1,1,1,1,1,1,1,1,1,1]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n  f: [*e,*e,*e,*e,*e]"), "the file has more than 200000 values"},

		"unknown collection":   {with("data: {user: {}}"), "a_table.yaml:1: data.user: is no collection that policies see; write one of plans, tenants"},
		"no fact":              {with("data: {credentials: {}}"), "a_table.yaml:1: data.credentials: is no collection that policies see"},
		"data is a list":       {with("data: []"), "a_table.yaml:1: data is not a mapping"},
		"collection is text":   {with("data: {users: x}"), "a_table.yaml:1: data.users: is not a mapping"},
		"pair by one id":       {with("data: {edges: {mu:a/svc:b: x}}"), "a_table.yaml:1: data.edges.mu:a/svc:b: is not a mapping; write them by their two ids"},
		"unknown field":        {with("data:\n  users:\n    u-a: {state: active}\n    u-b: {stat: active}"), "a_table.yaml:4: data.users.u-b: stat is not a known field; write it as an import has it"},
		"what no store keeps":  {with("data: {services: {svc:b: {tier: 9}}}"), "a_table.yaml:1: data.services.svc:b: tier is 9; it must be 0 to 3"},
		"no entity":            {with("data: {users: {u-a: 7}}"), "a_table.yaml:1: data.users.u-a: "},
		"another id":           {with("data: {users: {u-a: {id: u-b, state: active}}}"), "a_table.yaml:1: data.users.u-a: id is u-b where u-a is written"},
		"another pair":         {with("data: {edges: {mu:a: {svc:b: {from: mu:c, actions: [x]}}}}"), "a_table.yaml:1: data.edges.mu:a.svc:b: id is mu:c/svc:b where mu:a/svc:b is written"},
		"an id that is none":   {with("data: {users: {a b: {state: active}}}"), "a_table.yaml:1: data.users.a b: id "},
		"in a case's data":     {aCase("data:\n      users: {u-a: {stat: active}}"), "a_table.yaml:8: data.users.u-a: stat is not a known field"},
		"include in a case":    {aCase("data: {include: [x.yaml]}"), "a_table.yaml:7: include is not known here; include files in the table's data"},
		"include of nothing":   {with("data:\n  include: [x.yaml]"), "x.yaml: cannot be read: open x.yaml: file does not exist"},
		"include from outside": {with("data: {include: [../x.yaml]}"), "a_table.yaml:1: includes ../x.yaml; name a file within the folder"},
		"include by root":      {with("data: {include: [/etc/passwd]}"), "a_table.yaml:1: includes /etc/passwd"},
		"include of a table":   {with("data: {include: a_table.yaml}"), "a_table.yaml:1: includes a_table.yaml, which is a table"},
		"include of a number":  {with("data: {include: [7]}"), "a_table.yaml:1: includes "},

		"no subject":       {strings.Replace(minimal, "{id: mu:a}", "{}", 1), "a_table.yaml:5: input.subject.id: is missing; write it in the input of the case, or of its table"},
		"no action":        {strings.Replace(minimal, "action: {name: x}, ", "", 1), "a_table.yaml:5: input.action.name: is missing"},
		"no evidence":      {aCase("input: {credential: null}"), "a_table.yaml:5: input.credential.kind: is missing"},
		"unknown in input": {aCase("input: {ressource: {}}"), "a_table.yaml:7: input.ressource: is not known here; an input has action"},
		"unknown in the token": {strings.Replace(minimal, "subject: {id: mu:a}", "token: {aud: [x]}, subject: {id: mu:a}", 1),
			"a_table.yaml:3: input.token.aud: is not known here; token has accepted_audiences"},
		"wrong kind":          {aCase("input: {token: {audiences: us}}"), "a_table.yaml:7: input.token.audiences: is not a list of texts"},
		"wrong level":         {aCase("input: {trust: {level: 6}}"), "a_table.yaml:7: input.trust.level: is 6; write a level from 0 to 5"},
		"level in words":      {aCase("input: {trust: {level: high}}"), "a_table.yaml:7: input.trust.level: is not a whole number"},
		"wrong evidence":      {aCase("input: {credential: {kind: passport}}"), `a_table.yaml:7: input.credential.kind: is "passport"; write one of assertion`},
		"no moment":           {aCase("input: {token: {issued_at: now}}"), "a_table.yaml:7: input.token.issued_at: is not a time: Unix seconds, or RFC 3339"},
		"nobody in behalf of": {aCase("input: {token: {on_behalf_of: u-ana}}"), "a_table.yaml:7: input.token.on_behalf_of: is not a mapping with the texts type and id"},
		"context is text":     {aCase("input: {context: x}"), "a_table.yaml:7: input.context: is not a mapping"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tables, err := decisiontable.Load(folder(map[string]string{"a_table.yaml": test.in}))
			var e *authz.Error
			if !errors.As(err, &e) || e.Code != authz.CodeInvalid || tables != nil {
				t.Fatalf("%v, %d tables", err, len(tables))
			}
			if len(e.Problems) == 0 || !strings.Contains(e.Problems[0].String()+"\n"+e.Message, test.want) {
				t.Errorf("%s\nwant %s", e.Message, test.want)
			}
			if !strings.Contains(e.Problems[0].String(), test.want) && len(e.Problems) == 1 {
				t.Errorf("%s\nwant %s", e.Problems[0], test.want)
			}
		})
	}
}

// Everything wrong is told at once, by file and line, and not without end.
func TestAllProblems(t *testing.T) {
	_, err := decisiontable.Load(folder(map[string]string{
		"b_table.yaml":     with("abuot: x"),
		"sub/a_table.yaml": with("data:\n  include: ../world.yaml\n  users: {u-a: {state: gone}}"),
		"world.yaml":       "users:\n  u-b: {stat: active}\n  u-c: {state: active}\nuser: {}\n",
		"c_table.yaml":     aCase("wnat: deny\n    data: {users: {u-d: {x: 1}}}"),
		"d_table.yaml":     "time: now\ndata: {users: {u-a: {x: 1}}}\ninput: {subject: {id: mu:a}}\ncases: [{name: one, want: allow}]\n",
		"fine_table.yaml":  minimal,
	}))
	var e *authz.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var places []string
	for _, p := range e.Problems {
		places = append(places, fmt.Sprintf("%s:%d", p.File, p.Line))
	}
	want := []string{"b_table.yaml:1", "c_table.yaml:7", "c_table.yaml:8", "d_table.yaml:1", "d_table.yaml:2", "d_table.yaml:4", "d_table.yaml:4", "sub/a_table.yaml:3", "world.yaml:2", "world.yaml:4"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("(-want +got):\n%s\ngot %s", diff, e.Message)
	}

	many := minimal
	for n := range 200 {
		many += fmt.Sprintf("  - {name: c%d}\n", n)
	}
	if _, err := decisiontable.Load(folder(map[string]string{"a_table.yaml": many})); !errors.As(err, &e) || len(e.Problems) != 50 {
		t.Errorf("%d problems", len(e.Problems))
	}
}

func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"larger than 1048576 bytes": minimal + "#" + strings.Repeat("x", 1<<20),
		"more than 1000 cases":      "time: 2026-11-22T10:00:00Z\ncases: [" + strings.Repeat("{},", 1001) + "]",
		"more than 20 files":        with("data: {include: [" + strings.Repeat("x.yaml,", 21) + "]}"),
		"nested deeper than 32":     aCase("input: {context: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}}"),
	} {
		if _, err := decisiontable.Load(folder(map[string]string{"a_table.yaml": text})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v; want an error, error with %q", name, err, name)
		}
	}
	files := map[string]string{}
	for n := range 1001 {
		files[fmt.Sprintf("t%d_table.yaml", n)] = minimal
	}
	if _, err := decisiontable.Load(folder(files)); err == nil || !strings.Contains(err.Error(), "more than 1000 tables") {
		t.Error(err)
	}
}

func TestNoTables(t *testing.T) {
	tables, err := decisiontable.Load(folder(map[string]string{"table.yaml": "x", "a_table.yml": "x", "data.yaml": "x"}))
	if err != nil || len(tables) != 0 {
		t.Errorf("got tables %v, error %v; want no error, no tables", tables, err)
	}
}

type brokenFS struct{}

func (brokenFS) Open(string) (fs.File, error) { return nil, errors.New("the disk is gone") }

func TestFolderThatCannotBeRead(t *testing.T) {
	if _, err := decisiontable.Load(brokenFS{}); authz.CodeOf(err) != authz.CodeInvalid || !strings.Contains(err.Error(), "the disk is gone") {
		t.Error(err)
	}
}

// FuzzLoad: whatever a file holds, Load comes back with tables that can run, or says
// what is wrong and where.
func FuzzLoad(f *testing.F) {
	base, err := fs.ReadFile(policies.Bundle, "verdict/tables/brightfold_table.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(base), minimal, worldly, world, with("data: &d {users: {u-a: *d}}"), aCase("input: {token: {issued_at: 2026-11-22T10:00:00Z}}"), "a: &a [*a]", "? [x]\n: y", "--- !!map {}\n...\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tables, err := decisiontable.Load(folder(map[string]string{"sub/a_table.yaml": text, "world.yaml": world, "sub/more.yaml": text}))
		if err != nil {
			var e *authz.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 || e.Problems[0].File == "" || tables != nil {
				t.Fatal(err)
			}
			return
		}
		for _, c := range tables[0].Cases {
			if err := ijson.Check(c.Input); err != nil {
				t.Fatalf("%s: got error %v; want no error", c.Input, err)
			}
			if c.Name == "" || c.Want.Outcome == authz.Deny && len(c.Want.Reasons) == 0 {
				t.Fatalf(`got %+v; want Name other than "", Want.Outcome other than Deny or some Want.Reasons`, c)
			}
		}
		decisiontable.Run(t.Context(), &spy{}, tables)
	})
}
