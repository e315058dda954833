package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/pdp"
	"github.com/verdict-pdp/verdict/replay"
)

func TestReport(t *testing.T) {
	d := &data{oldest: 4, newest: 9}
	to := func(subject, service string) func(*authz.Record) {
		return func(r *authz.Record) { r.Subject, r.Service = subject, service }
	}
	records := []*authz.Record{
		record(t, 1, allow()),
		record(t, 2, allow(), to("mu:other", "svc:ledger"), func(r *authz.Record) { r.Input = json.RawMessage(`{"n":2}`) }),
		record(t, 3, deny("A", "B")),
		record(t, 4, deny("C"), func(r *authz.Record) { r.Input = json.RawMessage(`{"n":2}`) }),
		record(t, 5, deny("A"), func(r *authz.Record) { r.Judged = false }),
		{Seq: 6, Kind: authz.RecordLoss, Lost: 40},
		record(t, 7, allow(), func(r *authz.Record) { r.DataRevision = 3 }),
		record(t, 8, allow(), func(r *authz.Record) { r.DataRevision = 10 }),
		record(t, 9, allow(), func(r *authz.Record) { r.DataRevision = 0 }),
		record(t, 10, allow(), func(r *authz.Record) { r.Input, r.InputError = nil, "the mask failed" }),
		{Seq: 11, Kind: "note"},
		{Seq: 15, Kind: authz.RecordIntent, Change: &authz.AuditedChange{ID: "c-1"}}, // are not even skipped
		{Seq: 16, Kind: authz.RecordChange, Withheld: true},
		record(t, 12, allow(), func(r *authz.Record) { r.Masked = []string{"/input/context/cookie"} }),
	}
	broken := record(t, 13, allow())
	broken.Result = json.RawMessage(`{"decision`)
	records = append(records, broken, record(t, 14, deny(authz.PolicyTimeout)))

	got := run(t, d, func(input string, _ uint64) authz.Judgement {
		if input == `{"n":2}` {
			return deny("B", "C")
		}
		return allow()
	}, records...)

	want := authz.Comparison{
		Policy: policy(nil).Policy(), Compared: 5, AllowToDeny: 1, DenyToAllow: 1, Changed: 1, NotJudged: 1, Masked: 1,
		Skipped: []authz.Skipped{
			{Reason: "lost: no record of the decision was kept", Count: 40},
			{Reason: "it ran out of time when it was made, which says nothing of its policies", Count: 1},
			{Reason: "its data revision has not been reached here", Count: 1},
			{Reason: "its data revision is no longer kept", Count: 1},
			{Reason: "the record has no input", Count: 1},
			{Reason: "the record has no result that can be read", Count: 1},
			{Reason: "the record is of no decision", Count: 1},
			{Reason: "the record names no data revision", Count: 1},
		},
		ByCode: []authz.FlipGroup{
			{Name: "B", AllowToDeny: 1, DenyToAllow: 1, Examples: []string{"dec-0002", "dec-0003"}},
			{Name: "A", DenyToAllow: 1, Examples: []string{"dec-0003"}},
			{Name: "C", AllowToDeny: 1, Examples: []string{"dec-0002"}},
		},
		ByEdge: []authz.FlipGroup{
			{Name: "mu:other>svc:ledger", AllowToDeny: 1, Examples: []string{"dec-0002"}},
			{Name: "mu:user-svc>svc:email", DenyToAllow: 1, Examples: []string{"dec-0003"}},
		},
		ByMachineUser: []authz.FlipGroup{
			{Name: "mu:other", AllowToDeny: 1, Examples: []string{"dec-0002"}},
			{Name: "mu:user-svc", DenyToAllow: 1, Examples: []string{"dec-0003"}},
		},
		Examples: []authz.Flip{
			example(records[1], authz.Allow, authz.Deny, nil, deny("B", "C").Reasons),
			example(records[2], authz.Deny, authz.Allow, deny("A", "B").Reasons, nil),
			example(records[3], authz.Deny, authz.Deny, deny("C").Reasons, deny("B", "C").Reasons),
		},
	}
	if diff := cmp.Diff(want, got, sameJSON); diff != "" {
		t.Error(diff)
	}
}

