package decisionlog_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// BenchmarkRecord shows what recording costs those who decide: one at a time, and
// as many as there are at once.
func BenchmarkRecord(b *testing.B) {
	for _, durability := range []authz.Durability{authz.Async, authz.Spool, authz.Required} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", durability, callers), func(b *testing.B) {
				l := open(b, decisionlog.Config{Dir: b.TempDir(), Durability: durability, Queue: 1 << 20, QueueBytes: 1 << 30})
				ctx, cancel := context.WithCancel(b.Context())
				var running sync.WaitGroup
				running.Go(func() {
					if err := l.Run(ctx); err != nil {
						b.Error(err)
					}
				})
				defer running.Wait()
				defer cancel()
				var n atomic.Uint64
				var mu sync.Mutex
				var took []time.Duration
				b.ReportAllocs()
				b.SetParallelism(max(1, callers/2))
				one := func(mine *[]time.Duration) {
					e := entry(strconv.FormatUint(n.Add(1), 10))
					start := time.Now()
					if err := l.Record(b.Context(), []authz.Entry{e}); err != nil {
						b.Error(err)
					}
					*mine = append(*mine, time.Since(start))
				}
				if callers == 1 {
					for b.Loop() {
						one(&took)
					}
				} else {
					b.RunParallel(func(p *testing.PB) {
						var mine []time.Duration
						for p.Next() {
							one(&mine)
						}
						mu.Lock()
						defer mu.Unlock()
						took = append(took, mine...)
					})
				}
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
				stats := l.Stats()
				if stats.Commits > 0 {
					b.ReportMetric(float64(stats.Recorded)/float64(stats.Commits), "records/commit")
				}
			})
		}
	}
}
