package sink_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
)

// What a file was sent of a real log, over a restart, verifies as a chain.
func TestFileOfARealLogVerifies(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "decisions.jsonl")
	for run := range 2 {
		recordAndSend(t, dir, path, run)
	}
	report, err := decisionlog.VerifyLines(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK || report.From != 1 || report.To != 604 || report.Records != 604 || report.Changes != 4 {
		t.Errorf("report %+v, want 604 records that hold together, 4 of changes", report)
	}
}

// recordAndSend makes 300 decisions and a change, and ends when all are in the file.
func recordAndSend(t *testing.T, dir, path string, run int) {
	t.Helper()
	log, err := decisionlog.Open(decisionlog.Config{
		Dir: dir, Durability: authz.Spool,
		Input: func(q authz.Question) ([]byte, error) {
			return fmt.Appendf(nil, `{"subject":{"id":%q},"time":%q}`, q.Subject.ID, q.Time.Format(time.RFC3339Nano)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := sink.New(sink.Config{Name: "file", Sink: newFile(t, path), Log: log, Cursors: log, Batch: 70, Linger: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	change := authz.AuditedChange{ID: fmt.Sprint("c-", run), Kind: authz.ChangeMode, Outcome: authz.ChangePending, By: authz.Node()}
	if err := log.Announce(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if err := log.Record(t.Context(), []authz.Entry{decided(fmt.Sprintf("d-%d-%d", run, i))}); err != nil {
			t.Fatal(err)
		}
	}
	change.Outcome = authz.ChangeMade
	if err := log.Settle(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	for end := time.After(20 * time.Second); runner.Stats().LagRecords > 0 || runner.Stats().Sent < 302; {
		select {
		case <-end:
			t.Fatalf("waited in vain: %+v", runner.Stats())
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(uint64(302), runner.Stats().Sent); diff != "" {
		t.Error(diff)
	}
}

func decided(id string) authz.Entry {
	return authz.Entry{
		Question: authz.Question{
			Subject: authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:user-svc"}, Action: authz.Action{Name: "email.send"},
			Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"}, Time: time.Unix(1_790_000_000, 0).UTC(),
		},
		Judged:   true,
		Decision: authz.Decision{ID: id, Outcome: authz.Allow, Reasons: []authz.Reason{}, Subject: "mu:user-svc"},
		Caller:   "pep-1",
	}
}

// BenchmarkSend is what 500 records cost on our side.
func BenchmarkSend(b *testing.B) {
	records := make([]authz.Record, 500)
	for i := range records {
		records[i] = decision(uint64(i + 1))
	}
	file, err := sink.NewFile(filepath.Join(b.TempDir(), "decisions.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	to := sink.Endpoint{URL: "http://127.0.0.1:1", Transport: accepting{}}
	opa, err := sink.NewOPA(to, map[string]string{"id": "node-1"})
	if err != nil {
		b.Fatal(err)
	}
	otlp, err := sink.NewOTLP(to, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, to := range []struct {
		name string
		sink sink.Sink
	}{{"stream", sink.NewStream(io.Discard)}, {"file", file}, {"opa", opa}, {"otlp", otlp}} {
		b.Run(to.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := to.sink.Send(b.Context(), records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// accepting is a collector without a network that takes everything.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, r.Body.Close()
}