// TestForgedRecords has records that no decision log wrote: what is read ahead of the
// workers is bounded by bytes too, and so is what the report repeats.
func TestForgedRecords(t *testing.T) {
	large := func(r *authz.Record) { r.Subject = strings.Repeat("x", 2<<20) }
	named := func(r *authz.Record) { r.Service = strings.Repeat("x", 1000) }
	c := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return deny("NOW") },
		record(t, 1, allow(), large), record(t, 2, allow(), named), record(t, 3, deny(authz.ReasonCode(strings.Repeat("x", 1000)))))
	if diff := cmp.Diff([]authz.Skipped{{Reason: "the record is larger than one can be", Count: 1}}, c.Skipped); diff != "" {
		t.Error(diff)
	}
	if len(c.ByEdge) > 0 || len(c.ByCode) != 1 || c.Flips() != 1 || c.Changed != 1 {
		t.Errorf("comparison %+v, want one flip and one change, without a group of too long a name", c)
	}
}

// TestReadAhead has records as large as they may be, and workers that are busy: what
// is read meanwhile is bounded by bytes too.
func TestReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide := func(r *authz.Record) { r.Input = json.RawMessage(`"` + strings.Repeat("x", 900<<10) + `"`) }
		read := 0
		source := func(yield func(*authz.Record, error) bool) {
			for read = range 200 {
				if !yield(record(t, read, allow(), wide), nil) {
					return
				}
			}
		}
		release := make(chan struct{})
		busy := policy(func(string, uint64) authz.Judgement { <-release; return allow() })
		go func() {
			defer close(release)
			synctest.Wait()
			if read > 50 {
				t.Errorf("%d records were read before one was judged", read)
			}
		}()
		if _, err := replay.Run(t.Context(), config(&data{newest: 9}), source, busy, "", nil); err != nil {
			t.Error(err)
		}
	})
}

// sameJSON compares reasons as their readers do.
var sameJSON = cmp.Transformer("json", func(reasons []authz.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	text, err := ijson.Marshal(reasons)
	return fmt.Sprintf("%s %v", text, err)
})

func example(r *authz.Record, was, now authz.Outcome, wasReasons, nowReasons []authz.Reason) authz.Flip {
	return authz.Flip{
		ID: r.ID, At: r.At, Subject: r.Subject, Service: r.Service, Action: r.Action,
		Was: was, Now: now, WasReasons: wasReasons, NowReasons: nowReasons, WasRevision: 5, NowRevision: 5,
	}
}

// Each of these says something else to its caller and decides the same.
func TestChanged(t *testing.T) {
	was := authz.Judgement{
		Allow: true, CacheableForS: 5, RequiredLevel: 2, WouldDeny: []authz.Reason{reason("W")},
		Obligations: []authz.Duty{{"id": "use_address", "address_id": "a"}}, Advice: []authz.Duty{{"id": "renew_token", "within_s": 240}},
	}
	tests := map[string]struct {
		change  func(*authz.Judgement)
		changed uint64
	}{
		"nothing":             {func(*authz.Judgement) {}, 0},
		"keys read":           {func(j *authz.Judgement) { j.KeysRead = 3 }, 0},
		"durability":          {func(j *authz.Judgement) { j.Record = authz.Required }, 0},
		"a number's type":     {func(j *authz.Judgement) { j.Advice = []authz.Duty{{"within_s": 240.0, "id": "renew_token"}} }, 0},
		"required level":      {func(j *authz.Judgement) { j.RequiredLevel = 3 }, 1},
		"cacheable":           {func(j *authz.Judgement) { j.CacheableForS = 4 }, 1},
		"unreachable":         {func(j *authz.Judgement) { j.IfPDPUnreachable = authz.Allow }, 1},
		"would deny":          {func(j *authz.Judgement) { j.WouldDeny = nil }, 1},
		"obligation":          {func(j *authz.Judgement) { j.Obligations = []authz.Duty{{"id": "use_address", "address_id": "b"}} }, 1},
		"advice":              {func(j *authz.Judgement) { j.Advice = nil }, 1},
		"a nanosecond longer": {func(j *authz.Judgement) { j.WouldDeny = []authz.Reason{later()} }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := was
			test.change(&now)
			got := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return now }, record(t, 1, was))
			if got.Compared != 1 || got.Changed != test.changed || got.Flips() != 0 || len(got.ByEdge) != 0 {
				t.Errorf("comparison %+v, want %d changed and no flip", got, test.changed)
			}
		})
	}
}

func later() authz.Reason {
	r := reason("W")
	r.Details = map[string]any{"ns": 1795341610000000002}
	return r
}

