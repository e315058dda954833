package decisionlog

import (
	"math"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// matcher is a filter made ready to be asked of many headers.
type matcher struct {
	filter           authz.RecordFilter
	from, to         int64 // Unix nanoseconds; to is exclusive, but for the latest there is
	edgeFrom, edgeTo string
	decisionsOnly    bool // the filter asks for something that a loss does not have
	changes          changesAs
}

// changesAs is what becomes of intents and changes where records are read.
type changesAs int

const (
	leftOut changesAs = iota
	withheld
	whole
)

// newMatcher refuses an outcome and an edge that cannot be.
func newMatcher(f authz.RecordFilter) (*matcher, error) {
	m := &matcher{filter: f, from: math.MinInt64, to: math.MaxInt64}
	if f.Outcome != "" && f.Outcome != authz.Allow.String() && f.Outcome != authz.Deny.String() {
		return nil, authz.Invalid("outcome", `must be "allow" or "deny"`)
	}
	if f.Edge != "" {
		from, to, ok := strings.Cut(f.Edge, ">")
		if !ok {
			return nil, authz.Invalid("edge", `must be a machine user and a service: "mu:user-svc>svc:email"`)
		}
		m.edgeFrom, m.edgeTo = from, to
	}
	if !f.From.IsZero() {
		m.from = nanoseconds(f.From)
	}
	if !f.To.IsZero() {
		m.to = nanoseconds(f.To)
	}
	f.From, f.To = time.Time{}, time.Time{}
	m.decisionsOnly = f != authz.RecordFilter{}
	return m, nil
}

func (m *matcher) matches(h *header) bool {
	if h.at < m.from || h.at >= m.to && m.to < math.MaxInt64 {
		return false
	}
	if h.change {
		return m.changes != leftOut && !m.decisionsOnly
	}
	if !m.decisionsOnly {
		return true
	}
	f := &m.filter
	return !h.loss &&
		(f.Outcome == "" || (f.Outcome == authz.Allow.String()) == h.allow) &&
		(f.Subject == "" || string(h.subject) == f.Subject) &&
		(f.Service == "" || string(h.service) == f.Service) &&
		(f.Action == "" || string(h.action) == f.Action) &&
		(f.Caller == "" || string(h.caller) == f.Caller) &&
		(f.Edge == "" || string(h.subject) == m.edgeFrom && string(h.service) == m.edgeTo) &&
		(f.Generation == 0 || h.generation == f.Generation) &&
		(f.Code == "" || h.hasReason(f.Code, false)) &&
		(f.Guard == "" || h.hasReason(f.Guard, true))
}

// Times that fit into nanoseconds; others count as these.
var (
	earliest = time.Unix(0, math.MinInt64)
	latest   = time.Unix(0, math.MaxInt64)
)

func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(earliest):
		return math.MinInt64
	case t.After(latest):
		return math.MaxInt64
	}
	return t.UnixNano()
}
