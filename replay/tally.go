package replay

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of a Comparison.
const (
	maxGroups   = 1000
	maxOthers   = 1 << 16 // that are counted apart when there are too many groups
	maxExamples = 20
	maxIDs      = 5 // of decisions in one group
	// maxName is the longest name of a group, in bytes: an edge has two ids. What a
	// file of records may have beyond it is counted under no name.
	maxName = 2*authz.MaxIDLength + 1
)

// tally adds findings up. Adding the same ones in the same order gives the same
// Comparison. It is for one goroutine at a time.
type tally struct {
	sums    authz.Comparison  // counts only
	skipped map[string]uint64 // :: reason -> decisions

	byCode, byEdge, byMachineUser groups
	flipped, changed              []authz.Flip // the first maxExamples of each
}

func newTally() *tally { return &tally{skipped: map[string]uint64{}} }

func (t *tally) add(f *finding) {
	switch {
	case f.skipped != "":
		t.skipped[f.skipped] += f.count
		return
	case f.notJudged:
		t.sums.NotJudged++
		return
	}
	t.sums.Compared++
	if f.masked {
		t.sums.Masked++
	}
	switch {
	case !f.changed:
	case f.flip.Was == f.flip.Now:
		t.sums.Changed++
		t.changed = appendExample(t.changed, f.flip)
	default:
		t.addFlip(f)
	}
}

func (t *tally) addFlip(f *finding) {
	if f.flip.Now == authz.Allow {
		t.sums.DenyToAllow++
	} else {
		t.sums.AllowToDeny++
	}
	t.flipped = appendExample(t.flipped, f.flip)
	was, now := codes(f.flip.WasReasons), codes(f.flip.NowReasons)
	for _, code := range was {
		if _, both := slices.BinarySearch(now, code); !both {
			t.byCode.add(code, &f.flip)
		}
	}
	for _, code := range now {
		if _, both := slices.BinarySearch(was, code); !both {
			t.byCode.add(code, &f.flip)
		}
	}
	t.byEdge.add(f.edge, &f.flip)
	t.byMachineUser.add(f.flip.Subject, &f.flip)
}

func appendExample(examples []authz.Flip, f authz.Flip) []authz.Flip {
	if len(examples) == maxExamples {
		return examples
	}
	return append(examples, f)
}

// comparison is the sums so far. It shares nothing that a later add changes.
func (t *tally) comparison(policy authz.PolicyRef) authz.Comparison {
	c := t.sums
	c.Policy = policy
	for reason, count := range t.skipped {
		c.Skipped = append(c.Skipped, authz.Skipped{Reason: reason, Count: count})
	}
	slices.SortFunc(c.Skipped, func(a, b authz.Skipped) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	c.ByCode, c.ByEdge, c.ByMachineUser = t.byCode.list(), t.byEdge.list(), t.byMachineUser.list()
	c.OtherGroups = uint64(len(t.byCode.others) + len(t.byEdge.others) + len(t.byMachineUser.others))
	c.Examples = slices.Concat(t.flipped, t.changed)
	c.Examples = c.Examples[:min(len(c.Examples), maxExamples)]
	return c
}

// groups counts flips by what they have in common. The first maxGroups names are
// kept apart; of further ones it is only known how many there are, up to maxOthers.
type groups struct {
	kept   map[string]*authz.FlipGroup // :: name -> counts
	others map[uint64]struct{}         // :: hash of a name not kept
}

// add counts a flip under a name; under none when it has none, or too long a one.
func (g *groups) add(name string, f *authz.Flip) {
	if name == "" || len(name) > maxName {
		return
	}
	group := g.group(name)
	if group == nil {
		return
	}
	if f.Now == authz.Allow {
		group.DenyToAllow++
	} else {
		group.AllowToDeny++
	}
	if len(group.Examples) < maxIDs {
		group.Examples = append(group.Examples, f.ID)
	}
}

// group is the counts of a name, nil when it is not kept apart.
func (g *groups) group(name string) *authz.FlipGroup {
	if group := g.kept[name]; group != nil {
		return group
	}
	if len(g.kept) == maxGroups {
		g.addOther(name)
		return nil
	}
	if g.kept == nil {
		g.kept = map[string]*authz.FlipGroup{}
	}
	group := &authz.FlipGroup{Name: name, Examples: []string{}}
	g.kept[name] = group
	return group
}

func (g *groups) addOther(name string) {
	if g.others == nil {
		g.others = map[uint64]struct{}{}
	}
	if len(g.others) < maxOthers {
		g.others[hash(name)] = struct{}{}
	}
}

// list is the groups, those with most flips first.
func (g *groups) list() []authz.FlipGroup {
	list := make([]authz.FlipGroup, 0, len(g.kept))
	for _, group := range g.kept {
		copied := *group
		copied.Examples = slices.Clone(group.Examples)
		list = append(list, copied)
	}
	slices.SortFunc(list, func(a, b authz.FlipGroup) int {
		return cmp.Or(cmp.Compare(b.AllowToDeny+b.DenyToAllow, a.AllowToDeny+a.DenyToAllow), cmp.Compare(a.Name, b.Name))
	})
	if len(list) == 0 {
		return nil
	}
	return list
}

// hash is the same for the same text on every node and in every process, and
// spreads texts that differ in one letter.
func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text)) // never fails: see hash.Hash
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
