package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// people writes n users and one entitlement for each, as import lines.
func people(w io.Writer, n int) error {
	out := bufio.NewWriter(w)
	for i := range n {
		fmt.Fprintf(out, `{"collection":"users","entity":{"id":"u-%07d","tenant":"tenant-%04d","state":"active","addresses":[{"id":"a1","purpose":"primary","verified":true},{"id":"a2","purpose":"billing","verified":%t}]}}`+"\n", i, i%1000, i%2 == 0)
	}
	for i := range n {
		fmt.Fprintf(out, `{"collection":"entitlements","entity":{"holder":"user:u-%07d","feature":"email.invoice.issued","effect":"grant","address_purpose":"billing","source":"crm"}}`+"\n", i)
	}
	return out.Flush()
}

// importPeople imports 2n records and fails unless all were written.
func importPeople(b testing.TB, s *store.Store, n int) {
	b.Helper()
	in, out := io.Pipe()
	go func() { out.CloseWithError(people(out, n)) }()
	report, err := s.Import(context.Background(), in, store.ImportOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if report.Written != 2*n {
		b.Fatalf("%+v", report)
	}
}

// largePeople is how many users the large benchmarks import: 1,000,000 with
// VERDICT_BENCH_LARGE set, a tenth of it otherwise.
func largePeople() int {
	if os.Getenv("VERDICT_BENCH_LARGE") != "" {
		return 1_000_000
	}
	return 100_000
}

func BenchmarkImport(b *testing.B) {
	n := largePeople()
	for b.Loop() {
		s := open(b, store.Config{Dir: b.TempDir()})
		start := time.Now()
		importPeople(b, s, n)
		b.ReportMetric(float64(2*n)/time.Since(start).Seconds(), "records/s")
		b.ReportMetric(float64(residentBytes(b))/(1<<20), "MiB-RSS")
	}
}

// residentBytes is the resident memory of this process that is not file pages.
func residentBytes(b testing.TB) int {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.Sys)
	}
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Fatal("no RssAnon in /proc/self/status")
	return 0
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1000, largePeople()} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, store.Config{Dir: dir})
			importPeople(b, s, n)
			for b.Loop() {
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				runtime.GC()
				start := time.Now()
				s = open(b, store.Config{Dir: dir})
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/open")
			}
			debug.FreeOSMemory()
			b.ReportMetric(float64(residentBytes(b))/(1<<20), "MiB-RSS")
		})
	}
}

func BenchmarkSnapshotHot(b *testing.B) {
	s := open(b, store.Config{InMemory: true})
	for i := range 1000 {
		apply(b, s, &authz.Edge{From: "mu:a", To: fmt.Sprintf("svc:%d", i), Actions: []string{"*"}})
	}
	b.ReportAllocs()
	for b.Loop() {
		view, err := s.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		for range 10 {
			if _, ok, err := view.Fact(authz.Edges, "mu:a/svc:77"); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
		view.Close()
	}
}

func BenchmarkSnapshotCold(b *testing.B) {
	for _, n := range []int{1000, largePeople()} {
		dir := b.TempDir()
		s := open(b, store.Config{Dir: dir})
		importPeople(b, s, n)
		if err := s.Close(); err != nil { // so that reads come from tables, not from what was just written
			b.Fatal(err)
		}
		s = open(b, store.Config{Dir: dir})
		if err := store.Flatten(s); err != nil { // and no compaction runs beside them
			b.Fatal(err)
		}
		keys := make([]string, 4096)
		for i := range keys {
			keys[i] = fmt.Sprintf("u-%07d", i*7919%n)
		}
		for name, keys := range map[string][]string{"warm": keys[:64], "spread": keys} {
			b.Run(fmt.Sprintf("users=%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					view, err := s.Snapshot()
					if err != nil {
						b.Fatal(err)
					}
					if _, ok, err := view.Fact(authz.Users, keys[i%len(keys)]); !ok || err != nil {
						b.Fatal(ok, err)
					}
					view.Close()
				}
			})
		}
	}
}

func BenchmarkApplyParallel(b *testing.B) {
	for _, writers := range []int{2, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, store.Config{Dir: b.TempDir()})
			var n atomic.Int64
			b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
			start := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					user := storetest.User(fmt.Sprintf("u-%d", n.Add(1)), "t")
					if _, err := s.Apply(context.Background(), []store.Op{{Entity: user}}); err != nil {
						b.Error(err)
					}
				}
			})
			stats := s.Stats()
			b.ReportMetric(float64(stats.Writes)/time.Since(start).Seconds(), "writes/s")
			b.ReportMetric(float64(stats.Writes)/float64(stats.Commits), "writes/fsync")
		})
	}
}

func apply(b testing.TB, s *store.Store, entities ...authz.Entity) {
	b.Helper()
	for _, entity := range entities {
		if _, err := s.Apply(context.Background(), []store.Op{{Entity: entity}}); err != nil {
			b.Fatal(err)
		}
	}
}
