package bundles

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// Member is one bundle of a set.
type Member struct {
	Name string // see authz.ValidateBundleName
	Verified
}

// CompileSet checks and compiles bundles together, as Compile does with one
// policy set: no root may lie in another bundle's, and their data makes one
// document. Files are named "<member>/<path>" in problems and in the snapshot.
// The order of set means nothing.
func CompileSet(set []Member, o Options) (*Snapshot, error) {
	parts, err := partsOf(set)
	if err != nil {
		return nil, err
	}
	return compile(parts, o)
}

// TestSet runs the tests of the member name, and no others, compiled with the
// whole set; the coverage is that of the member. Everything else is as with Test.
func TestSet(ctx context.Context, set []Member, name string, o TestOptions) (TestReport, error) {
	parts, err := partsOf(set)
	if err != nil {
		return TestReport{}, err
	}
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	if i < 0 {
		return TestReport{}, authz.Errorf(authz.CodeNotFound, "the set has no bundle %q", name)
	}
	return test(ctx, parts, parts[i], o)
}

// part is one policy set among those that are compiled together.
type part struct {
	name string // empty when it is alone
	Archive
}

// shown is how a file of the part is named.
func (p part) shown(path string) string {
	if p.name == "" {
		return path
	}
	return p.name + "/" + path
}

// partsOf checks that every member may be compiled and sorts them by name.
func partsOf(set []Member) ([]part, error) {
	if len(set) == 0 {
		return nil, authz.Invalid("bundles", "is empty; a policy set has at least the base policies")
	}
	parts := make([]part, len(set))
	for i, m := range set {
		if err := authz.ValidateBundleName("name", m.Name); err != nil {
			return nil, err
		}
		if m.accepted == "" || m.accepted != m.Digest {
			return nil, authz.Invalid("bundles", "holds "+strconv.Quote(m.Name)+", which was not verified")
		}
		parts[i] = part{name: m.Name, Archive: m.Archive}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	for i := range parts[1:] {
		if parts[i].name == parts[i+1].name {
			return nil, authz.Invalid("bundles", "holds "+strconv.Quote(parts[i].name)+" twice")
		}
	}
	return parts, nil
}

// modesRoot is where the modes set over the bundles' own stand.
const modesRoot = "modes"

// checkRoots refuses roots that two bundles would own, and that of the modes
// bundle in any other.
func checkRoots(parts []part) Problems {
	var problems Problems
	for i, p := range parts {
		for _, root := range p.Manifest.Roots {
			if p.name != authz.ModesBundle && p.name != "" && within(segments(root), segments(modesRoot)) {
				problems = append(problems, Problem{
					File: p.shown(manifestName), Message: "root " + strconv.Quote(root) + " belongs to the modes that operators set",
					Fix: "choose another root; a bundle sets modes in its own data",
				})
			}
			for _, other := range parts[:i] {
				problems = append(problems, shared(p, root, other)...)
			}
		}
	}
	return problems
}

// shared lists the roots of other that overlap root, which p owns.
func shared(p part, root string, other part) Problems {
	var problems Problems
	for _, theirs := range other.Manifest.Roots {
		if overlap(root, theirs) {
			problems = append(problems, Problem{
				File:    p.shown(manifestName),
				Message: "root " + strconv.Quote(root) + " of bundle " + strconv.Quote(p.name) + " overlaps root " + strconv.Quote(theirs) + " of bundle " + strconv.Quote(other.name),
				Fix:     "give every bundle roots of its own",
			})
		}
	}
	return problems
}
