package bundles

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// documents is what may be read below data, as a tree of names: the facts, the
// packages of the set and its data.
type documents struct {
	below map[string]*documents
	// open documents may hold more than the tree says: a package its rules, a
	// collection its entities, data a member that is left out.
	open bool
}

func documentsOf(policies []*ast.Module, data map[string]any) *documents {
	all := &documents{}
	for _, c := range authz.AllCollections() {
		if c.Fact() {
			all.at(string(c)).open = true
		}
	}
	for _, m := range policies {
		all.at(names(m.Package.Path[1:])...).open = true
	}
	all.addData(data)
	all.at(modesRoot).open = true // of a bundle that need not be there
	return all
}

// at is the document at path, made when missing.
func (d *documents) at(path ...string) *documents {
	for _, name := range path {
		if d.below[name] == nil {
			if d.below == nil {
				d.below = map[string]*documents{}
			}
			d.below[name] = &documents{}
		}
		d = d.below[name]
	}
	return d
}

func (d *documents) addData(object map[string]any) {
	for name, value := range object {
		member := d.at(name)
		member.open = true
		if inner, ok := value.(map[string]any); ok {
			member.addData(inner)
		}
	}
}

// checkReads refuses references to data that nothing can ever define: a denial
// that depends on one never fires. It looks at policies as they were written,
// because a compiled one has lost its imports.
func (d *documents) checkReads(m *ast.Module) Problems {
	var problems Problems
	for _, i := range m.Imports {
		if ref, ok := i.Path.Value.(ast.Ref); ok && ref.Equal(ast.DefaultRootRef) {
			problems = append(problems, at(i.Location, "imports all of data", "import the document you need, such as data.users"))
		}
		problems = append(problems, d.checkRead(i.Path)...)
	}
	visitor := ast.NewGenericVisitor(func(x any) bool {
		if term, ok := x.(*ast.Term); ok {
			problems = append(problems, d.checkRead(term)...)
		}
		return false
	})
	for _, rule := range m.Rules {
		visitor.Walk(rule)
	}
	return problems
}

// checkMask refuses facts in package verdict.log: there are none when a record is
// masked, so the mask would fail and every record would lose its input.
func checkMask(m *ast.Module) Problems {
	path := names(m.Package.Path[1:])
	if len(path) < 2 || path[0] != "verdict" || path[1] != "log" {
		return nil
	}
	var problems Problems
	ast.NewGenericVisitor(func(x any) bool {
		term, ok := x.(*ast.Term)
		if !ok {
			return false
		}
		ref, ok := term.Value.(ast.Ref)
		if !ok || !ref.HasPrefix(ast.DefaultRootRef) || len(ref) < 2 {
			return false
		}
		if name, ok := ref[1].Value.(ast.String); ok && authz.Collection(name).Fact() {
			problems = append(problems, at(term.Location, "the mask of the decision log reads data."+string(name)+", which is not at hand when a record is written", "decide by input.input and input.result, which are the record"))
		}
		return false
	}).Walk(m)
	return problems
}

// checkRead checks one reference, as far as its parts are constant.
func (d *documents) checkRead(term *ast.Term) Problems {
	ref, ok := term.Value.(ast.Ref)
	if !ok || !ref.HasPrefix(ast.DefaultRootRef) {
		return nil
	}
	here := d
	for i, part := range ref[1:] {
		name, ok := part.Value.(ast.String)
		if !ok && i == 0 {
			return Problems{at(term.Location, "chooses a top-level document of data by a value", "name the document you need, such as data.users[id]")}
		}
		next := here.below[string(name)]
		if !ok || next == nil && here.open {
			return nil
		}
		if next == nil {
			return Problems{here.missing(term.Location, names(ref[1:i+1]), string(name))}
		}
		here = next
	}
	return nil
}

// missing reports that d, which stands at path, has no document name.
func (d *documents) missing(loc *ast.Location, path []string, name string) Problem {
	prefix := strings.Join(append([]string{"data"}, path...), ".") + "."
	message := prefix + name + " does not exist, so that it is always undefined"
	if len(path) == 0 && authz.Collection(name).Known() {
		message = prefix + name + " is not shown to policies"
	}
	exist := slices.Sorted(maps.Keys(d.below))
	fix := "there are " + prefixed(prefix, exist, ", ")
	if len(exist) == 1 {
		fix = "there is only " + prefix + exist[0]
	}
	if near := nearest(name, exist); len(near) > 0 {
		fix = "did you mean " + prefixed(prefix, near, " or ") + "? " + strings.ToUpper(fix[:1]) + fix[1:]
	}
	return at(loc, message, fix)
}

func prefixed(prefix string, names []string, separator string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = prefix + name
	}
	return strings.Join(all, separator)
}

// nearest are the names of which at most a third of the letters differ from
// name, closest first.
func nearest(name string, among []string) []string {
	var near []string
	for _, candidate := range among {
		if distance(name, candidate) <= max(1, len(name)/3) {
			near = append(near, candidate)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	return near
}

// distance counts the insertions, deletions and replacements of bytes that turn
// a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
