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
	"github.com/verdict-pdp/verdict/ijson"
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
		b.Fatalf("%+v; want %d written", report, 2*n)
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

// manyCredentials is a store with n hot credentials, each of a machine user and
// with a name of its own.
func manyCredentials(b *testing.B, config store.Config, n int) *store.Store {
	b.Helper()
	s := open(b, config)
	in, out := io.Pipe()
	go func() {
		lines := bufio.NewWriter(out)
		for i := range n {
			fmt.Fprintf(lines, `{"collection":"credentials","entity":%s}`+"\n", credentialJSON(i))
		}
		out.CloseWithError(lines.Flush())
	}()
	report, err := s.Import(context.Background(), in, store.ImportOptions{})
	if err != nil || report.Written != n {
		b.Fatalf("%+v, %v; want %d written", report, err, n)
	}
	return s
}

func credentialJSON(i int) string {
	return fmt.Sprintf(`{"id":"cred-%06d","machine_user":"mu:%06d","kind":"certificate","generation":1,"state":"active","issuer":"prod","names":["spiffe://prod.example/ns/core/sa/%06d"]}`, i, i, i)
}

func BenchmarkDirectory(b *testing.B) {
	const n = store.DefaultHotLimit
	for name, hotLimit := range map[string]int{"hot": 0, "cold": 1} {
		s := manyCredentials(b, store.Config{InMemory: true, HotLimit: hotLimit}, n)
		users, names := make([]string, 1024), make([]string, 1024)
		for i := range users {
			users[i] = fmt.Sprintf("mu:%06d", i*7919%n)
			names[i] = fmt.Sprintf("spiffe://prod.example/ns/core/sa/%06d", i*7919%n)
		}
		view := viewOf(b, s)
		for what, read := range map[string]func(i int) ([]*authz.Credential, error){
			"of":    func(i int) ([]*authz.Credential, error) { return view.CredentialsOf(users[i%len(users)]) },
			"named": func(i int) ([]*authz.Credential, error) { return view.CredentialsNamed(names[i%len(names)]) },
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if found, err := read(i); len(found) != 1 || err != nil {
						b.Fatal(found, err)
					}
				}
			})
		}
	}
}

// BenchmarkApplyCredential writes one of many credentials, as recording its last
// use does, without a disk to wait for.
func BenchmarkApplyCredential(b *testing.B) {
	for _, n := range []int{1000, store.DefaultHotLimit} {
		b.Run(fmt.Sprintf("credentials=%d", n), func(b *testing.B) {
			s := manyCredentials(b, store.Config{InMemory: true}, n)
			b.ReportAllocs()
			used := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
			for i := 0; b.Loop(); i++ {
				var c authz.Credential
				if err := ijson.Unmarshal([]byte(credentialJSON(i*7919%n)), &c); err != nil {
					b.Fatal(err)
				}
				c.LastUsedAt = used.Add(time.Duration(i) * time.Second)
				apply(b, s, &c)
			}
		})
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

func viewOf(b *testing.B, s *store.Store) *store.Snapshot {
	b.Helper()
	view, err := s.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(view.Close)
	return view
}

func apply(b testing.TB, s *store.Store, entities ...authz.Entity) {
	b.Helper()
	for _, entity := range entities {
		if _, err := s.Apply(context.Background(), []store.Op{{Entity: entity}}); err != nil {
			b.Fatal(err)
		}
	}
}
