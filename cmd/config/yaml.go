package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/spell"
)

// entry is one leaf of the file: a key with its whole path, and its scalar.
type entry struct {
	key, value string
	file       string
	line       int
}

func (e entry) origin() string { return fmt.Sprintf("%s:%d", e.file, e.line) }

func (e entry) find(table []Setting) (Setting, error) {
	i := slices.IndexFunc(table, func(s Setting) bool { return s.Key == e.key })
	if i < 0 {
		return Setting{}, fmt.Errorf("%s: %w", e.origin(), authz.Invalid(e.key, "is not a configuration key"+meant(e.key, table)))
	}
	return table[i], nil
}

// meant names the nearest key: of all keys, or the one whose last part is what
// was written in the wrong section.
func meant(key string, table []Setting) string {
	var keys []string
	for _, s := range table {
		keys = append(keys, s.Key)
	}
	if hint := spell.DidYouMean(key, keys); hint != "" {
		return hint
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, known := range keys {
		if known == last || strings.HasSuffix(known, "."+last) {
			return `; did you mean "` + known + `"?`
		}
	}
	return "; `verdict config check` lists them all"
}

// located is a problem with the line it is on.
type located struct {
	line int
	err  error
}

// parseYAML reads the leaves of a file of nested mappings. Lists, aliases,
// values left empty and keys given twice are problems.
func parseYAML(file string, data []byte) ([]entry, []located) {
	r := reader{file: file, seen: map[string]int{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, []located{broken(file, err)}
	}
	r.section("", document.Content[0])
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.problem(&second, "", "a second document starts here; write one")
	case !errors.Is(err, io.EOF):
		r.problems = append(r.problems, broken(file, err))
	}
	return r.entries, r.problems
}

// broken is the problem of text that is not YAML; err names its line.
func broken(file string, err error) located {
	return located{err: fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))}
}

// reader collects the leaves of one file.
type reader struct {
	file     string
	seen     map[string]int // :: key -> line
	entries  []entry
	problems []located
}

func (r *reader) problem(at *yaml.Node, key, message string) {
	r.problems = append(r.problems, located{at.Line, fmt.Errorf("%s:%d: %w", r.file, at.Line, authz.Invalid(key, message))})
}

// section reads the members of one mapping; path ends in a dot or is empty.
func (r *reader) section(path string, node *yaml.Node) {
	name := strings.TrimSuffix(path, ".")
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // an empty file, or a section whose lines are all commented out
	}
	if node.Kind != yaml.MappingNode {
		r.problem(node, name, "must be a mapping of keys to values")
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		r.member(path+node.Content[i].Value, node.Content[i], node.Content[i+1])
	}
}

func (r *reader) member(key string, name, value *yaml.Node) {
	if line, twice := r.seen[key]; twice {
		r.problem(name, key, fmt.Sprintf("was set on line %d already; keep one", line))
		return
	}
	r.seen[key] = name.Line
	switch {
	case isSection(key):
		r.section(key+".", value)
	case value.Kind == yaml.MappingNode:
		c := Default()
		r.problem(name, key, "is not a section"+spell.DidYouMean(key, sections(c.Settings())))
	case value.Kind != yaml.ScalarNode:
		r.problem(value, key, "must be one plain value")
	case value.Tag == "!!null":
		r.problem(value, key, "has no value; write one, or remove the line for the default")
	default:
		r.entries = append(r.entries, entry{key: key, value: value.Value, file: r.file, line: name.Line})
	}
}

func isSection(key string) bool {
	c := Default()
	return slices.Contains(sections(c.Settings()), key)
}

func sections(table []Setting) []string {
	var names []string
	for _, s := range table {
		if name, _, nested := strings.Cut(s.Key, "."); nested && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
