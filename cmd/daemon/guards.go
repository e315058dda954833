package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// evidenceRecords is how many of the newest decisions the evidence for a mode is
// taken from.
const evidenceRecords = 10_000

// guardModes lists the guards of the active policies with their modes, and what
// each said lately.
func (d *Daemon) guardModes(ctx context.Context) ([]authz.GuardMode, error) {
	policy := d.engine.Active()
	seen := evidence{by: map[string]*guardEvidence{}}
	if err := d.log.Each(ctx, authz.RecordFilter{}, evidenceRecords, seen.add); err != nil {
		return nil, err
	}
	all := []authz.GuardMode{}
	for _, guard := range policy.Guards() {
		mode, own, _ := policy.Mode(guard.Name)
		listed := authz.GuardMode{Name: guard.Name, Description: guard.Description, Mode: mode, Next: authz.NextMode(mode), Evidence: seen.of(guard.Name)}
		if own != mode {
			listed.Bundle = own
		}
		all = append(all, listed)
	}
	return all, nil
}

// evidence is what guards said in recorded decisions.
type evidence struct {
	decisions uint64
	since     time.Time
	by        map[string]*guardEvidence // :: guard -> what it said
}

type guardEvidence struct {
	denied, wouldDeny, wouldFlip uint64
	edges, codes                 map[string]*authz.EvidenceCount
}

// evidenceExamples is how many decisions are named for one edge or code, and
// evidenceListed how many edges or codes.
const (
	evidenceExamples = 3
	evidenceListed   = 20
)

func (e *evidence) add(r *authz.Record) error {
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

func (e *evidence) guard(name string) *guardEvidence {
	if e.by[name] == nil {
		e.by[name] = &guardEvidence{edges: map[string]*authz.EvidenceCount{}, codes: map[string]*authz.EvidenceCount{}}
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

func (e *evidence) of(guard string) authz.ModeEvidence {
	g := e.guard(guard)
	return authz.ModeEvidence{
		Decisions: e.decisions, Since: e.since, Denied: g.denied, WouldDeny: g.wouldDeny, WouldFlip: g.wouldFlip,
		Edges: most(g.edges), Codes: most(g.codes),
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
