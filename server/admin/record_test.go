package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// recordOf is a record of a decision about svc:<service>.
func recordOf(id, service string) authz.Record {
	return authz.Record{
		Kind: authz.RecordDecision, ID: id, At: servertest.Now, Subject: "mu:a", Service: service, Action: "read", Judged: true,
		Policy: authz.PolicyRef{Generation: 1, Digest: "sha256:ab"}, Input: json.RawMessage(`{"subject":{}}`), Result: json.RawMessage(`{"decision":"deny"}`),
		Durability: authz.Spool, Prev: "00", Hash: "01",
	}
}

// logged is a server with records d1 to dn, of svc:a and svc:b in turns.
func logged(t *testing.T, n int, edit func(*servertest.Config)) operator {
	o := start(t, edit)
	for i := range n {
		o.Records.Keep(recordOf("d"+strconv.Itoa(i+1), map[bool]string{true: "svc:a", false: "svc:b"}[i%2 == 0]))
	}
	return o
}

func idsOf(records []authz.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestRecords(t *testing.T) {
	o := logged(t, 5, nil)
	first := read[authz.RecordPage](t, o.send("GET", "/v1/decisions?service=svc:a&limit=2", ""))
	if diff := cmp.Diff([]string{"d5", "d3"}, idsOf(first.Items)); diff != "" || first.NextCursor == "" || first.NextAfter != 5 || first.Head != 5 {
		t.Errorf(`got first %+v, diff %s; want no diff, NextCursor other than "", NextAfter 5, Head 5`, first, diff)
	}
	last := read[authz.RecordPage](t, o.as(authz.RoleReview, "GET", "/v1/decisions?service=svc:a&limit=2&cursor="+first.NextCursor, ""))
	if diff := cmp.Diff([]string{"d1"}, idsOf(last.Items)); diff != "" || last.NextCursor != "" {
		t.Errorf(`got last %+v, diff %s; want no diff, NextCursor ""`, last, diff)
	}
	if empty := start(t, nil).send("GET", "/v1/decisions", ""); empty.Body != `{"items":[],"next_cursor":"","next_after":0,"head":0}` {
		t.Error(empty.Body)
	}
}

func TestRecordsRefuse(t *testing.T) {
	o := logged(t, 1, nil)
	for query, field := range map[string]string{
		"outcome=maybe": "outcome", "code=a+b": "code", "guard=-": "guard", "subject=": "subject", "service=a&service=b": "service",
		"edge=mu:a": "edge", "edge=mu:a%3E": "edge", "edge=%3Esvc:b": "edge", "edge=mu:a%3Esvc:b%3Ec": "edge", "generation=0": "generation",
		"from=yesterday": "from", "to=2026-11-22": "to", "from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z": "to", "subjekt=mu:a": "subjekt",
		"action=%20": "action", "caller=%20": "caller",
	} {
		for _, path := range []string{api.PathDecisions, api.PathDecisionsExport} {
			expect(t, o.send("GET", path+"?"+query, ""), http.StatusBadRequest, field)
		}
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "cursor=": "cursor", "cursor=x": "cursor", "after=x": "after", "after=": "after", "after=1&wait_s=61": "wait_s",
		"wait_s=1": "wait_s", "after=1&cursor=1": "cursor",
	} {
		expect(t, o.send("GET", "/v1/decisions?"+query, ""), http.StatusBadRequest, field)
	}
	expect(t, o.send("GET", "/v1/decisions/export?limit=1", ""), http.StatusBadRequest, "limit")
	expect(t, o.send("POST", "/v1/decisions/verify?from=1", ""), http.StatusBadRequest, "from")
	expect(t, o.send("GET", "/v1/decisions/d1?explain=reasons", ""), http.StatusBadRequest, "explain")
	expect(t, o.send("GET", "/v1/decisions/d1?full=1", ""), http.StatusBadRequest, "full")
	expect(t, o.send("GET", "/v1/decisions/-", ""), http.StatusBadRequest, "id")
	expect(t, o.send("GET", "/v1/decisions/none", ""), http.StatusNotFound, "")
}

// Every filter reaches the log as it was meant.
func TestRecordFilter(t *testing.T) {
	seen := make(chan authz.RecordFilter, 1)
	o := start(t, func(c *servertest.Config) { c.Admin.Decisions = filtered{c.Admin.Decisions, seen} })
	const query = "outcome=deny&code=AUTH_TOO_WEAK&guard=assurance&subject=mu:a&service=svc:b&action=email.send&caller=key-1&edge=mu:a%3Esvc:b" +
		"&generation=17&from=2026-11-22T10:00:00.5%2B01:00&to=2026-11-22T10:00:00Z"
	expect(t, o.send("GET", "/v1/decisions?"+query, ""), http.StatusOK, "")
	want := authz.RecordFilter{
		Outcome: "deny", Code: "AUTH_TOO_WEAK", Guard: "assurance", Subject: "mu:a", Service: "svc:b", Action: "email.send", Caller: "key-1", Edge: "mu:a>svc:b",
		Generation: 17, From: time.Date(2026, 11, 22, 9, 0, 0, 5e8, time.UTC), To: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, <-seen); diff != "" {
		t.Error(diff)
	}
}

type filtered struct {
	admin.Decisions
	seen chan<- authz.RecordFilter
}

func (f filtered) List(ctx context.Context, filter authz.RecordFilter, cursor string, limit int) (authz.RecordPage, error) {
	f.seen <- filter
	return f.Decisions.List(ctx, filter, cursor, limit)
}

func TestTail(t *testing.T) {
	o := logged(t, 2, nil)
	for after, want := range map[string]string{"0": "d1", "1": "d2"} {
		page := read[authz.RecordPage](t, o.send("GET", "/v1/decisions?after="+after, ""))
		if diff := cmp.Diff([]string{want}, idsOf(page.Items)); diff != "" || page.NextCursor != "" || page.Head != 2 {
			t.Errorf(`got page %+v, diff %s; want no diff, NextCursor "", Head 2`, page, diff)
		}
	}
	// A page may be empty before the head: next_after says how far it looked.
	if page := read[authz.RecordPage](t, o.send("GET", "/v1/decisions?after=0&service=svc:b", "")); len(page.Items) != 0 || page.NextAfter != 1 {
		t.Errorf("got %+v; want no Items, NextAfter 1", page)
	}
	// With a wait it looks on by itself.
	if page := read[authz.RecordPage](t, o.send("GET", "/v1/decisions?after=0&service=svc:b&wait_s=60", "")); page.NextAfter != 2 || len(page.Items) != 1 {
		t.Errorf("got %+v; want NextAfter 2, len(Items) 1", page)
	}
}

// tailing is a call for records of svc:b after the last of three.
func tailing(t *testing.T) (o operator, call servertest.Call, awaiting <-chan uint64) {
	waits := make(chan uint64, 100)
	o = logged(t, 3, func(c *servertest.Config) { c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond })
	o.Records.Awaiting = waits
	return o, o.call(authz.RoleReview, "GET", "/v1/decisions?after=3&wait_s=60&service=svc:b", ""), waits
}

func TestTailWaits(t *testing.T) {
	o, call, awaiting := tailing(t)
	answers := o.later(t, call)
	if after := <-awaiting; after != 3 {
		t.Errorf("awaits what is after %d", after)
	}
	o.Records.Keep(recordOf("other", "svc:a")) // not what is waited for
	if after := <-awaiting; after != 4 {
		t.Errorf("awaits what is after %d", after)
	}
	o.Records.Keep(recordOf("mine", "svc:b"))
	page := read[authz.RecordPage](t, <-answers)
	if diff := cmp.Diff([]string{"mine"}, idsOf(page.Items)); diff != "" || page.NextAfter != 5 {
		t.Errorf("got page %+v, diff %s; want no diff, NextAfter 5", page, diff)
	}
}

func TestTailInVain(t *testing.T) {
	o, call, _ := tailing(t)
	call.URL = strings.Replace(call.URL, "wait_s=60", "wait_s=1", 1)
	if page := read[authz.RecordPage](t, o.Do(call)); len(page.Items) != 0 || page.NextAfter != 3 {
		t.Errorf("got %+v; want no Items, NextAfter 3", page)
	}
}

func TestShutdownEndsTail(t *testing.T) {
	o, call, awaiting := tailing(t)
	answers := o.later(t, call)
	<-awaiting
	o.Stop()
	if page := read[authz.RecordPage](t, <-answers); len(page.Items) != 0 || page.NextAfter != 3 {
		t.Errorf("got %+v; want no Items, NextAfter 3", page)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func TestTailEndsWithItsCaller(t *testing.T) {
	o, call, awaiting := tailing(t)
	hangUp := make(chan struct{})
	go func() {
		<-awaiting
		close(hangUp)
	}()
	o.leave(t, hangUp, call)
}

func TestShownRecord(t *testing.T) {
	o := logged(t, 1, nil)
	plain := o.send("GET", "/v1/decisions/d1", "")
	if shown := read[api.ShownRecord](t, plain); shown.Record.ID != "d1" || shown.Explanation != nil || !strings.HasSuffix(plain.Body, `"explanation":null}`) {
		t.Error(plain.Body)
	}
	o.Records.Explanation = &authz.Explanation{
		Guards: []authz.GuardTrace{{Guard: "network", Rules: []authz.RuleTrace{{Name: "data.guards.network.deny", Code: "C", File: "n.rego", Line: 3, Outcome: authz.RuleHeld}}}},
		Rules:  []authz.RuleTrace{}, Facts: []authz.FactRead{{Collection: authz.Users, Key: "u"}}, Needs: [][]authz.Need{{{Code: "C", Guard: "network"}}},
	}
	o.Records.Note = "judged with the data of now"
	shown := read[api.ShownRecord](t, o.as(authz.RoleReview, "GET", "/v1/decisions/d1?explain=full", ""))
	if diff := cmp.Diff(o.Records.Explanation, shown.Explanation); diff != "" || shown.Note != o.Records.Note {
		t.Errorf("got shown.Note %q, diff %s; want no diff, shown.Note %q", shown.Note, diff, o.Records.Note)
	}
	o.Records.Err = authz.Errorf(authz.CodeUnavailable, "busy")
	expect(t, o.send("GET", "/v1/decisions/d1?explain=full", ""), http.StatusServiceUnavailable, "")
}

func TestExportRecords(t *testing.T) {
	o := logged(t, 2000, nil)
	export := o.as(authz.RoleReview, "GET", "/v1/decisions/export?service=svc:b", "")
	lines := strings.Split(strings.TrimSuffix(export.Body, "\n"), "\n")
	if export.Header.Get("Content-Type") != api.TypeNDJSON || len(lines) != 1000 {
		t.Fatalf("%v %d lines", export.Header, len(lines))
	}
	if err := servertest.ValidateAs("Record", []byte(lines[0])); err != nil {
		t.Errorf("%s: got error %v; want no error", lines[0], err)
	}
	var last authz.Record
	if err := json.Unmarshal([]byte(lines[999]), &last); err != nil || last.Seq != 2000 {
		t.Errorf("%s: got error %v; want no error, last.Seq 2000", lines[999], err)
	}
	if none := start(t, nil).send("GET", "/v1/decisions/export", ""); none.Status != http.StatusOK || none.Body != "" || none.Header.Get("Content-Type") != api.TypeNDJSON {
		t.Errorf(`got none.Status %d, none.Header %v, none.Body %s; want none.Status 200, none.Body "", none.Header.Get("Content-Type") "application/x-ndjson"`, none.Status, none.Header, none.Body)
	}
}

// An export that fails half way must not look like a whole one.
func TestExportOfRecordsThatFails(t *testing.T) {
	o := logged(t, 2000, nil)
	o.Records.Err = errors.New("disk on fire")
	if answer, err := o.Try(o.call(authz.RoleReview, "GET", "/v1/decisions/export", "")); err == nil {
		t.Errorf("the client got %d with %d bytes as if nothing had happened", answer.Status, len(answer.Body))
	}
	small := logged(t, 1, nil)
	small.Records.Err = errors.New("disk on fire")
	expect(t, small.send("GET", "/v1/decisions/export", ""), http.StatusInternalServerError, "")
}

func TestVerifyRecords(t *testing.T) {
	o := logged(t, 1, nil)
	o.Records.Report = authz.VerifyReport{From: 1, To: 9, Records: 8, HeadHash: "ab", Problems: []string{"5: is missing"}}
	if answer := o.as(authz.RoleReview, "POST", "/v1/decisions/verify", ""); !strings.Contains(answer.Body, "5: is missing") {
		t.Errorf(`got status %d, body %s; want body with "5: is missing"`, answer.Status, answer.Body)
	}
	begun := make(chan struct{}, 1)
	o.Records.Busy = untilDone(begun)
	answers := o.later(t, o.call(authz.RoleReview, "POST", "/v1/decisions/verify", ""))
	<-begun
	o.Stop()
	if answer := <-answers; answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, "shutting down") {
		t.Errorf(`got status %d, body %s; want status 503, body with "shutting down"`, answer.Status, answer.Body)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}
