package pdp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// maxCodeLabels limits the values of the code label: policies choose their codes, and
// a policy that makes up ever new ones must not fill the node's metrics.
const maxCodeLabels = 256

// otherCode is the label of every code beyond the limit.
const otherCode = "OTHER"

// metrics counts decisions. It is safe for concurrent use.
type metrics struct {
	decisions *prometheus.CounterVec   // by outcome
	reasons   *prometheus.CounterVec   // by code and effect: deny, observe, flag
	duration  *prometheus.HistogramVec // by outcome, seconds
	keysRead  prometheus.Histogram

	mu    sync.Mutex
	codes map[authz.ReasonCode]bool // guarded by mu :: codes that have a label of their own
}

func newMetrics() *metrics {
	return &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_decisions_total", Help: "Decisions made, by outcome.",
		}, []string{"outcome"}),
		reasons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_decision_reasons_total", Help: "Reasons given, by code and by effect: deny, or the mode that kept it from denying.",
		}, []string{"code", "effect"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "verdict_decision_duration_seconds", Help: "Time to verify, evaluate and assemble one decision.",
			Buckets: prometheus.ExponentialBuckets(25e-6, 2, 14),
		}, []string{"outcome"}),
		keysRead: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "verdict_decision_keys_read", Help: "Store keys one decision read.",
			Buckets: []float64{0, 4, 8, 12, 16, 24, 32, 48, 64},
		}),
		codes: map[authz.ReasonCode]bool{},
	}
}

// Collectors returns the metrics of all decisions that are not simulations.
func (p *PDP) Collectors() []prometheus.Collector {
	m := p.metrics
	return []prometheus.Collector{m.decisions, m.reasons, m.duration, m.keysRead}
}

// observe counts a decision, calls Observe and logs it at debug level: the subject
// and the reason codes, but nothing that a caller may write freely, such as the
// action. The decision log has that, masked.
func (p *PDP) observe(ctx context.Context, r authz.Request, d authz.Decision, took time.Duration) {
	p.metrics.count(d, took)
	p.config.Observe(ctx, r, d)
	if !p.config.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	codes := make([]authz.ReasonCode, len(d.Reasons))
	for i, reason := range d.Reasons {
		codes[i] = reason.Code
	}
	p.config.Log.LogAttrs(ctx, slog.LevelDebug, "decision",
		slog.String("id", d.ID),
		slog.String("outcome", d.Outcome.String()),
		slog.Any("codes", codes),
		slog.String("subject", d.Subject),
		slog.String("caller", r.Caller.ID),
		slog.Uint64("data_revision", d.DataRevision),
		slog.Uint64("generation", d.Policy.Generation),
		slog.Int("keys_read", d.KeysRead),
		slog.Duration("took", took),
	)
}

func (m *metrics) count(d authz.Decision, took time.Duration) {
	outcome := d.Outcome.String()
	m.decisions.WithLabelValues(outcome).Inc()
	m.duration.WithLabelValues(outcome).Observe(took.Seconds())
	m.keysRead.Observe(float64(d.KeysRead))
	for _, r := range d.Reasons {
		m.reasons.WithLabelValues(m.label(r.Code), "deny").Inc()
	}
	for _, r := range d.WouldDeny {
		m.reasons.WithLabelValues(m.label(r.Code), effect(r.Mode)).Inc()
	}
}

func (m *metrics) label(code authz.ReasonCode) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.codes[code] {
		if len(m.codes) >= maxCodeLabels {
			return otherCode
		}
		m.codes[code] = true
	}
	return string(code)
}

func effect(mode string) string {
	if mode == authz.ModeFlag {
		return authz.ModeFlag
	}
	return authz.ModeObserve
}
