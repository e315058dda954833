package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests. Every label is bounded: listeners and routes are
// ours, methods and statuses are taken from short lists.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_http_requests_total",
			Help: "HTTP requests answered.",
		}, []string{"listener", "route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "verdict_http_request_seconds",
			Help:    "Time from a request's headers to the end of its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"listener", "route"}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.seconds}
}

// routeMetrics are the counters of one route, looked up once.
type routeMetrics struct {
	seconds  prometheus.Observer
	requests *prometheus.CounterVec

	mu       sync.RWMutex
	counters map[outcome]prometheus.Counter // guarded by mu
}

type outcome struct {
	method string
	status int
}

func (m *metrics) route(listener, route string) *routeMetrics {
	return &routeMetrics{
		seconds:  m.seconds.WithLabelValues(listener, route),
		requests: m.requests.MustCurryWith(prometheus.Labels{"listener": listener, "route": route}),
		counters: map[outcome]prometheus.Counter{},
	}
}

func (r *routeMetrics) observe(method string, status int, took time.Duration) {
	r.seconds.Observe(took.Seconds())
	r.counter(outcome{method: boundedMethod(method), status: status}).Inc()
}

func (r *routeMetrics) counter(o outcome) prometheus.Counter {
	r.mu.RLock()
	counter := r.counters[o]
	r.mu.RUnlock()
	if counter != nil {
		return counter
	}
	counter = r.requests.WithLabelValues(o.method, strconv.Itoa(o.status))
	r.mu.Lock()
	r.counters[o] = counter
	r.mu.Unlock()
	return counter
}

// boundedMethod is method, or "other" for what no route takes: callers may
// invent methods without end.
func boundedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
