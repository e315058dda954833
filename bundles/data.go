package bundles

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// document is the data of policy sets while their files are put together.
type document struct {
	part     part // whose files are being put in
	root     map[string]any
	problems Problems
}

// readData puts the data files of policy sets into one document, checked against
// the roots of each.
func readData(parts []part) (map[string]any, Problems) {
	d := document{root: map[string]any{}}
	for _, d.part = range parts {
		for _, f := range d.part.Data {
			value, err := decodeData(f)
			if err != nil {
				d.problems = append(d.problems, Problem{File: d.part.shown(f.Path), Message: explained(err)})
				continue
			}
			d.place(f.Path, value)
		}
	}
	return d.root, d.problems
}

// decodeData reads one data file strictly, and then as OPA reads it.
func decodeData(f File) (any, error) {
	check := checkYAML
	if path.Ext(f.Path) == ".json" {
		check = ijson.Check
	}
	if err := check(f.Bytes); err != nil {
		return nil, err
	}
	var value any
	err := util.Unmarshal(f.Bytes, &value)
	return value, err
}

// checkYAML refuses YAML of which OPA would silently take a part: members that
// stand twice, and documents after the first. Aliases are bounded by the library.
func checkYAML(content []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var value any
	if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch err := decoder.Decode(&value); {
	case err == nil:
		return errors.New("has more than one YAML document")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// place puts a file's value at the path of its folder.
func (d *document) place(file string, value any) {
	var at []string
	if folder := path.Dir(file); folder != "." {
		at = segments(folder)
	}
	for _, name := range slices.Backward(at) {
		value = map[string]any{name: value}
	}
	file = d.part.shown(file)
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
		if d.part.Manifest.owns(here) {
			continue
		}
		below, ok := object[name].(map[string]any)
		if ok && d.part.Manifest.leadsTo(here) {
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

// defines reports whether the document has a value at path. It is the check the
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
