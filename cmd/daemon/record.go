package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// observe counts a decision and, at debug level, logs it: who and why, never what a
// caller is free to write, such as the action. The decision log has that, masked.
func (d *Daemon) observe(ctx context.Context, r authz.Request, decision authz.Decision, took time.Duration) {
	d.metrics.observe(decision, took)
	if decision.Credential != "" && proves(r.Evidence, decision) {
		d.uses.Seen(decision.Credential, time.Time{}, d.config.Now(), sourceOf(r))
	}
	if !d.config.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	d.config.Logger.LogAttrs(ctx, slog.LevelDebug, "decision",
		slog.String("id", decision.ID),
		slog.String("outcome", decision.Outcome.String()),
		slog.Any("codes", codes(decision.Reasons)),
		slog.String("subject", decision.Subject),
		slog.String("caller", r.Caller.ID),
		slog.Uint64("data_revision", decision.DataRevision),
		slog.Uint64("generation", decision.Policy.Generation),
		slog.Int("keys_read", decision.KeysRead),
		slog.Duration("took", took),
	)
}

// proves says whether a decision is evidence that a credential is in use. A secret,
// an assertion or a certificate was proved by whoever has it. A token only says what
// it was got with: one that is expired, revoked or of an issuer that may not speak for
// the machine user says nothing, or anybody's token could move a rotation on.
func proves(e authz.Evidence, decision authz.Decision) bool {
	if e.Token == "" && len(e.Claims) == 0 {
		return true
	}
	for _, r := range slices.Concat(decision.Reasons, decision.WouldDeny) {
		if r.Status == http.StatusUnauthorized {
			return false
		}
	}
	return true
}

// sourceOf is the address a request says it came from, "" when that is none.
func sourceOf(r authz.Request) string {
	text, _ := r.Context["source_ip"].(string)
	if _, err := netip.ParseAddr(text); err != nil {
		return ""
	}
	return text
}

func (d *Daemon) writable() float64 {
	if d.store.Writable() != nil {
		return 0
	}
	return 1
}

func codes(reasons []authz.Reason) []authz.ReasonCode {
	all := make([]authz.ReasonCode, len(reasons))
	for i, r := range reasons {
		all[i] = r.Code
	}
	return all
}

// gauges show where the node stands: its data and its policy.
func (d *Daemon) gauges() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	total := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		gauge("verdict_data_revision", "Data revision decisions see.", func() float64 { return float64(d.store.Revision()) }),
		gauge("verdict_policy_generation", "Generation of the active policy set, 0 while there is none.", func() float64 { return float64(d.policy().Generation) }),
		gauge("verdict_store_writable", "1 while the store takes writes, 0 for want of disk space or after a commit failed; the log says which.", d.writable),
		gauge("verdict_store_hot_entities", "Entities kept decoded in memory.", func() float64 { return float64(d.store.Stats().HotEntities) }),
		gauge("verdict_store_open_snapshots", "Snapshots open now.", func() float64 { return float64(d.store.Stats().OpenSnapshots) }),
		total("verdict_store_writes_total", "Writes committed, each one revision.", func() uint64 { return d.store.Stats().Writes }),
		total("verdict_store_commits_total", "Groups the writes were committed in, each one fsync.", func() uint64 { return d.store.Stats().Commits }),
		gauge("verdict_credential_uses_pending", "Last uses of credentials that wait to be written.", func() float64 { return float64(d.uses.Stats().Pending) }),
		total("verdict_credential_use_write_failures_total", "Times last uses could not be written; they are tried again.", func() uint64 { return uint64(d.uses.Stats().Failures) }),
		total("verdict_credential_uses_dropped_total", "Last uses given up because too many credentials were in use at once.", func() uint64 { return uint64(d.uses.Stats().Dropped) }),
		total("verdict_store_cold_reads_total", "Point reads that went to disk or its cache.", func() uint64 { return d.store.Stats().ColdReads }),
	}
}
