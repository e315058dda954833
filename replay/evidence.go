package replay

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Bounds of the evidence for one guard.
const (
	evidenceExamples = 3  // decisions that are named for one edge or code
	evidenceListed   = 20 // edges, and codes
)

// Evidence counts what guards said in recorded decisions, to judge a change of modes by.
// The zero value has seen none. It is for one goroutine at a time.
type Evidence struct {
	decisions uint64
	since     time.Time
	by        map[string]*guardCounts // :: guard -> what it said
}

// guardCounts is what one guard said.
type guardCounts struct {
	denied, wouldDeny, wouldFlip uint64
	edges, codes                 map[string]*authz.EvidenceCount
}

// Add takes one more record into account; those that are of no decision say nothing. The
// error means that the record cannot be read.
func (e *Evidence) Add(r *authz.Record) error {
	if r.Kind != authz.RecordDecision {
		return nil
	}
	var said struct {
		Reasons   []authz.Reason `json:"reasons"`
		WouldDeny []authz.Reason `json:"would_deny"`
	}
	if err := json.Unmarshal(r.Result, &said); err != nil {
		return err
	}
	if e.decisions++; e.since.IsZero() {
		e.since = r.At
	}
	for guard := range guardsIn(said.Reasons) {
		e.guard(guard).denied++
	}
	for guard, codes := range guardsIn(said.WouldDeny) {
		g := e.guard(guard)
		g.wouldDeny++
		if r.Decision == authz.Allow {
			g.wouldFlip++
		}
		count(g.edges, r.Edge(), r.ID)
		for code := range codes {
			count(g.codes, string(code), r.ID)
		}
	}
	return nil
}

// Of is the evidence about a guard so far.
func (e *Evidence) Of(guard string) authz.ModeEvidence {
	all := authz.ModeEvidence{Decisions: e.decisions, Since: e.since}
	if g := e.by[guard]; g != nil {
		all.Denied, all.WouldDeny, all.WouldFlip = g.denied, g.wouldDeny, g.wouldFlip
		all.Edges, all.Codes = most(g.edges), most(g.codes)
	}
	return all
}

// guardsIn are the guards that gave reasons, each with its codes.
func guardsIn(reasons []authz.Reason) map[string]map[authz.ReasonCode]bool {
	by := map[string]map[authz.ReasonCode]bool{}
	for _, r := range reasons {
		if by[r.Guard] == nil {
			by[r.Guard] = map[authz.ReasonCode]bool{}
		}
		by[r.Guard][r.Code] = true
	}
	return by
}

func (e *Evidence) guard(name string) *guardCounts {
	if e.by == nil {
		e.by = map[string]*guardCounts{}
	}
	if e.by[name] == nil {
		e.by[name] = &guardCounts{edges: map[string]*authz.EvidenceCount{}, codes: map[string]*authz.EvidenceCount{}}
	}
	return e.by[name]
}

func count(in map[string]*authz.EvidenceCount, name, example string) {
	c := in[name]
	if c == nil {
		c = &authz.EvidenceCount{Name: name}
		in[name] = c
	}
	if c.Count++; len(c.Examples) < evidenceExamples {
		c.Examples = append(c.Examples, example)
	}
}

// most are the counts with the most first.
func most(counts map[string]*authz.EvidenceCount) []authz.EvidenceCount {
	sorted := slices.SortedFunc(maps.Values(counts), func(a, b *authz.EvidenceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	var listed []authz.EvidenceCount
	for _, c := range sorted[:min(len(sorted), evidenceListed)] {
		listed = append(listed, *c)
	}
	return listed
}
