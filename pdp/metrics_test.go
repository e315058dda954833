package pdp_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
)

// shown are the lines of the metrics of p that begin with name.
func shown(t *testing.T, p *pdp.PDP, name string) (lines []string) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.Collectors()...)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// TestDecisionsAreCountedAndLogged: each once, by outcome and code; simulations are not.
func TestDecisionsAreCountedAndLogged(t *testing.T) {
	s := newStage(t)
	var log bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := s.pdp()
	decide := func(r authz.Request) {
		t.Helper()
		if _, err := p.Decide(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	decide(request())
	s.judgement = authz.Judgement{
		Reasons:   []authz.Reason{{Code: "A", Guard: "a", Message: "m", Fix: "f"}},
		WouldDeny: []authz.Reason{{Code: "B", Guard: "b", Message: "m", Fix: "f", Mode: authz.ModeFlag}},
	}
	decide(request())
	simulated := request()
	simulated.Caller.Roles, simulated.Simulated = []authz.Role{authz.RoleSimulate}, true
	decide(simulated)

	if diff := cmp.Diff([]string{`verdict_decisions_total{outcome="allow"} 1`, `verdict_decisions_total{outcome="deny"} 1`}, shown(t, p, "verdict_decisions_total")); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	want := []string{`verdict_decision_reasons_total{code="A",effect="deny"} 1`, `verdict_decision_reasons_total{code="B",effect="flag"} 1`}
	if diff := cmp.Diff(want, shown(t, p, "verdict_decision_reasons_total")); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "msg=decision"); n != 2 || !strings.Contains(log.String(), "codes=[A]") {
		t.Errorf("%d decisions are in the log, want 2, one with its code:\n%s", n, &log)
	}
	if strings.Contains(log.String(), "email.send") {
		t.Errorf("what a caller is free to write is in the log:\n%s", &log)
	}
}

// TestInventedCodesDoNotFillTheMetrics: policies choose their codes, and 256 of them have
// a label of their own.
func TestInventedCodesDoNotFillTheMetrics(t *testing.T) {
	s := newStage(t)
	p := s.pdp()
	for i := range 300 {
		s.judgement = authz.Judgement{Reasons: []authz.Reason{{Code: authz.ReasonCode(fmt.Sprint("C", i)), Guard: "a", Message: "m", Fix: "f"}}}
		if _, err := p.Decide(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(shown(t, p, "verdict_decision_reasons_total")); n != 257 {
		t.Errorf("%d codes are shown, want 256 and that of the others", n)
	}
	if got := shown(t, p, `verdict_decision_reasons_total{code="OTHER"`); len(got) != 1 || !strings.HasSuffix(got[0], " 44") {
		t.Errorf("the others are %v, want 44", got)
	}
}

// TestUnrecordedIsLogged: why a decision was taken back is for the operator.
func TestUnrecordedIsLogged(t *testing.T) {
	s := newStage(t)
	var log bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	s.durability, s.recordErr = authz.Required, errors.New("disk full")
	if _, err := s.pdp().Decide(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "disk full") {
		t.Errorf("the log has %q, want the error with its cause", &log)
	}
}
