package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// replaying is a server whose replay is run, on a clock that goes on a second
// with every look at it.
func replaying(t *testing.T, run func(context.Context, servertest.ReplayRun) (authz.Comparison, error)) operator {
	o := start(t, func(c *servertest.Config) {
		c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
		c.Admin.BundleLimit = 100
		now := servertest.Now
		c.Admin.Now = func() time.Time {
			now = now.Add(time.Second)
			return now
		}
	})
	o.Replays.Run = run
	return o
}

// part is one part of a form.
type part struct{ name, text string }

// form is a body of parts, and its media type.
func form(t *testing.T, parts ...part) (body, contentType string) {
	t.Helper()
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for _, p := range parts {
		field, err := w.CreateFormField(p.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(field, p.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String(), w.FormDataContentType()
}

// replay sends a replay as an author: JSON, or a form.
func (o operator) replay(body, contentType string) servertest.Answer {
	return o.as(authz.RoleAuthor, "POST", api.PathReplay, body, "Content-Type", contentType)
}

// linesOf holds the lines of an answer against the document.
func linesOf(t *testing.T, answer servertest.Answer) []api.ReplayLine {
	t.Helper()
	if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != api.TypeNDJSON {
		t.Fatalf(`got status %d, answer.Header %v, body %s; want status 200, answer.Header.Get("Content-Type") "application/x-ndjson"`, answer.Status, answer.Header, answer.Body)
	}
	var lines []api.ReplayLine
	for text := range strings.Lines(answer.Body) {
		if err := servertest.ValidateAs("ReplayLine", []byte(text)); err != nil {
			t.Errorf("%s: got error %v; want no error", text, err)
		}
		var line api.ReplayLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

var report = authz.Comparison{Policy: authz.PolicyRef{Generation: 2, Digest: "sha256:ab"}, Compared: 5000, AllowToDeny: 9, DenyToAllow: 3}

func TestReplay(t *testing.T) {
	var asked servertest.ReplayRun
	o := replaying(t, func(_ context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		asked = run
		run.Progress(0, 5000)
		run.Progress(2500, 5000)
		return report, nil
	})
	const request = `{"filter":{"service":"svc:email","from":"2026-11-01T00:00:00Z"},"last":5000,"generation":2,"data":"4815"}`
	want := []api.ReplayLine{
		{Progress: &api.ReplayProgress{Done: 0, Total: 5000}},
		{Progress: &api.ReplayProgress{Done: 2500, Total: 5000}},
		{Report: &report},
	}
	if diff := cmp.Diff(want, linesOf(t, o.replay(request, api.TypeJSON))); diff != "" {
		t.Error(diff)
	}
	wanted := api.ReplayRequest{
		Filter: api.RecordFilter{Service: "svc:email", From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		Last:   5000, Generation: 2, Data: "4815",
	}
	if diff := cmp.Diff(wanted, asked.Request); diff != "" || asked.Bundle != nil || asked.Records != nil {
		t.Errorf("got asked %+v, diff %s; want no diff, Bundle nil, Records nil", asked, diff)
	}
}

// Progress is told now and then, not for every call.
func TestReplayTellsProgressNowAndThen(t *testing.T) {
	o := start(t, func(c *servertest.Config) { c.Admin.Now = func() time.Time { return servertest.Now } })
	o.Replays.Run = func(_ context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		for i := range uint64(1000) {
			run.Progress(i, 1000)
		}
		return report, nil
	}
	if lines := linesOf(t, o.replay(`{}`, api.TypeJSON)); len(lines) != 2 || lines[1].Report == nil {
		t.Errorf("%d lines", len(lines))
	}
}

// Lines arrive while the replay goes on, and it outlasts the timeouts of the
// listener.
func TestReplayStreams(t *testing.T) {
	seen := make(chan struct{})
	o := replaying(t, func(ctx context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		run.Progress(1, 2)
		<-seen
		waiting, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		<-waiting.Done()
		return report, ctx.Err()
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.Admin()+api.PathReplay, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", api.TypeJSON)
	request.Header.Set("Authorization", "Bearer "+o.Key(authz.RoleAuthor))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	if first, err := lines.ReadString('\n'); err != nil || first != `{"progress":{"done":1,"total":2}}`+"\n" {
		t.Errorf("got first %q, error %v; want no error, first \"{\\\"progress\\\":{\\\"done\\\":1,\\\"total\\\":2}}\\n\"", first, err)
	}
	close(seen)
	rest, err := io.ReadAll(lines)
	if err := errors.Join(err, response.Body.Close()); err != nil || !strings.HasPrefix(string(rest), `{"report":`) {
		t.Errorf("got rest %q, error %v; want no error, rest beginning `{\"report\":`", rest, err)
	}
}

// What fails before the first line is a problem; what fails later is the last line.
func TestReplayThatFails(t *testing.T) {
	told := false
	o := replaying(t, func(_ context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		if told {
			run.Progress(1, 2)
		}
		return authz.Comparison{}, &authz.Error{Code: authz.CodeGone, Field: "data", Message: "is no longer kept", Cause: errors.New("compacted")}
	})
	expect(t, o.replay(`{}`, api.TypeJSON), http.StatusGone, "data")
	told = true
	lines := linesOf(t, o.replay(`{}`, api.TypeJSON))
	if len(lines) != 2 || lines[1].Error == nil || lines[1].Error.Status != http.StatusGone || lines[1].Error.Field != "data" {
		t.Fatalf(`got %+v; want len(lines) 2, lines[1].Error, lines[1].Error.Status 410, lines[1].Error.Field "data"`, lines)
	}
	if !strings.Contains(o.Log.String(), "request_id="+lines[1].Error.RequestID) || !strings.Contains(o.Log.String(), "status=200 ") || !strings.Contains(o.Log.String(), "code=gone") {
		t.Error(o.Log)
	}
}

// A fault of ours that is told in the last line is logged as one, with its cause.
func TestReplayThatFailsOfOurs(t *testing.T) {
	o := replaying(t, func(_ context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		run.Progress(1, 2)
		return authz.Comparison{}, errors.New("disk on fire")
	})
	answer := o.replay(`{}`, api.TypeJSON)
	if lines := linesOf(t, answer); lines[1].Error == nil || lines[1].Error.Status != 500 || strings.Contains(answer.Body, "fire") {
		t.Error(answer.Body)
	}
	if log := o.Log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "disk on fire") {
		t.Error(log)
	}
}

func TestShutdownEndsReplay(t *testing.T) {
	begun := make(chan struct{}, 1)
	o := replaying(t, func(ctx context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		run.Progress(1, 2)
		return authz.Comparison{}, untilDone(begun)(ctx)
	})
	answers := o.later(t, o.call(authz.RoleAuthor, "POST", api.PathReplay, `{}`, "Content-Type", api.TypeJSON))
	<-begun
	o.Stop()
	lines := linesOf(t, <-answers)
	if last := lines[len(lines)-1]; last.Error == nil || last.Error.Status != http.StatusServiceUnavailable || !strings.Contains(last.Error.Detail, "shutting down") {
		t.Errorf(`got %+v; want last.Error, last.Error.Status 503, last.Error.Detail with "shutting down"`, lines)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func TestReplayEndsWithItsCaller(t *testing.T) {
	begun := make(chan struct{}, 1)
	o := replaying(t, func(ctx context.Context, _ servertest.ReplayRun) (authz.Comparison, error) {
		return authz.Comparison{}, untilDone(begun)(ctx)
	})
	body, contentType := form(t, part{"request", `{"bundle":"acme"}`}, part{"bundle", "x"})
	o.leave(t, begun, o.call(authz.RoleAuthor, "POST", api.PathReplay, body, "Content-Type", contentType))
}

// readAll is a replay that reads what was sent along and compares as many
// decisions as there were lines, with progress before and after.
func readAll(bundle *string) func(context.Context, servertest.ReplayRun) (authz.Comparison, error) {
	return func(_ context.Context, run servertest.ReplayRun) (authz.Comparison, error) {
		run.Progress(0, 0)
		if run.Bundle != nil {
			packed, err := io.ReadAll(run.Bundle)
			if err != nil {
				return authz.Comparison{}, err
			}
			*bundle = string(packed)
		}
		if run.Records == nil {
			return authz.Comparison{}, nil
		}
		records, err := io.ReadAll(run.Records)
		if err != nil {
			return authz.Comparison{}, err
		}
		compared := uint64(strings.Count(string(records), "\n"))
		run.Progress(compared, compared)
		return authz.Comparison{Compared: compared}, nil
	}
}

func TestReplayOfWhatIsSentAlong(t *testing.T) {
	const many = 100_000
	records := strings.Repeat("{\"seq\":1,\"kind\":\"decision\"}\n", many)
	tests := map[string]struct {
		parts    []part
		bundle   string
		compared uint64
		lines    int // of the answer
	}{
		"request":             {[]part{{"request", `{}`}}, "", 0, 2},
		"bundle":              {[]part{{"request", `{"bundle":"acme"}`}, {"bundle", "packed"}}, "packed", 0, 2},
		"records":             {[]part{{"request", `{}`}, {"records", records}}, "", many, 2},
		"bundle and records":  {[]part{{"request", `{"bundle":"acme"}`}, {"bundle", "packed"}, {"records", records}}, "packed", many, 2},
		"no records are none": {[]part{{"request", `{}`}, {"records", ""}}, "", 0, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var bundle string
			o := replaying(t, readAll(&bundle))
			lines := linesOf(t, o.replay(form(t, test.parts...)))
			last := lines[len(lines)-1]
			// No line of progress comes before the records are read.
			if len(lines) != test.lines || last.Report == nil || last.Report.Compared != test.compared || bundle != test.bundle || lines[0].Progress.Done != test.compared {
				t.Errorf("%+v, bundle %q", lines, bundle)
			}
		})
	}
}

func TestReplayRefuses(t *testing.T) {
	const ndjson = "{}\n"
	tests := map[string]struct {
		body   string // JSON, unless there are parts
		parts  []part
		status int
		field  string
	}{
		"last":               {body: `{"last":-1}`, status: 400, field: "last"},
		"last, too many":     {body: `{"last":10000001}`, status: 400, field: "last"},
		"generation":         {body: `{"generation":18446744073709551615}`, status: 400, field: "generation"},
		"data":               {body: `{"data":"then"}`, status: 400, field: "data"},
		"data revision 0":    {body: `{"data":"0"}`, status: 400, field: "data"},
		"filter":             {body: `{"filter":{"outcome":"perhaps"}}`, status: 400, field: "filter.outcome"},
		"filter's edge":      {body: `{"filter":{"edge":"a"}}`, status: 400, field: "filter.edge"},
		"unknown":            {body: `{"lats":1}`, status: 400, field: "lats"},
		"no bundle sent":     {body: `{"bundle":"acme"}`, status: 400, field: "bundle"},
		"no bundle in form":  {parts: []part{{"request", `{"bundle":"acme"}`}, {"records", ndjson}}, status: 400, field: "bundle"},
		"bundle without one": {parts: []part{{"request", `{}`}, {"bundle", "x"}}, status: 400, field: "bundle"},
		"bundle's name":      {parts: []part{{"request", `{"bundle":"-"}`}, {"bundle", "x"}}, status: 400, field: "bundle"},
		"two policies":       {parts: []part{{"request", `{"bundle":"a","generation":1}`}, {"bundle", "x"}}, status: 400, field: "generation"},
		"bundle too large":   {parts: []part{{"request", `{"bundle":"a"}`}, {"bundle", strings.Repeat("x", 101)}}, status: 413, field: "bundle"},
		"empty form":         {parts: []part{}, status: 400, field: "request"},
		"no request":         {parts: []part{{"records", ndjson}}, status: 400, field: "request"},
		"request late":       {parts: []part{{"bundle", "x"}, {"request", `{"bundle":"a"}`}}, status: 400, field: "request"},
		"records first":      {parts: []part{{"request", `{"bundle":"a"}`}, {"records", ndjson}, {"bundle", "x"}}, status: 400, field: "bundle"},
		"part after records": {parts: []part{{"request", `{}`}, {"records", ndjson}, {"records", ndjson}}, status: 400, field: "body"},
		"unknown part":       {parts: []part{{"request", `{}`}, {"record", ndjson}}, status: 400, field: "body"},
		"request at fault":   {parts: []part{{"request", `{"last":"1"}`}}, status: 400, field: "last"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var bundle string
			o := start(t, func(c *servertest.Config) { c.Admin.BundleLimit = 100 })
			o.Replays.Run = readAll(&bundle)
			body, contentType := test.body, api.TypeJSON
			if test.parts != nil {
				body, contentType = form(t, test.parts...)
			}
			expect(t, o.replay(body, contentType), test.status, test.field)
		})
	}
	o := start(t, nil)
	expect(t, o.replay(ndjson, api.TypeNDJSON), http.StatusUnsupportedMediaType, "Content-Type")
	expect(t, o.replay(ndjson, "multipart/form-data"), http.StatusBadRequest, "")
	expect(t, o.as(authz.RoleAuthor, "POST", "/v1/replay?last=1", `{}`), http.StatusBadRequest, "last")
}

// Records that break off are not taken for all there are.
func TestReplayOfRecordsThatBreakOff(t *testing.T) {
	var bundle string
	o := replaying(t, readAll(&bundle))
	whole, contentType := form(t, part{"request", `{}`}, part{"records", strings.Repeat("{}\n", 1000)})
	for _, cut := range []int{len(whole) - 4, len(whole) - 100, 300} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			answer := o.replay(whole[:cut], contentType)
			expect(t, answer, http.StatusBadRequest, "")
		})
	}
}
