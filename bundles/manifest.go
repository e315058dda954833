package bundles

import (
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/ijson"
)

const manifestName = ".manifest"

// regoVersion is the only version of the language that is loaded: the meaning
// of a policy must not depend on a default that changes.
const regoVersion = 1

// Manifest is the part of OPA's .manifest that is supported. Any other member,
// such as wasm or file_rego_versions, is refused.
type Manifest struct {
	Revision string `json:"revision"`
	// Roots are the data paths the set owns, "guards/acme", or [""] for all.
	Roots       []string       `json:"roots"`
	RegoVersion int            `json:"rego_version"`
	Metadata    map[string]any `json:"metadata"`
}

func parseManifest(f File) (Manifest, Problems) {
	var m Manifest
	if err := ijson.Unmarshal(f.Bytes, &m); err != nil {
		return Manifest{}, Problems{{File: f.Path, Message: explained(err)}}
	}
	var problems Problems
	if m.RegoVersion != regoVersion {
		problems = append(problems, Problem{File: f.Path, Message: "rego_version is " + strconv.Itoa(m.RegoVersion), Fix: `write "rego_version": 1`})
	}
	if len(m.Roots) == 0 {
		problems = append(problems, Problem{File: f.Path, Message: "roots is missing", Fix: `name the data paths the set owns, such as ["guards/acme"]`})
	}
	for i, root := range m.Roots {
		m.Roots[i] = strings.Trim(root, "/")
	}
	for i, a := range m.Roots {
		for _, b := range m.Roots[i+1:] {
			if overlap(a, b) {
				problems = append(problems, Problem{File: f.Path, Message: "roots " + strconv.Quote(a) + " and " + strconv.Quote(b) + " overlap", Fix: "keep the wider one"})
			}
		}
	}
	return m, problems
}

// overlap reports whether one of two roots lies at or below the other.
func overlap(a, b string) bool {
	return within(segments(a), segments(b)) || within(segments(b), segments(a))
}

// owns reports whether path lies at or below one of the roots.
func (m Manifest) owns(path []string) bool {
	for _, root := range m.Roots {
		if within(path, segments(root)) {
			return true
		}
	}
	return false
}

// leadsTo reports whether one of the roots lies below path.
func (m Manifest) leadsTo(path []string) bool {
	for _, root := range m.Roots {
		if within(segments(root), path) {
			return true
		}
	}
	return false
}

func segments(root string) []string {
	if root == "" {
		return nil
	}
	return strings.Split(root, "/")
}

// within reports whether path starts with prefix.
func within(path, prefix []string) bool {
	if len(path) < len(prefix) {
		return false
	}
	for i := range prefix {
		if path[i] != prefix[i] {
			return false
		}
	}
	return true
}
