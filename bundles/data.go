package bundles

import (
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// document is the data of a policy set while its files are put together.
type document struct {
	manifest Manifest
	root     map[string]any
	problems Problems
}

// readData puts the data files of an archive into one document, checked against
// its roots.
func readData(a Archive) (map[string]any, Problems) {
	d := document{manifest: a.Manifest, root: map[string]any{}}
	for _, f := range a.Data {
		value, err := decodeData(f)
		if err != nil {
			d.problems = append(d.problems, Problem{File: f.Path, Message: explained(err)})
			continue
		}
		d.place(f.Path, value)
	}
	return d.root, d.problems
}

// decodeData reads one data file. JSON is read strictly; YAML as OPA reads it.
func decodeData(f File) (any, error) {
	if path.Ext(f.Path) == ".json" {
		if err := ijson.Check(f.Bytes); err != nil {
			return nil, err
		}
	}
	var value any
	err := util.Unmarshal(f.Bytes, &value)
	return value, err
}

// place puts a file's value at the path of its folder.
func (d *document) place(file string, value any) {
	at := segments(strings.Trim(path.Dir(file), "."))
	for _, name := range slices.Backward(at) {
		value = map[string]any{name: value}
	}
	object, ok := value.(map[string]any)
	if !ok {
		d.problems = append(d.problems, Problem{File: file, Message: "is not an object", Fix: "the data at the root of a policy set is one object"})
		return
	}
	d.check(file, nil, object)
	d.merge(file, nil, d.root, object)
}

// check refuses data that the policy set does not own.
func (d *document) check(file string, prefix []string, object map[string]any) {
	for _, name := range util.KeysSorted(object) {
		here := append(slices.Clone(prefix), name)
		if len(here) == 1 && authz.Collection(name).Fact() {
			d.problems = append(d.problems, Problem{
				File: file, Message: "defines data." + name + ", which is read from the store",
				Fix: "move it under one of the roots; in tests use: with data." + name + " as",
			})
			continue
		}
		if d.manifest.owns(here) {
			continue
		}
		below, ok := object[name].(map[string]any)
		if ok && d.manifest.leadsTo(here) {
			d.check(file, here, below)
			continue
		}
		d.problems = append(d.problems, Problem{
			File: file, Message: "defines data." + strings.Join(here, ".") + ", which is outside the roots",
			Fix: "move it under one of the roots in .manifest, or add its root there",
		})
	}
}

// merge adds from to into; what both define must be objects on both sides.
func (d *document) merge(file string, prefix []string, into, from map[string]any) {
	for _, name := range util.KeysSorted(from) {
		here := append(slices.Clone(prefix), name)
		existing, ok := into[name]
		if !ok {
			into[name] = from[name]
			continue
		}
		left, leftOK := existing.(map[string]any)
		right, rightOK := from[name].(map[string]any)
		if !leftOK || !rightOK {
			d.problems = append(d.problems, Problem{
				File: file, Message: "defines data." + strings.Join(here, ".") + ", which another data file defines too",
				Fix: "keep one of them",
			})
			continue
		}
		d.merge(file, here, left, right)
	}
}

// defines says whether the document has a value at path. It is the check the
// compiler asks so that no rule hides data.
func defines(root map[string]any, path []string) bool {
	var value any = root
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return false
		}
		if value, ok = object[name]; !ok {
			return false
		}
	}
	return true
}

// dataValue converts the document once, for every evaluation.
func dataValue(root map[string]any) (ast.Object, error) {
	value, err := ast.InterfaceToValue(root)
	if err != nil {
		return nil, err
	}
	return value.(ast.Object), nil
}
