package engine

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
)

// Engine holds the active policy. The zero Engine has none. A request takes
// Active once and keeps it, so a swap never shows it half a generation.
type Engine struct {
	active atomic.Pointer[Policy]
}

// Activate makes p the policy of every request that starts after it returns.
// It returns the policy that was active before, nil when there was none.
func (e *Engine) Activate(p *Policy) *Policy { return e.active.Swap(p) }

// Active is the policy in force, nil before the first Activate. A nil *Policy
// denies with POLICY_MISSING.
func (e *Engine) Active() *Policy { return e.active.Load() }

// Evaluator is Active as an interface, nil while no policy is active.
func (e *Engine) Evaluator() authz.Evaluator {
	if p := e.Active(); p != nil {
		return p
	}
	return nil
}

// Collectors show which generation is active, when they are read.
func (e *Engine) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "verdict_policy_generation", Help: "Generation of the active policy set, 0 while there is none.",
	}, func() float64 { return float64(e.Active().Policy().Generation) })}
}
