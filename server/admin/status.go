package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// Node is what the status has about the process. Functions that are nil leave their part
// out.
type Node struct {
	StartedAt     time.Time
	SchemaVersion int // of the store
	// Writable returns why the store takes no write now, nil when it does.
	Writable     func() error
	Log          func(context.Context) authz.LogStatus
	Sinks        func() []authz.SinkStatus
	Certificates func() []authz.CertificateStatus
}

func (h *Handler) status(c *route.Call) (reply route.Reply[api.Status], err error) {
	policies := h.Policies.Status()
	s := api.Status{
		Version: h.Version, Role: api.RoleSingle, StartedAt: h.Node.StartedAt, Now: h.Now().UTC().Truncate(time.Second),
		Policy: h.Policy(), PolicySince: h.Policies.Active().ActivatedAt,
		Failures: nonNil(policies.Failures), Sources: nonNil(policies.Sources),
		DataRevision: h.Data.Revision(), SchemaVersion: h.Node.SchemaVersion, Collections: map[string]uint64{},
		Issuers: []api.IssuerState{}, Sinks: []authz.SinkStatus{}, Certificates: []authz.CertificateStatus{},
	}
	for name, count := range h.Data.Counts() {
		s.Collections[string(name)] = count
	}
	if shadow, err := h.Shadow.Running(); err == nil && shadow.Running {
		s.Shadow = &api.RunningShadow{Generation: shadow.Policy.Generation, Since: shadow.Since, Judged: shadow.Judged, Flips: shadow.Comparison.AllowToDeny + shadow.Comparison.DenyToAllow}
	} else if err != nil && authz.CodeOf(err) != authz.CodeNotFound {
		return reply, err
	}
	ctx := c.Request().Context()
	if s.Issuers, err = h.issuerStates(ctx); err != nil {
		return reply, err
	}
	if h.Node.Log != nil {
		s.DecisionLog = h.Node.Log(ctx)
	}
	if h.Node.Sinks != nil {
		s.Sinks = nonNil(h.Node.Sinks())
	}
	if h.Node.Certificates != nil {
		s.Certificates = nonNil(h.Node.Certificates())
	}
	var unwritable error
	if h.Node.Writable != nil {
		unwritable = h.Node.Writable()
	}
	s.Problems = Problems(s, unwritable)
	return route.Show(s), nil
}

func nonNil[E any](list []E) []E { return append([]E{}, list...) }

// issuerStates is the state of every issuer.
func (h *Handler) issuerStates(ctx context.Context) ([]api.IssuerState, error) {
	states := []api.IssuerState{}
	if h.IssuerStatus == nil {
		return states, nil
	}
	for q := (authz.Query{Collection: authz.Issuers, Limit: authz.MaxPageSize}); ; {
		page, err := h.Data.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, entity := range page.Items {
			if issuer, ok := entity.(*authz.Issuer); ok {
				s := h.IssuerStatus(issuer)
				states = append(states, api.IssuerState{ID: issuer.ID, State: s.State, ChangesInS: s.ChangesInS, LastError: s.LastError})
			}
		}
		if page.NextCursor == "" {
			return states, nil
		}
		q.Cursor = page.NextCursor
	}
}

// Problems returns what is wrong with a node whose status is s; unwritable is why its store
// takes no write, nil when it does. What makes decisions fail now comes first.
func Problems(s api.Status, unwritable error) []authz.StatusProblem {
	found := []authz.StatusProblem{}
	add := func(fix, what string, values ...any) {
		found = append(found, authz.StatusProblem{What: fmt.Sprintf(what, values...), Fix: fix})
	}
	if s.Policy.Digest == "" {
		add("`verdict bundle history` shows what there is to activate.", "no policy is active: every decision is a deny")
	}
	if s.DecisionLog.Error != "" {
		add("Make room on its disk, or mend it.", "decisions cannot be recorded, and those that have to be are not answered: %s", s.DecisionLog.Error)
	}
	if queue := s.DecisionLog.Queue; queue > 0 && s.DecisionLog.Waiting*5 > queue*4 {
		add("Its disk is too slow for the decisions asked for, or fails.", "%d records wait to be written, of %d that may", s.DecisionLog.Waiting, queue)
	}
	if unwritable != nil {
		add("Make room on the disk of the data directory; after a failed commit mend the disk and restart.", "nothing can be granted or revoked: %v", unwritable)
	}
	for _, c := range s.Certificates {
		if !s.Now.Before(c.NotAfter) {
			add("Put a new certificate and its key into the files; no restart is needed.", "the certificate of the listener %s expired at %s", c.Listener, c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	for _, issuer := range s.Issuers {
		if issuer.State != authz.Fresh {
			add("`verdict issuer get "+issuer.ID+"` says since when, and what decisions become of it.", "the keys of issuer %s are %s%s", issuer.ID, issuer.State, because(issuer.LastError))
		}
	}
	for _, f := range s.Failures {
		if !f.Pushed() {
			add("`verdict bundle status` says file, line and fix; the policies before it decide on.", "bundle %s did not get through at %s", f.Name, f.Step)
		}
	}
	for _, source := range s.Sources {
		if source.Error != "" {
			add("`verdict bundle status` says when it is asked again.", "bundle %s cannot be pulled from %s%s", source.Name, source.Source, because(source.Error))
		}
	}
	for _, sink := range s.Sinks {
		if sink.LastError != "" {
			add("Mend the sink; its records wait in the decision log.", "sink %s takes no records, %d behind%s", sink.Name, sink.LagRecords, because(sink.LastError))
		}
	}
	for _, c := range s.Certificates {
		if left := c.NotAfter.Sub(s.Now); left > 0 && left < renewWithin(c) {
			add("Renew it; no restart is needed.", "the certificate of the listener %s expires at %s", c.Listener, c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return found
}

func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}

// renewWithin is when a certificate should have been renewed before it ends: two weeks,
// or the last third of a short life.
func renewWithin(c authz.CertificateStatus) time.Duration {
	return min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/3)
}
