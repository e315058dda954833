package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

// logged is a log of records, oldest first, whose filters select all.
type logged []*authz.Record

func (l logged) Get(_ context.Context, id string) (authz.Record, error) {
	for _, r := range l {
		if r.ID == id {
			return *r, nil
		}
	}
	return authz.Record{}, authz.Errorf(authz.CodeNotFound, "there is no decision %s", id)
}

func (l logged) newest(last int) logged {
	if last == 0 {
		return l
	}
	return l[max(0, len(l)-last):]
}

func (l logged) Count(_ context.Context, _ authz.RecordFilter, last int) (uint64, error) {
	return uint64(len(l.newest(last))), nil
}

func (l logged) Each(_ context.Context, _ authz.RecordFilter, last int, fn func(*authz.Record) error) error {
	for _, r := range l.newest(last) {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// named is a policy of a generation that says which one it is when it explains.
type named struct {
	policy
	ref authz.PolicyRef
}

func (n named) Policy() authz.PolicyRef { return n.ref }

func (n named) ExplainInput(ctx context.Context, input []byte, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return n.EvaluateInput(ctx, input, f), &authz.Explanation{Guards: []authz.GuardTrace{{Guard: fmt.Sprint("generation ", n.ref.Generation, " on revision ", f.Revision())}}}
}

// sets are the generations that are kept; 0 is the active one.
type sets struct {
	kept   map[uint64]named
	broken map[uint64]error
}

func (s sets) Generation(number uint64) (authz.Rejudger, error) {
	if err := s.broken[number]; err != nil {
		return nil, err
	}
	if p, ok := s.kept[number]; ok {
		return p, nil
	}
	return nil, authz.Errorf(authz.CodeNotFound, "there is no generation %d", number)
}

func (s sets) With(_ context.Context, bundle string, packed io.Reader) (authz.Rejudger, error) {
	text, err := io.ReadAll(packed)
	return named{denying("WITH"), authz.PolicyRef{Digest: bundle + " " + string(text)}}, err
}

func denying(code authz.ReasonCode) policy {
	return func(string, uint64) authz.Judgement { return deny(code) }
}

func history(d *data, l logged) replay.History {
	return replay.History{Log: l, Judge: pdp.Rejudge, ViewAt: d.viewAt, Policies: sets{
		kept: map[uint64]named{
			0: {allows, authz.PolicyRef{Generation: 4, Digest: "sha256:44"}},
			3: {denying("OLD"), authz.PolicyRef{Generation: 3, Digest: "sha256:33"}},
			4: {allows, authz.PolicyRef{Generation: 4, Digest: "sha256:44"}},
		},
		broken: map[uint64]error{8: authz.Errorf(authz.CodeUnavailable, "bundle acme of generation 8 cannot be read from disk")},
	}}
}

func TestHistoryReplays(t *testing.T) {
	d := &data{oldest: 4, newest: 9}
	h := history(d, logged{record(t, 1, deny("X")), record(t, 2, allow()), record(t, 3, allow())})
	exported, err := json.Marshal(record(t, 9, allow()))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		request authz.ReplayRequest
		sent    replay.Sent
		policy  string
		counts  string
	}{
		"the active generation":  {counts: "3: 0 to deny, 1 to allow", policy: "sha256:44"},
		"another one":            {request: authz.ReplayRequest{Generation: 3}, counts: "3: 2 to deny, 0 to allow", policy: "sha256:33"},
		"the newest":             {request: authz.ReplayRequest{Last: 2}, counts: "2: 0 to deny, 0 to allow", policy: "sha256:44"},
		"a bundle":               {request: authz.ReplayRequest{Bundle: "acme"}, sent: replay.Sent{Bundle: strings.NewReader("packed")}, counts: "3: 2 to deny, 0 to allow", policy: "acme packed"},
		"records that were sent": {request: authz.ReplayRequest{Generation: 3}, sent: replay.Sent{Records: bytes.NewReader(exported)}, counts: "1: 1 to deny, 0 to allow", policy: "sha256:33"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var done, total uint64
			got, err := h.Replay(t.Context(), test.request, test.sent, func(d, of uint64) { done, total = d, of })
			if err != nil {
				t.Fatal(err)
			}
			if counts := fmt.Sprintf("%d: %d to deny, %d to allow", got.Compared, got.AllowToDeny, got.DenyToAllow); counts != test.counts || got.Policy.Digest != test.policy {
				t.Errorf("%s by %s, want %s by %s", counts, got.Policy.Digest, test.counts, test.policy)
			}
			want := got.Compared
			if test.sent.Records != nil {
				want = 0
			}
			if done != got.Compared || total != want {
				t.Errorf("%d of %d were worked off, want %d of %d", done, total, got.Compared, want)
			}
		})
	}
	if n := d.stillOpen(); n != 0 {
		t.Errorf("%d views are open", n)
	}
	if _, err := h.Replay(t.Context(), authz.ReplayRequest{Generation: 5}, replay.Sent{}, nil); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("a generation that is not kept: %v, want %s", err, authz.CodeNotFound)
	}
}

