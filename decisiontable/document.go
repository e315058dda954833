package decisiontable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Bounds of one file.
const (
	maxBytes  = 1 << 20
	maxValues = 200_000 // also those that aliases repeat
	maxDepth  = 32
)

// document is one YAML file being read. Whatever is wrong with it becomes a problem
// of its line.
type document struct {
	file     string
	problems *problems
	values   int // that were read so far
}

// member is one member of a mapping.
type member struct {
	name  string
	line  int
	value *yaml.Node
}

func (d *document) problem(n *yaml.Node, message, fix string) {
	d.problems.add(d.file, n.Line, message, fix)
}

// parse is the one document of a file, nil after a problem.
func (d *document) parse(files reader) *yaml.Node {
	text, err := files(d.file)
	if err != nil {
		d.problems.add(d.file, 0, "cannot be read: "+said(err), "")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root, more yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		d.problems.add(d.file, 0, "the file is empty", "write a table, or delete it")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	if err := decoder.Decode(&more); err == nil {
		d.problem(&more, "the file has a second document", "put it into a file of its own")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	return root.Content[0]
}

func read(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it is larger than %d bytes", maxBytes)
	}
	return text, nil
}

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax is an error of the YAML library, with its line.
func (d *document) syntax(err error) {
	parts := yamlError.FindStringSubmatch(err.Error())
	if parts == nil {
		d.problems.add(d.file, 0, "is not YAML: "+err.Error(), "")
		return
	}
	line, err := strconv.Atoi(parts[1])
	if err != nil {
		line = 0
	}
	d.problems.add(d.file, line, "is not YAML: "+parts[2], "")
}

// members are those of a mapping; ok is false after a problem with the mapping
// itself. A member that has a problem is left out.
func (d *document) members(n *yaml.Node, what string) (all []member, ok bool) {
	n = aliased(n)
	if n.Kind != yaml.MappingNode {
		d.problem(n, what+" is not a mapping", "write it as name: value")
		return nil, false
	}
	first := make(map[string]int, len(n.Content)/2) // :: name -> line
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := aliased(n.Content[i])
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
			d.problem(key, "the key "+strconv.Quote(key.Value)+" is not a string", "put it in quotes; merge keys (<<) are not supported")
			continue
		}
		if line, twice := first[key.Value]; twice {
			d.problem(key, key.Value+" is given twice", fmt.Sprintf("remove one; the first is on line %d", line))
			continue
		}
		first[key.Value] = key.Line
		all = append(all, member{name: key.Value, line: key.Line, value: n.Content[i+1]})
	}
	return all, true
}

// object is a mapping as JSON has it, empty after a problem.
func (d *document) object(n *yaml.Node, what string) map[string]any {
	value, _ := d.value(n, what, 1).(map[string]any)
	if value == nil {
		return map[string]any{}
	}
	return value
}

// mapping is object for what must be one.
func (d *document) mapping(n *yaml.Node, what string) map[string]any {
	if aliased(n).Kind != yaml.MappingNode {
		d.problem(n, what+" is not a mapping", "write it as name: value")
		return map[string]any{}
	}
	return d.object(n, what)
}

// value is a node as JSON has it, nil after a problem.
func (d *document) value(n *yaml.Node, what string, depth int) any {
	d.values++
	switch {
	case d.values == maxValues+1:
		d.problem(n, fmt.Sprintf("the file has more than %d values", maxValues), "split it; aliases count wherever they stand")
		return nil
	case d.values > maxValues:
		return nil
	case depth > maxDepth:
		d.problem(n, what+fmt.Sprintf(" is nested deeper than %d levels", maxDepth), "make it flatter; an alias may not stand within its own anchor")
		return nil
	}
	n = aliased(n)
	if n.Kind != yaml.ScalarNode && n.Tag != "!!map" && n.Tag != "!!seq" {
		d.tagged(n, what)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		members, _ := d.members(n, what)
		object := make(map[string]any, len(members))
		for _, m := range members {
			object[m.name] = d.value(m.value, m.name, depth+1)
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			list[i] = d.value(element, what, depth+1)
		}
		return list
	}
	return d.scalar(n, what)
}

// jsonNumber is how JSON writes numbers.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (d *document) scalar(n *yaml.Node, what string) any {
	switch n.Tag {
	case "!!str", "!!timestamp": // a time is its text
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			d.problem(n, what+" is neither true nor false", "")
		}
		return b
	case "!!int", "!!float":
		if !jsonNumber.MatchString(n.Value) {
			d.problem(n, what+" is the number "+strconv.Quote(n.Value)+", which JSON does not write so", "write it as JSON does, or put it in quotes")
			return nil
		}
		return json.RawMessage(n.Value)
	}
	d.tagged(n, what)
	return nil
}

func (d *document) tagged(n *yaml.Node, what string) {
	d.problem(n, what+" has the tag "+n.Tag, "leave the tag out: JSON has none")
}

// aliased is the node that an alias stands for.
func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// text is a string, "" after a problem.
func (d *document) text(n *yaml.Node, what string) string {
	n = aliased(n)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" && n.Tag != "!!timestamp" || n.Value == "" {
		d.problem(n, what+" is not text", "write it in quotes")
		return ""
	}
	return n.Value
}

// texts is a list of strings.
func (d *document) texts(n *yaml.Node, what string) []string {
	n = aliased(n)
	if n.Kind != yaml.SequenceNode {
		d.problem(n, what+" is not a list", "write it as [A, B]")
		return nil
	}
	list := make([]string, 0, len(n.Content))
	for _, element := range n.Content {
		if text := d.text(element, "an element of "+what); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// lineAt is the line of the key at a path below n; 0 when there is none.
func lineAt(n *yaml.Node, path ...string) int {
	line := 0
	for _, name := range path {
		key, value := memberOf(n, name)
		if key == nil {
			return 0
		}
		line, n = key.Line, value
	}
	return line
}

func memberOf(n *yaml.Node, name string) (key, value *yaml.Node) {
	n = aliased(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
