package test

import (
	"io"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// BenchmarkReplay replays b.N recorded decisions over HTTP, against the generation
// that made them: with -benchtime 100000x, a hundred thousand.
func BenchmarkReplay(b *testing.B) {
	p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	g := p.Push("acme", pdptest.Acme("bench", "acme.never"))
	classes := []string{"invoice.issued", "marketing.news", "report.monthly"}
	var batch authz.Batch
	for i := range authz.MaxBatch {
		batch.Items = append(batch.Items, authz.Request{
			Caller:   authz.Caller{ID: "bench", Roles: []authz.Role{authz.RoleDecide}},
			Evidence: authz.Evidence{Token: p.Token("mu:user-svc")},
			Action:   authz.Action{Name: "email.send"},
			Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email", Properties: map[string]any{"recipient": "u-ana", "message_class": classes[i%len(classes)]}},
			Context:  map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
		})
	}
	for left := b.N; left > 0; left -= len(batch.Items) {
		batch.Items = batch.Items[:min(left, len(batch.Items))]
		if _, err := p.DecideBatch(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	for _, against := range []struct {
		name    string
		request api.ReplayRequest
	}{
		{"recorded data", api.ReplayRequest{Last: b.N, Generation: g.Number}},
		{"data of now", api.ReplayRequest{Last: b.N, Generation: g.Number, Data: api.DataNow}},
	} {
		b.ResetTimer()
		report := p.Replay(against.request)
		b.StopTimer()
		if report.Compared != uint64(b.N) || report.Flips() != 0 {
			b.Fatalf("%d compared, %d flips, skipped %v", report.Compared, report.Flips(), report.Skipped)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s-"+against.name[:4])
		b.Logf("%s: %d records in %d ms", against.name, report.Compared, report.TookMS)
	}
}
