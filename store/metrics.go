package store

import "github.com/prometheus/client_golang/prometheus"

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("verdict_"+name, help, nil, nil)
}

var metrics = struct {
	revision, writable, hot, snapshots *prometheus.Desc
	writes, commits, coldReads         *prometheus.Desc
}{
	revision:  describe("data_revision", "Data revision decisions see."),
	writable:  describe("store_writable", "1 while the store takes writes, 0 for want of disk space or after a commit failed; the log says which."),
	hot:       describe("store_hot_entities", "Entities kept decoded in memory."),
	snapshots: describe("store_open_snapshots", "Snapshots open now."),
	writes:    describe("store_writes_total", "Writes committed, each one revision."),
	commits:   describe("store_commits_total", "Groups the writes were committed in, each one fsync."),
	coldReads: describe("store_cold_reads_total", "Point reads that went to disk or its cache."),
}

// Collectors show how the store stands, when they are read: Revision, Writable and Stats.
func (s *Store) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		gauge := func(desc *prometheus.Desc, n float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n)
		}
		count := func(desc *prometheus.Desc, n uint64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n))
		}
		stats, writable := s.Stats(), 1.0
		if s.Writable() != nil {
			writable = 0
		}
		gauge(metrics.revision, float64(s.Revision()))
		gauge(metrics.writable, writable)
		gauge(metrics.hot, float64(stats.HotEntities))
		gauge(metrics.snapshots, float64(stats.OpenSnapshots))
		count(metrics.writes, stats.Writes)
		count(metrics.commits, stats.Commits)
		count(metrics.coldReads, stats.ColdReads)
	})}
}