// What a mask took out of a record is no difference; the rest still is.
// TestMaskedReasonsStayMasked: what the policy had masked in the reasons of a record is not
// in those that it gives now.
func TestMaskedReasonsStayMasked(t *testing.T) {
	was := deny("NO_EDGE")
	for name, test := range map[string]struct {
		masked []string
		want   authz.Reason
	}{
		"nothing":          {nil, authz.Reason{Code: "TRUST_TOO_LOW", Guard: "test", Message: "The test denies <this> & that."}},
		"of the input":     {[]string{"/input/context/note"}, authz.Reason{Code: "TRUST_TOO_LOW", Guard: "test", Message: "The test denies <this> & that."}},
		"a reason's texts": {[]string{"/result/reasons/0/message"}, authz.Reason{Code: "TRUST_TOO_LOW", Guard: "test"}},
	} {
		t.Run(name, func(t *testing.T) {
			now := deny("TRUST_TOO_LOW")
			now.Reasons[0].Details = nil
			r := record(t, 1, was, func(r *authz.Record) { r.Masked = test.masked })
			got := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return now }, r)
			if len(got.Examples) != 1 {
				t.Fatalf("comparison %+v, want one example", got)
			}
			if diff := cmp.Diff([]authz.Reason{test.want}, got.Examples[0].NowReasons); diff != "" {
				t.Errorf("the reasons of now (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMaskedResult(t *testing.T) {
	was := deny("A", "B")
	masked := func(r *authz.Record) {
		r.Masked = []string{"/result/reasons/0/details/ns", "/result/reasons/1/message"}
	}
	r := record(t, 1, was, masked)
	text := strings.Replace(string(r.Result), `{"ns":1795341610000000001}`, `{}`, 1)
	first, second, _ := strings.Cut(text, `"B"`)
	text = first + `"B"` + strings.Replace(second, "The test denies", "[masked]", 1)
	r.Result = json.RawMessage(text)
	if strings.Count(text, "The test denies") != 1 || strings.Count(text, `"ns"`) != 1 {
		t.Fatalf("the record is not as this test wants it: %s", text)
	}
	if got := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return was }, r); got.Changed != 0 || got.Compared != 1 || got.Masked != 0 {
		t.Errorf("masked parts are a difference: %+v", got)
	}
	if got := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return deny("A", "C") }, r); got.Changed != 1 {
		t.Errorf("another code is no difference: %+v", got)
	}
}

func TestData(t *testing.T) {
	byRevision := func(_ string, revision uint64) authz.Judgement {
		if revision < 8 {
			return allow()
		}
		return deny("LATE")
	}
	tests := map[string]struct {
		flips uint64
		now   uint64
		code  authz.ErrorCode
	}{
		"":         {0, 0, ""},
		"recorded": {0, 0, ""},
		"now":      {2, 9, ""},
		"8":        {2, 8, ""},
		"4":        {0, 4, ""},
		"3":        {0, 0, authz.CodeGone},
		"10":       {0, 0, authz.CodeInvalid},
		"0":        {0, 0, authz.CodeInvalid},
		"-1":       {0, 0, authz.CodeInvalid},
		"today":    {0, 0, authz.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &data{oldest: 4, newest: 9}
			old := record(t, 1, allow())
			gone := record(t, 2, allow(), func(r *authz.Record) { r.DataRevision = 2 })
			got, err := replay.Run(t.Context(), config(d), source(old, gone), policy(byRevision), name, nil)
			if authz.CodeOf(err) != test.code {
				t.Fatalf("%v, want code %q", err, test.code)
			}
			if got.Flips() != test.flips || d.stillOpen() != 0 {
				t.Errorf("%d flips, %d views open: %+v", got.Flips(), d.stillOpen(), got)
			}
			for _, flip := range got.Examples {
				if flip.NowRevision != test.now || !flip.DataBehind {
					t.Errorf("flip %+v, want it judged by revision %d, behind the one recorded", flip, test.now)
				}
			}
		})
	}
}

// While a replay by the newest data runs, the data changes.
func TestNewestDataIsOneRevision(t *testing.T) {
	d := &data{newest: 9}
	moving := func(string, uint64) authz.Judgement {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.newest++
		return allow()
	}
	var records []*authz.Record
	for n := range 200 {
		records = append(records, record(t, n, allow()))
	}
	if _, err := replay.Run(t.Context(), config(d), source(records...), policy(moving), "now", nil); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(d.opened, func(revision uint64) bool { return revision != 9 }) {
		t.Errorf("opened %v", d.opened)
	}
}

