package replay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// policy is a policy as one function of the input and the data revision.
type policy func(input string, revision uint64) authz.Judgement

func (policy) Policy() authz.PolicyRef { return authz.PolicyRef{Generation: 7, Digest: "sha256:77"} }

func (p policy) EvaluateInput(_ context.Context, input []byte, f authz.Facts) authz.Judgement {
	return p(string(input), f.Revision())
}

func (p policy) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return p.EvaluateInput(ctx, input, f), nil
}

func (p policy) Evaluate(_ context.Context, q authz.Question, f authz.Facts) authz.Judgement {
	return p(q.Action.Name, f.Revision())
}

func allows(string, uint64) authz.Judgement { return allow() }

func allow() authz.Judgement { return authz.Judgement{Allow: true, CacheableForS: 5} }

func deny(codes ...authz.ReasonCode) authz.Judgement {
	var j authz.Judgement
	for _, code := range codes {
		j.Reasons = append(j.Reasons, reason(code))
	}
	return j
}

func reason(code authz.ReasonCode) authz.Reason {
	return authz.Reason{Code: code, Guard: "test", Message: "The test denies <this> & that.", Details: map[string]any{"ns": 1795341610000000001}}
}

// data is the store as a replay sees it: revisions from oldest to newest.
type data struct {
	oldest, newest uint64

	mu     sync.Mutex
	opened []uint64
	open   int
}

// viewAt gives with an error what a function of a store gives that returns a pointer:
// a View that is not nil and cannot be closed.
func (d *data) viewAt(revision uint64) (replay.View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if revision == 0 {
		revision = d.newest
	}
	if revision < d.oldest {
		return (*view)(nil), authz.Errorf(authz.CodeGone, "revision %d is no longer kept", revision)
	}
	if revision > d.newest {
		return (*view)(nil), authz.Invalid("revision", "is not yet there")
	}
	d.opened = append(d.opened, revision)
	d.open++
	return &view{of: d, revision: revision}, nil
}

func (d *data) times(revision uint64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, r := range d.opened {
		if r == revision {
			n++
		}
	}
	return n
}

func (d *data) stillOpen() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

type view struct {
	of       *data
	revision uint64
}

func (v *view) Revision() uint64 { return v.revision }

func (*view) Fact(authz.Collection, string) (authz.Fact, bool, error) {
	return authz.Fact{}, false, nil
}

func (*view) Under(authz.Collection, string, int) ([]authz.Fact, bool, error) { return nil, false, nil }

func (v *view) Close() {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.of.open--
}

// record is a decision as it was recorded, made of a judgement by the pipeline.
func record(t testing.TB, n int, j authz.Judgement, change ...func(*authz.Record)) *authz.Record {
	t.Helper()
	r := &authz.Record{
		Seq: uint64(n), Kind: authz.RecordDecision, ID: fmt.Sprintf("dec-%04d", n), At: noon.Add(time.Duration(n) * time.Second),
		Subject: "mu:user-svc", Service: "svc:email", Action: "email.send", Judged: true, DataRevision: 5,
		Trust: authz.Trust{Level: 3, Freshness: authz.Fresh}, Input: json.RawMessage(`{"n":1}`),
		Policy: authz.PolicyRef{Generation: 3, Digest: "sha256:33"},
	}
	for _, c := range change {
		c(r)
	}
	d := pdp.AssembleRecord(r, j, r.Policy, r.DataRevision)
	result, err := ijson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	r.Decision, r.Result = d.Outcome, result
	return r
}

func source(records ...*authz.Record) iter.Seq2[*authz.Record, error] {
	return func(yield func(*authz.Record, error) bool) {
		for _, r := range slices.Clone(records) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func config(d *data) replay.Config {
	return replay.Config{Judge: pdp.Rejudge, ViewAt: d.viewAt, Workers: 3, Now: func() time.Time { return noon }}
}

func run(t testing.TB, d *data, p policy, records ...*authz.Record) authz.Comparison {
	t.Helper()
	c, err := replay.Run(t.Context(), config(d), source(records...), p, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.stillOpen() != 0 {
		t.Errorf("%d views are still open", d.stillOpen())
	}
	return c
}
