package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// benchUsers are the sizes benchmarks run at. VERDICT_BENCH_USERS=1000000 adds
// the size this is all about; it imports for a minute or so first.
func benchUsers(b *testing.B) []int {
	sizes := []int{1_000}
	if text := os.Getenv("VERDICT_BENCH_USERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// populate adds n users, each entitled to its invoices, and returns how long the
// import took.
func populate(b *testing.B, p *pdptest.PDP, n int) time.Duration {
	r, w := io.Pipe()
	go func() {
		lines := bufio.NewWriterSize(w, 1<<16)
		for i := range n {
			fmt.Fprintf(lines, `{"collection":"users","entity":{"id":"u-%07d","tenant":"tiny-bakery","addresses":[{"id":"addr-%07d","purpose":"primary","verified":true}]}}`+"\n", i, i)
			fmt.Fprintf(lines, `{"collection":"entitlements","entity":{"holder":"user:u-%07d","feature":"email.invoice.issued"}}`+"\n", i)
		}
		w.CloseWithError(lines.Flush())
	}()
	began := time.Now()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.AdminURL()+api.PathImport, r)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+p.Operator())
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	var report api.ImportReport
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		b.Fatal(err)
	}
	if report.Failed > 0 || report.Written != 2*n {
		b.Fatalf("import: %+v", report)
	}
	return time.Since(began)
}

// question is one that n users can be the recipient of, at random.
func question(p *pdptest.PDP, token string, n int) authz.Request {
	return authz.Request{
		Caller:   authz.Caller{ID: "bench", Roles: []authz.Role{authz.RoleDecide}},
		Evidence: authz.Evidence{Token: token},
		Action:   authz.Action{Name: "email.send"},
		Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email", Properties: map[string]any{
			"recipient": fmt.Sprintf("u-%07d", rand.IntN(n)), "message_class": "invoice.issued",
		}},
		Context: map[string]any{"source_ip": "10.4.2.19", "env": "prod"},
	}
}

// BenchmarkDecide is one whole decision in process: verify (remembered), gather,
// evaluate, assemble, count. Its latency must not depend on how many users exist.
func BenchmarkDecide(b *testing.B) {
	for _, n := range benchUsers(b) {
		b.Run("users="+strconv.Itoa(n), func(b *testing.B) {
			p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
			took := populate(b, p, n)
			token := p.Token("mu:user-svc")
			keys := 0
			b.ReportAllocs()
			for b.Loop() {
				d, err := p.Decide(b.Context(), question(p, token, n))
				if err != nil || d.Outcome != authz.Allow {
					b.Fatalf("got d %+v, error %v; want no error, Outcome Allow", d, err)
				}
				keys += d.KeysRead
			}
			b.ReportMetric(float64(keys)/float64(b.N), "keys/op")
			b.ReportMetric(float64(2*n)/took.Seconds(), "imported/s")
		})
	}
}

// BenchmarkBatch is row 22 of the demo: one batch of 200 recipients.
func BenchmarkBatch(b *testing.B) {
	const n = 1_000
	p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	populate(b, p, n)
	token := p.Token("mu:user-svc")
	batch := authz.Batch{}
	for range 200 {
		batch.Items = append(batch.Items, question(p, token, n))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.DecideBatch(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHTTP is a decision over keep-alive HTTP, in parallel.
func BenchmarkHTTP(b *testing.B) {
	p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	body, err := json.Marshal(invoiceToAna(p.Token("mu:user-svc")))
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.DecisionsURL()+api.PathDecide, bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+p.PEP())
			r.Header.Set("Content-Type", "application/json")
			response, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK {
				b.Errorf("got status %d, error %v; want no error, status 200", response.StatusCode, err)
				return
			}
		}
	})
}

// BenchmarkOpen opens a populated data directory in a process of its own, as a
// restart does, and prints how long until it answers, the memory it then has, and
// what a decision costs when no import is being compacted beside it.
func BenchmarkOpen(b *testing.B) {
	for _, n := range benchUsers(b) {
		b.Run("users="+strconv.Itoa(n), func(b *testing.B) {
			dir := b.TempDir()
			p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Dir: dir})
			populate(b, p, n)
			p.Stop()
			var sum reopened
			for b.Loop() {
				r := reopen(b, dir, n)
				sum.OpenMS += r.OpenMS
				sum.RSSMiB += r.RSSMiB
				sum.LoadedMiB += r.LoadedMiB
				sum.DecisionUS += r.DecisionUS
			}
			b.ReportMetric(sum.OpenMS/float64(b.N), "open-ms")
			b.ReportMetric(sum.RSSMiB/float64(b.N), "rss-MiB")
			b.ReportMetric(sum.LoadedMiB/float64(b.N), "rss-after-20k-decisions-MiB")
			b.ReportMetric(sum.DecisionUS/float64(b.N), "us/decision")
		})
	}
}

// reopened is what a child process found.
type reopened struct {
	OpenMS    float64 `json:"open_ms"`
	RSSMiB    float64 `json:"rss_mib"`
	LoadedMiB float64 `json:"loaded_mib"`
	// DecisionUS is the mean of 20,000 decisions about random recipients.
	DecisionUS float64 `json:"decision_us"`
}

const reopenEnv = "VERDICT_TEST_REOPEN"

func reopen(b *testing.B, dir string, n int) (r reopened) {
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestReopenChild$", "-test.v")
	cmd.Env = append(os.Environ(), reopenEnv+"="+dir, reopenEnv+"_USERS="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("got error %v, out %s; want no error", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, "REOPENED "); ok {
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				b.Fatal(err)
			}
			return r
		}
	}
	b.Fatalf("the child said nothing:\n%s", out)
	return r
}

// TestReopenChild is the child process of BenchmarkOpen, not a test.
func TestReopenChild(t *testing.T) {
	dir := os.Getenv(reopenEnv)
	if dir == "" {
		t.Skip("the child process of BenchmarkOpen")
	}
	n, err := strconv.Atoi(os.Getenv(reopenEnv + "_USERS"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Dir: dir})
	token := p.Token("mu:user-svc")
	ask := func() {
		if d, err := p.Decide(context.Background(), question(p, token, n)); err != nil || d.Outcome != authz.Allow {
			t.Fatalf("got d %+v, error %v; want no error, Outcome Allow", d, err)
		}
	}
	ask()
	r := reopened{OpenMS: float64(time.Since(began).Microseconds()) / 1000, RSSMiB: rss(t)}
	const decisions = 20_000
	began = time.Now()
	for range decisions {
		ask()
	}
	r.DecisionUS = float64(time.Since(began).Microseconds()) / decisions
	r.LoadedMiB = rss(t)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("REOPENED %s\n", text)
}

// rss is the resident memory of this process in MiB, as Linux tells it.
func rss(t *testing.T) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