func TestOneViewForRecordsOfOneRevision(t *testing.T) {
	d := &data{newest: 9}
	var records []*authz.Record
	for n := range 1000 {
		records = append(records, record(t, n, allow(), func(r *authz.Record) { r.DataRevision = uint64(1 + n/500) }))
	}
	run(t, d, allows, records...)
	if d.times(1) > 3 || d.times(2) > 3 || d.times(1) == 0 || d.times(2) == 0 {
		t.Errorf("three workers opened %v", d.opened)
	}
}

// TestSameAnswers holds a replay to the recorder: a policy that answers as it did
// makes no difference, and every decision is counted once.
func TestSameAnswers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		answers := map[string]authz.Judgement{}
		var records []*authz.Record
		decisions := uint64(0)
		for n := range rapid.IntRange(0, 100).Draw(rt, "records") {
			decisions++
			if rapid.IntRange(0, 9).Draw(rt, "loss") == 0 {
				lost := rapid.Uint64Range(1, 100).Draw(rt, "lost")
				records = append(records, &authz.Record{Kind: authz.RecordLoss, Lost: lost})
				decisions += lost - 1
				continue
			}
			j, input := judgement(rt), fmt.Sprintf(`{"n":%d}`, n)
			answers[input] = j
			records = append(records, record(t, n, j, func(r *authz.Record) {
				r.Input = json.RawMessage(input)
				r.DataRevision = rapid.Uint64Range(0, 12).Draw(rt, "revision")
				r.Judged = rapid.IntRange(0, 5).Draw(rt, "judged") > 0
			}))
		}
		got := run(t, &data{oldest: 2, newest: 10}, func(input string, _ uint64) authz.Judgement { return answers[input] }, records...)
		if got.Flips() != 0 || got.Changed != 0 || got.Examples != nil || got.ByCode != nil {
			rt.Fatalf("differences: %+v", got)
		}
		if sum := total(got); sum != decisions {
			rt.Fatalf("%d of %d decisions were counted: %+v", sum, decisions, got)
		}
	})
}

func judgement(t *rapid.T) authz.Judgement {
	j := authz.Judgement{
		Allow: rapid.Bool().Draw(t, "allow"), CacheableForS: rapid.IntRange(0, 60).Draw(t, "cacheable"),
		RequiredLevel: rapid.IntRange(0, 5).Draw(t, "level"), KeysRead: rapid.IntRange(0, 9).Draw(t, "keys"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "reasons") {
		j.Reasons = append(j.Reasons, reason(authz.ReasonCode(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "code"))))
	}
	if rapid.Bool().Draw(t, "advice") {
		j.Advice = []authz.Duty{{"id": rapid.String().Draw(t, "id"), "n": rapid.Float64().Draw(t, "n"), "none": nil, "list": []any{}}}
	}
	return j
}

func total(c authz.Comparison) uint64 {
	sum := c.Compared + c.NotJudged
	for _, s := range c.Skipped {
		sum += s.Count
	}
	return sum
}

// TestCounts holds the sums of a replay to counting by hand.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		answers := map[string]authz.Judgement{}
		var records []*authz.Record
		want, codes := authz.Comparison{}, map[string]uint64{}
		for n := range rapid.IntRange(0, 150).Draw(rt, "records") {
			was, now, input := judgement(rt), judgement(rt), fmt.Sprintf(`{"n":%d}`, n)
			r := record(t, n, was, func(r *authz.Record) { r.Input = json.RawMessage(input) })
			answers[input] = now
			records = append(records, r)
			again := pdp.AssembleRecord(r, now, r.Policy, r.DataRevision)
			switch {
			case r.Decision == authz.Allow && again.Outcome == authz.Deny:
				want.AllowToDeny++
			case r.Decision == authz.Deny && again.Outcome == authz.Allow:
				want.DenyToAllow++
			}
			if r.Decision != again.Outcome {
				for _, code := range codesOf(t, r, again) {
					codes[code]++
				}
			}
		}
		got := run(t, &data{newest: 9}, func(input string, _ uint64) authz.Judgement { return answers[input] }, records...)
		if got.AllowToDeny != want.AllowToDeny || got.DenyToAllow != want.DenyToAllow || got.Compared != uint64(len(records)) {
			rt.Fatalf("%+v, want %+v", got, want)
		}
		byCode := map[string]uint64{}
		for _, g := range got.ByCode {
			byCode[g.Name] = g.AllowToDeny + g.DenyToAllow
		}
		if diff := cmp.Diff(codes, byCode); diff != "" {
			rt.Fatal(diff)
		}
		for _, groups := range [][]authz.FlipGroup{got.ByEdge, got.ByMachineUser} {
			sum := uint64(0)
			for _, g := range groups {
				sum += g.AllowToDeny + g.DenyToAllow
			}
			if sum != got.Flips() {
				rt.Fatalf("groups of %d flips for %d", sum, got.Flips())
			}
		}
	})
}

