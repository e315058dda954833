package sink_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	opalogs "github.com/open-policy-agent/opa/v1/plugins/logs"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
)

// posted is one request as a collector got it.
type posted struct {
	Path, ContentType, Authorization string
	Body                             []byte
}

// collect starts a collector that keeps what it was sent and answers with answer.
func collect(t *testing.T, answer http.HandlerFunc) (s *httptest.Server, got func() []posted) {
	t.Helper()
	var mu sync.Mutex
	var all []posted
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s with content encoding %q", r.Method, r.Header.Get("Content-Encoding"))
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		all = append(all, posted{r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), body})
		mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s, func() []posted {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func newOPA(t *testing.T, to sink.Endpoint, labels map[string]string) *sink.OPA {
	t.Helper()
	s, err := sink.NewOPA(to, labels)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sends(t *testing.T, s sink.Sink, records ...authz.Record) {
	t.Helper()
	if err := s.Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func TestOPAEventsAreAsOPAReadsThem(t *testing.T) {
	server, got := collect(t, nil)
	denied := decision(2)
	denied.Decision, denied.Subject = authz.Deny, ""
	denied.Input = json.RawMessage(`{"context":{"note":"[masked]","list":[1]},"a/b":1}`)
	denied.Masked = []string{"/input/context/list/1", "/input/context/note", "/input/context/password", "/input/a~1b"}
	unmasked := decision(3)
	unmasked.Input, unmasked.InputError = nil, "the mask failed"
	loss := authz.Record{Seq: 4, Kind: authz.RecordLoss, At: time.Unix(1_790_000_009, 0).UTC(), Lost: 12, Hash: "h"}
	s := newOPA(t, sink.Endpoint{URL: server.URL + "/opa/"}, map[string]string{"id": "node-1", "version": "1.2"})
	sends(t, s, decision(1), denied, unmasked, loss)

	if len(got()) != 1 || got()[0].Path != "/opa/logs" || got()[0].ContentType != "application/json" || got()[0].Authorization != "" {
		t.Fatalf("requests %+v, want one to /opa/logs without a token", got())
	}
	var events []opalogs.EventV1
	if err := json.Unmarshal(got()[0].Body, &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 4 {
		t.Fatalf("%d events, want 4", len(events))
	}
	first := events[0]
	if _, err := first.AST(); err != nil { // what OPA's masks and drops would see
		t.Error(err)
	}
	var input, result any = map[string]any{"subject": map[string]any{"id": "mu:user-svc"}}, map[string]any{"decision": "allow"}
	want := opalogs.EventV1{
		Labels: map[string]string{"id": "node-1", "version": "1.2"}, DecisionID: "d-1", Path: "verdict/decision",
		Bundles: map[string]opalogs.BundleInfoV1{"verdict": {Revision: "4"}}, Input: &input, Result: &result,
		RequestedBy: "pep-1", Timestamp: time.Unix(1_790_000_000, 5).UTC(),
		Metrics: map[string]any{"timer_server_handler_ns": 210_000.0},
		Custom: map[string]any{
			"seq": 1.0, "kind": "decision", "decision": "allow", "subject": "mu:user-svc", "action": "email.send", "service": "svc:email",
			"policy_digest": "sha256:ab", "data_revision": 77.0, "judged": true, "durability": "spool",
			"prev": strings.Repeat("a", 64), "hash": strings.Repeat("b", 64),
		},
	}
	if diff := cmp.Diff(asJSON(t, want), asJSON(t, first)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/input/context/list/1", "/input/context/password"}, events[1].Erased); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/input/context/note", "/input/a~1b"}, events[1].Masked); diff != "" {
		t.Error(diff)
	}
	if events[1].Custom["decision"] != "deny" {
		t.Errorf("custom %v", events[1].Custom)
	}
	if events[2].Input != nil || events[2].Custom["input_error"] != "the mask failed" {
		t.Errorf("input %v, custom %v", events[2].Input, events[2].Custom)
	}
	if e := events[3]; e.DecisionID != "loss-4" || e.Path != "" || e.Bundles != nil || e.Custom["lost"] != 12.0 || e.Custom["decision"] != nil {
		t.Errorf("event of a loss: %+v, want its id and how many were lost alone", e)
	}
}

func asJSON(t *testing.T, event opalogs.EventV1) map[string]any {
	t.Helper()
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestOTLPLogs(t *testing.T) {
	server, got := collect(t, nil)
	s, err := sink.NewOTLP(sink.Endpoint{URL: server.URL}, map[string]string{"service.instance.id": "node-1"})
	if err != nil {
		t.Fatal(err)
	}
	anonymous := decision(1)
	anonymous.Subject = ""
	sends(t, s, anonymous, authz.Record{Seq: 2, Kind: authz.RecordLoss, At: time.Unix(9, 0).UTC(), Lost: 12})
	if len(got()) != 1 || got()[0].Path != "/v1/logs" || got()[0].ContentType != "application/x-protobuf" {
		t.Fatalf("requests %+v, want one of protobuf to /v1/logs", got())
	}
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(got()[0].Body, &request); err != nil {
		t.Fatal(err)
	}
	if len(request.ResourceLogs) != 1 || len(request.ResourceLogs[0].ScopeLogs) != 1 {
		t.Fatal(&request)
	}
	if diff := cmp.Diff([]*common.KeyValue{text("service.instance.id", "node-1"), text("service.name", "verdict")},
		request.ResourceLogs[0].Resource.Attributes, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	records := request.ResourceLogs[0].ScopeLogs[0].LogRecords
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	var body authz.Record
	if err := json.Unmarshal([]byte(records[0].Body.GetStringValue()), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(anonymous, body); diff != "" {
		t.Error(diff)
	}
	if r := records[0]; r.TimeUnixNano != 1_790_000_000_000_000_005 || r.SeverityText != "INFO" || r.EventName != "verdict.decision" {
		t.Error(r)
	}
	if diff := cmp.Diff([]*common.KeyValue{
		text("verdict.action", "email.send"), text("verdict.caller", "pep-1"), number("verdict.data_revision", 77),
		text("verdict.decision", "allow"), text("verdict.decision_id", "d-1"), number("verdict.latency_us", 210),
		text("verdict.policy.digest", "sha256:ab"), number("verdict.policy.generation", 4), number("verdict.seq", 1),
		text("verdict.service", "svc:email"),
	}, records[0].Attributes, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if r := records[1]; r.SeverityText != "WARN" || r.EventName != "verdict.loss" {
		t.Error(r)
	}
}

// changed is the record of a change, or of its intent.
func changed(seq uint64, kind, outcome string) authz.Record {
	at := time.Unix(1_790_000_000, 7).UTC()
	return authz.Record{Seq: seq, Kind: kind, At: at, Durability: authz.Required, Change: &authz.AuditedChange{
		ID: "c-1", Kind: authz.ChangePut, Outcome: outcome, At: at, By: authz.Author{Key: "key-1"},
		Collection: "services", Key: "svc:email", Revision: 9, Number: 4,
	}}
}

func TestOTLPOfChanges(t *testing.T) {
	server, got := collect(t, nil)
	s, err := sink.NewOTLP(sink.Endpoint{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := changed(3, authz.RecordChange, authz.ChangeFailed)
	sends(t, s, changed(1, authz.RecordIntent, authz.ChangePending), changed(2, authz.RecordChange, authz.ChangeMade), failed,
		authz.Record{Seq: 4, Kind: authz.RecordChange, At: failed.At, Withheld: true})
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(got()[0].Body, &request); err != nil {
		t.Fatal(err)
	}
	records := request.ResourceLogs[0].ScopeLogs[0].LogRecords
	var names []string
	for _, r := range records {
		names = append(names, r.EventName+" "+r.SeverityText)
	}
	if diff := cmp.Diff([]string{"verdict.intent INFO", "verdict.change INFO", "verdict.change WARN", "verdict.change INFO"}, names); diff != "" {
		t.Errorf("events: want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]*common.KeyValue{
		text("verdict.change.by", "key-1"), text("verdict.change.collection", "services"), text("verdict.change.id", "c-1"),
		text("verdict.change.key", "svc:email"), text("verdict.change.kind", "entity.put"), number("verdict.change.number", 4),
		text("verdict.change.outcome", "made"), number("verdict.data_revision", 9), number("verdict.policy.generation", 0), number("verdict.seq", 2),
	}, records[1].Attributes, protocmp.Transform()); diff != "" {
		t.Errorf("attributes: want -, got +\n%s", diff)
	}
	if diff := cmp.Diff([]*common.KeyValue{number("verdict.seq", 4)}, records[3].Attributes, protocmp.Transform()); diff != "" {
		t.Errorf("attributes of a withheld one: want -, got +\n%s", diff)
	}
	var body authz.Record
	if err := json.Unmarshal([]byte(records[2].Body.GetStringValue()), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(failed, body); diff != "" {
		t.Errorf("body: want -, got +\n%s", diff)
	}
}

// TestOPALeavesChangesOut: neither a batch with changes among it nor one of nothing
// else sends any.
func TestOPALeavesChangesOut(t *testing.T) {
	server, got := collect(t, nil)
	s := newOPA(t, sink.Endpoint{URL: server.URL}, nil)
	intent, change := changed(1, authz.RecordIntent, authz.ChangePending), changed(3, authz.RecordChange, authz.ChangeMade)
	sends(t, s, intent, change)
	if len(got()) != 0 {
		t.Errorf("want nothing sent, got %d requests", len(got()))
	}
	sends(t, s, intent, decision(2), change, decision(4))
	var events []opalogs.EventV1
	if err := json.Unmarshal(got()[0].Body, &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].DecisionID != "d-2" || events[1].DecisionID != "d-4" {
		t.Errorf("want d-2 and d-4, got %+v", events)
	}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

func TestOTLPPartialSuccess(t *testing.T) {
	tests := map[string]struct {
		rejected int64
		message  string
		want     int
	}{
		"one rejected":     {rejected: 1, message: "Bearer abc", want: 1},
		"more than sent":   {rejected: 99, want: 2},
		"only a warning":   {message: "slow down"},
		"a negative count": {rejected: -3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, _ := collect(t, func(w http.ResponseWriter, _ *http.Request) {
				answer, err := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{
					RejectedLogRecords: test.rejected, ErrorMessage: test.message,
				}})
				if err != nil {
					t.Error(err)
				}
				writes(t, w, answer)
			})
			s, err := sink.NewOTLP(sink.Endpoint{URL: server.URL}, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Send(t.Context(), []authz.Record{decision(1), decision(2)})
			var partial *sink.Partial
			switch {
			case test.want == 0 && err != nil:
				t.Error(err)
			case test.want > 0 && (!errors.As(err, &partial) || partial.Rejected != test.want || strings.Contains(err.Error(), "abc")):
				t.Errorf("%v, want %d rejected", err, test.want)
			}
		})
	}
}

func writes(t *testing.T, w io.Writer, body []byte) {
	t.Helper()
	if _, err := w.Write(body); err != nil {
		t.Error(err)
	}
}

func TestOTLPRefusesTextThatIsNotUTF8(t *testing.T) {
	server, got := collect(t, nil)
	s, err := sink.NewOTLP(sink.Endpoint{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := decision(1)
	bad.Service = "svc:\xff"
	if err := s.Send(t.Context(), []authz.Record{bad}); !errors.Is(err, sink.ErrRefused) || len(got()) != 0 {
		t.Errorf("%v, %d requests", err, len(got()))
	}
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	const told = "the server quotes Bearer s3cret"
	tests := map[string]struct {
		answer  http.HandlerFunc
		refused bool
		says    string
	}{
		"400": {status(400), true, "400"},
		"413": {status(413), true, "413"},
		"422": {status(422), true, "422"},
		"401": {status(401), false, "token"},
		"403": {status(403), false, "token"},
		"404": {status(404), false, "404"},
		"429": {status(429), false, "429"},
		"500": {status(500), false, "500"},
		"304": {status(304), false, "304"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, false, "307"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			writes(t, w, make([]byte, 65<<10))
		}, false, "longer than"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			writes(t, w, []byte(told))
			panic(http.ErrAbortHandler)
		}, false, "the connection broke"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, got := collect(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Told", told)
				test.answer(w, r)
			})
			err := newOPA(t, sink.Endpoint{URL: server.URL}, nil).Send(t.Context(), []authz.Record{decision(1)})
			if err == nil || errors.Is(err, sink.ErrRefused) != test.refused || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want refused %v, saying %q", err, test.refused, test.says)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v quotes the server", err)
			}
			if len(got()) != 1 || got()[0].Path != "/logs" {
				t.Errorf("asked %+v", got())
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if code == http.StatusNotModified {
			return
		}
		if _, err := io.WriteString(w, "Bearer s3cret"); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func TestServerThatHangsOrIsGone(t *testing.T) {
	hang := make(chan struct{})
	server, _ := collect(t, func(http.ResponseWriter, *http.Request) { <-hang })
	to := sink.Endpoint{URL: server.URL, Timeout: 20 * time.Millisecond}
	err := newOPA(t, to, nil).Send(t.Context(), []authz.Record{decision(1)})
	if err == nil || err.Error() != "no answer within 20ms" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newOPA(t, sink.Endpoint{URL: server.URL}, nil).Send(ctx, []authz.Record{decision(1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hang)
	server.Close()
	err = newOPA(t, to, nil).Send(t.Context(), []authz.Record{decision(1)})
	if err == nil || !strings.Contains(err.Error(), "refused") || errors.Is(err, sink.ErrRefused) {
		t.Errorf("%v, want a refused connection", err)
	}
}

func TestUnknownCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	err := newOPA(t, sink.Endpoint{URL: server.URL}, nil).Send(t.Context(), []authz.Record{decision(1)})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("%v, want it to name the certificate", err)
	}
}

func TestTokenIsReadForEachRequest(t *testing.T) {
	server, got := collect(t, nil)
	path := filepath.Join(t.TempDir(), "token")
	s := newOPA(t, sink.Endpoint{URL: server.URL, TokenFile: path}, nil)
	for _, token := range []string{"one-1\n", " two.2"} {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		sends(t, s, decision(1))
	}
	if got()[0].Authorization != "Bearer one-1" || got()[1].Authorization != "Bearer two.2" {
		t.Errorf("requests %+v, want the token of the file as it was at each", got())
	}
	for name, content := range map[string]string{"empty": " \n", "two words": "tok s3cret", "a header": "a\r\nX-B: s3cret", "long": strings.Repeat("s3cret", 4000)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), []authz.Record{decision(1)}); err == nil || strings.Contains(err.Error(), "s3cret") || errors.Is(err, sink.ErrRefused) {
			t.Errorf("%s: error %v, want one without the token, to be tried again", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), []authz.Record{decision(1)}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if len(got()) != 2 {
		t.Errorf("%d requests, want 2", len(got()))
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	for _, url := range []string{"", "http://logs.example", "ftp://127.0.0.1", "https://u:p@logs.example", "://"} {
		_, opa := sink.NewOPA(sink.Endpoint{URL: url}, nil)
		_, otlp := sink.NewOTLP(sink.Endpoint{URL: url}, nil)
		for _, err := range []error{opa, otlp} {
			var fault *authz.Error
			if !errors.As(err, &fault) || fault.Field != "url" {
				t.Errorf("URL %q: error %v, want one of the field url", url, err)
			}
		}
	}
}

// A collector that is away for a while, and refuses one record, gets all others, in
// order.
func TestRunnerAndCollectorTogether(t *testing.T) {
	var asked atomic.Int64
	taken := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		var events []opalogs.EventV1
		if err := json.NewDecoder(z).Decode(&events); err != nil {
			t.Error(err)
			return
		}
		if asked.Add(1) <= 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for _, e := range events {
			if e.DecisionID == "d-6" {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
		}
		for _, e := range events {
			taken <- e.DecisionID
		}
	}))
	t.Cleanup(server.Close)
	log := newMemory(9)
	st := start(t, log, nil, sink.Config{
		Name: "test", Sink: newOPA(t, sink.Endpoint{URL: server.URL}, nil), Log: log, Cursors: log,
		Batch: 4, Linger: -1, MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond,
	})
	for _, want := range []string{"d-1", "d-2", "d-3", "d-4", "d-5", "d-7", "d-8", "d-9"} {
		select {
		case got := <-taken:
			if got != want {
				t.Fatalf("%s arrived, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("waited in vain for %s", want)
		}
	}
	st.end()
	if got := st.runner.Stats(); got.Sent < 4 || got.Skipped != 1 || got.Failed != 3 {
		t.Errorf("stats %+v, want 4 sent at least, 1 skipped and 3 failures", got)
	}
}