// TestHistoryCompares: what 4 makes of decisions is held against what 3 makes of them, and
// not against what was decided.
func TestHistoryCompares(t *testing.T) {
	d := &data{oldest: 4, newest: 9}
	gone := record(t, 3, allow(), func(r *authz.Record) { r.DataRevision = 2 })
	got, err := history(d, logged{record(t, 1, allow()), record(t, 2, deny("OLD")), gone}).Compare(t.Context(), 3, 4, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got.Compared != 2 || got.DenyToAllow != 2 || len(got.Skipped) != 1 {
		t.Errorf("%+v; want 2 compared, both deny to allow, 1 skipped", got)
	}
	if n := d.stillOpen(); n != 0 {
		t.Errorf("%d views are open", n)
	}
}

func TestHistoryExplains(t *testing.T) {
	const noPolicy, noData = "The generation that decided is no longer kept: this is what the active one says. ", "The data that it saw is no longer kept: this is with the data of now. "
	tests := map[string]struct {
		change  func(*authz.Record)
		by      string // what explains; empty for nothing
		note    string
		failing authz.ErrorCode
	}{
		"as it was":               {by: "generation 3 on revision 5"},
		"another digest":          {change: func(r *authz.Record) { r.Policy.Digest = "sha256:00" }, by: "generation 4 on revision 5", note: noPolicy},
		"no generation":           {change: func(r *authz.Record) { r.Policy.Generation = 2 }, by: "generation 4 on revision 5", note: noPolicy},
		"one that is damaged":     {change: func(r *authz.Record) { r.Policy.Generation = 8 }, failing: authz.CodeUnavailable},
		"old data":                {change: func(r *authz.Record) { r.DataRevision = 1 }, by: "generation 3 on revision 9", note: noData},
		"neither":                 {change: func(r *authz.Record) { r.DataRevision, r.Policy.Generation = 1, 2 }, by: "generation 4 on revision 9", note: noPolicy + noData},
		"no policy was asked":     {change: func(r *authz.Record) { r.Judged = false }, note: "No policy judged this decision: its evidence proved nobody, or no policy was active."},
		"no input":                {change: func(r *authz.Record) { r.Input, r.InputError = nil, "the mask failed" }, note: "The record has no input to judge again: the mask failed"},
		"the data of no revision": {change: func(r *authz.Record) { r.DataRevision = 0 }, by: "generation 3 on revision 9", note: noData},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, r := &data{oldest: 4, newest: 9}, record(t, 1, allow())
			if test.change != nil {
				test.change(r)
			}
			explanation, note, err := history(d, logged{r}).Explain(t.Context(), r.ID)
			by := ""
			if explanation != nil {
				by = explanation.Guards[0].Guard
			}
			if authz.CodeOf(err) != test.failing || by != test.by || note != test.note {
				t.Errorf("Explain gives %q, %q, %v; want %q, %q, %q", by, note, err, test.by, test.note, test.failing)
			}
			if n := d.stillOpen(); n != 0 {
				t.Errorf("%d views are open", n)
			}
		})
	}
	if _, _, err := history(&data{}, nil).Explain(t.Context(), "dec-0001"); authz.CodeOf(err) != authz.CodeNotFound {
		t.Errorf("a decision that is not there: %v, want %s", err, authz.CodeNotFound)
	}
}

func TestExported(t *testing.T) {
	line, err := ijson.Marshal(record(t, 1, allow()))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		lines string
		ids   []string
		says  string
	}{
		"nothing":           {},
		"two":               {lines: string(line) + "\n\n" + string(line), ids: []string{"dec-0001", "dec-0001"}},
		"what is no record": {lines: string(line) + "\n{\n", ids: []string{"dec-0001"}, says: "records line 2 is not a record"},
		"a long line":       {lines: strings.Repeat("x", 3<<20), says: "records could not be read to their end"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var ids []string
			said := ""
			for r, err := range replay.Exported(strings.NewReader(test.lines)) {
				if err != nil {
					said = err.Error()
					continue
				}
				ids = append(ids, r.ID)
			}
			if diff := cmp.Diff(test.ids, ids); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(said, test.says) || said != "" && test.says == "" {
				t.Errorf("the error is %q, want %q", said, test.says)
			}
		})
	}
}

func TestEvidence(t *testing.T) {
	would := func(n int, outcome authz.Judgement, service string, reasons ...authz.Reason) *authz.Record {
		outcome.WouldDeny = reasons
		return record(t, n, outcome, func(r *authz.Record) { r.Service = service })
	}
	network := authz.Reason{Code: "NETWORK_NOT_ALLOWED", Guard: "network", Mode: authz.ModeObserve}
	h := history(&data{}, logged{
		would(1, allow(), "svc:a", network, authz.Reason{Code: "OTHER", Guard: "network"}),
		would(2, deny("A"), "svc:b", network),
		would(3, allow(), "svc:b"),
		{Seq: 4, Kind: authz.RecordLoss, Lost: 9},
		would(5, allow(), "svc:b", network),
	})
	said, err := h.Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	since := noon.Add(1e9)
	want := authz.ModeEvidence{
		Decisions: 4, Since: since, WouldDeny: 3, WouldFlip: 2,
		Edges: []authz.EvidenceCount{{Name: "mu:user-svc>svc:b", Count: 2, Examples: []string{"dec-0002", "dec-0005"}}, {Name: "mu:user-svc>svc:a", Count: 1, Examples: []string{"dec-0001"}}},
		Codes: []authz.EvidenceCount{{Name: "NETWORK_NOT_ALLOWED", Count: 3, Examples: []string{"dec-0001", "dec-0002", "dec-0005"}}, {Name: "OTHER", Count: 1, Examples: []string{"dec-0001"}}},
	}
	if diff := cmp.Diff(want, said.Of("network")); diff != "" {
		t.Errorf("of network (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(authz.ModeEvidence{Decisions: 4, Since: since, Denied: 1}, said.Of("test")); diff != "" {
		t.Errorf("of the guard that denied (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(authz.ModeEvidence{Decisions: 4, Since: since}, said.Of("silent")); diff != "" {
		t.Errorf("of one that said nothing (-want +got):\n%s", diff)
	}
	var e replay.Evidence
	if err := e.Add(&authz.Record{Kind: authz.RecordDecision, Result: json.RawMessage("{")}); err == nil {
		t.Error("a record that cannot be read is no error")
	}
}