// codesOf are the codes of a flip: one of its sides allows, and so has none.
func codesOf(t *testing.T, was *authz.Record, now authz.Decision) []string {
	var before authz.Decision
	if err := json.Unmarshal(was.Result, &before); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range slices.Concat(before.Reasons, now.Reasons) {
		all = append(all, string(r.Code))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// However the workers take turns, the report is the same.
func TestReportDoesNotDependOnTheOrderOfWorkers(t *testing.T) {
	var records []*authz.Record
	for n := range 3000 {
		records = append(records, record(t, n, allow(), func(r *authz.Record) {
			r.Subject, r.Service = fmt.Sprintf("mu:%d", n%1700), fmt.Sprintf("svc:%d", n%3)
			r.DataRevision = uint64(1 + n/100)
			r.Input = json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))
		}))
	}
	uneven := func(input string, revision uint64) authz.Judgement {
		for range rand.IntN(20) {
			runtime.Gosched()
		}
		if revision%2 == 0 {
			return deny(authz.ReasonCode("EVEN" + input[len(input)-2:]))
		}
		return allow()
	}
	var reports []authz.Comparison
	for _, workers := range []int{1, 2, 8} {
		c := config(&data{newest: 99})
		c.Workers = workers
		report, err := replay.Run(t.Context(), c, source(records...), policy(uneven), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, report)
	}
	for _, report := range reports[1:] {
		if diff := cmp.Diff(reports[0], report); diff != "" {
			t.Error(diff)
		}
	}
	if r := reports[0]; r.AllowToDeny != 1500 || len(r.ByMachineUser) != 1000 || len(r.Examples) != 20 || r.OtherGroups == 0 {
		t.Errorf("%d flips, %d machine users, %d examples, %d other groups", r.AllowToDeny, len(r.ByMachineUser), len(r.Examples), r.OtherGroups)
	}
}

func TestBounds(t *testing.T) {
	var records []*authz.Record
	for n := range 1500 {
		records = append(records, record(t, n, allow(), func(r *authz.Record) { r.Subject = fmt.Sprintf("mu:%04d", n%1250) }))
	}
	got := run(t, &data{newest: 9}, func(string, uint64) authz.Judgement { return deny("A") }, records...)
	if len(got.ByEdge) != 1000 || len(got.ByMachineUser) != 1000 || len(got.ByCode) != 1 || got.OtherGroups != 500 {
		t.Errorf("%d edges, %d machine users, %d codes, %d others", len(got.ByEdge), len(got.ByMachineUser), len(got.ByCode), got.OtherGroups)
	}
	if diff := cmp.Diff(authz.FlipGroup{Name: "A", AllowToDeny: 1500, Examples: []string{"dec-0000", "dec-0001", "dec-0002", "dec-0003", "dec-0004"}}, got.ByCode[0]); diff != "" {
		t.Error(diff)
	}
	if first := got.ByMachineUser[0]; first.Name != "mu:0000" || first.AllowToDeny != 2 {
		t.Errorf("the largest group is not first: %+v", first)
	}
}

// Records are read as they are judged, never all at once.
func TestReadsOnlyAhead(t *testing.T) {
	var read, judged, ahead atomic.Int64
	r := record(t, 1, allow())
	var many iter.Seq2[*authz.Record, error] = func(yield func(*authz.Record, error) bool) {
		for range 20_000 {
			ahead.Store(max(ahead.Load(), read.Add(1)-judged.Load()))
			if !yield(r, nil) {
				return
			}
		}
	}
	count := func(string, uint64) authz.Judgement { judged.Add(1); return allow() }
	done := []uint64{}
	got, err := replay.Run(t.Context(), config(&data{newest: 9}), many, policy(count), "", func(n uint64) { done = append(done, n) })
	if err != nil || got.Compared != 20_000 {
		t.Fatalf("comparison %+v, error %v, want 20000 decisions compared", got, err)
	}
	if ahead.Load() > 1000 {
		t.Errorf("%d records were held at once", ahead.Load())
	}
	if !slices.IsSorted(done) || done[len(done)-1] != 20_000 || len(done) < 100 {
		t.Errorf("progress was told %d times, last %d", len(done), done[len(done)-1])
	}
}

