package bundles

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// ModesPackage makes the bundle authz.ModesBundle: data.modes, guard -> mode,
// which speaks before the modes that bundles set themselves. It is made here and
// so may be Trusted. The same modes and revision make the same bytes.
func ModesPackage(modes map[string]string, revision string) (Package, error) {
	for guard, mode := range modes {
		switch {
		case guard == "":
			return Package{}, authz.Invalid("guard", "is empty; name the guard whose mode to set")
		case !slices.Contains(authz.Modes(), mode):
			return Package{}, authz.Invalid("mode", "must be off, observe, flag or enforce, and is "+strconv.Quote(mode))
		}
	}
	manifest, err := ijson.Marshal(map[string]any{"revision": revision, "roots": []string{modesRoot}, "rego_version": regoVersion})
	if err != nil {
		return Package{}, err
	}
	data, err := ijson.Marshal(modes)
	if err != nil {
		return Package{}, err
	}
	var packed bytes.Buffer
	if err := writeTar(&packed, []File{{Path: manifestName, Bytes: manifest}, {Path: modesRoot + "/data.json", Bytes: data}}); err != nil {
		return Package{}, err
	}
	return ReadTar(&packed, Limits{})
}

// Modes are what the set says of its guards' modes, guard -> mode: over is what
// data.modes says, and own what data.verdict.config.modes says, which the base
// policies read in this order. What is not text is the empty mode.
func (s *Snapshot) Modes() (over, own map[string]string) {
	return s.texts(modesRoot), s.texts("verdict", "config", "modes")
}

// Mode is the mode of a guard for calls of which no edge says another, and the one that
// the bundles give it where data.modes says nothing. The truth is what the policies
// evaluate, verdict/lib/modes of the base; this computes the same, for who lists
// modes or changes them, and a test of engine holds it to that. A base of one's own that
// reads modes in another way decides in that way, whatever is listed.
func (s *Snapshot) Mode(guard string) (mode, own string) {
	over, under := s.Modes()
	own = authz.Modes()[authz.Strictness(under[guard])]
	if set, ok := over[guard]; ok {
		return authz.Modes()[authz.Strictness(set)], own
	}
	return own, own
}

// texts are the members of the object at path of the data, none when there is none.
func (s *Snapshot) texts(path ...string) map[string]string {
	ref := make(ast.Ref, len(path))
	for i, name := range path {
		ref[i] = ast.StringTerm(name)
	}
	texts := map[string]string{}
	found, err := s.data.Find(ref)
	object, ok := found.(ast.Object)
	if err != nil || !ok {
		return texts
	}
	object.Foreach(func(name, value *ast.Term) {
		if key, ok := name.Value.(ast.String); ok {
			text, _ := value.Value.(ast.String)
			texts[string(key)] = string(text)
		}
	})
	return texts
}