func TestNoRecords(t *testing.T) {
	got := run(t, &data{newest: 9}, allows)
	if diff := cmp.Diff(authz.Comparison{Policy: policy(nil).Policy()}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSourceFails(t *testing.T) {
	broken := errors.New("the log is broken")
	var failing iter.Seq2[*authz.Record, error] = func(yield func(*authz.Record, error) bool) {
		for n := range 500 {
			if !yield(record(t, n, allow()), nil) {
				return
			}
		}
		yield(nil, broken)
	}
	d := &data{newest: 9}
	got, err := replay.Run(t.Context(), config(d), failing, policy(allows), "", nil)
	if !errors.Is(err, broken) || got.Compared != 0 || d.stillOpen() != 0 {
		t.Errorf("%+v %v, %d views open", got, err, d.stillOpen())
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := func(yield func(*authz.Record, error) bool) {
		for r := record(t, 1, allow()); yield(r, nil); {
		}
	}
	d := &data{newest: 9}
	got, err := replay.Run(ctx, config(d), endless, policy(allows), "now", func(done uint64) {
		if done > 500 {
			cancel()
		}
	})
	if authz.CodeOf(err) != authz.CodeUnavailable || !errors.Is(err, context.Canceled) || got.Compared != 0 || d.stillOpen() != 0 {
		t.Errorf("%+v %v, %d views open", got, err, d.stillOpen())
	}
}

func TestFaultsEndTheReplay(t *testing.T) {
	fault := authz.Errorf(authz.CodeInternal, "the disk is gone")
	d := &data{newest: 9}
	judging, opening := config(d), config(d)
	judging.Judge = func(context.Context, authz.Rejudger, *authz.Record, authz.Facts) (authz.Decision, error) {
		return authz.Decision{}, fault
	}
	opening.ViewAt = func(uint64) (replay.View, error) { return nil, fault }
	for name, c := range map[string]replay.Config{"judging": judging, "opening": opening} {
		t.Run(name, func(t *testing.T) {
			if got, err := replay.Run(t.Context(), c, source(record(t, 1, allow())), policy(allows), "", nil); !errors.Is(err, fault) || d.stillOpen() != 0 {
				t.Errorf("%+v %v, %d views open", got, err, d.stillOpen())
			}
		})
	}
}

// What one record says wrongly is no reason to end a replay of many.
func TestInputThatCannotBeJudged(t *testing.T) {
	c := config(&data{newest: 9})
	c.Judge = func(_ context.Context, _ authz.Rejudger, r *authz.Record, _ authz.Facts) (authz.Decision, error) {
		if r.Seq == 1 {
			return authz.Decision{}, authz.Invalid("input", "has no time")
		}
		return pdp.AssembleRecord(r, allow(), r.Policy, r.DataRevision), nil
	}
	got, err := replay.Run(t.Context(), c, source(record(t, 1, allow()), record(t, 2, allow())), policy(allows), "", nil)
	want := authz.Comparison{Policy: policy(nil).Policy(), Compared: 1, Skipped: []authz.Skipped{{Reason: "its input cannot be judged", Count: 1}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// BenchmarkRun is what a record costs beside its judging: half of them are as they
// were, byte for byte, a quarter are changed and a quarter flip.
func BenchmarkRun(b *testing.B) {
	answers := []authz.Judgement{allow(), allow(), {Allow: true}, deny("A", "B")}
	records := make([]*authz.Record, 1000)
	for n := range records {
		records[n] = record(b, n, allow(), func(r *authz.Record) { r.Input = json.RawMessage{byte('0' + n%4)} })
	}
	endless := func(yield func(*authz.Record, error) bool) {
		for n := range b.N {
			if !yield(records[n%len(records)], nil) {
				return
			}
		}
	}
	judge := func(input string, _ uint64) authz.Judgement { return answers[input[0]-'0'] }
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := replay.Run(b.Context(), config(&data{newest: 9}), endless, policy(judge), "", nil); err != nil {
		b.Fatal(err)
	}
}
