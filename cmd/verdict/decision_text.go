package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/ijson"
)

// tellDecision prints what a person wants to know next: the outcome, why, what
// to do about it, and what the answer was based on.
func tellDecision(w io.Writer, s drawing, d api.Decision) error {
	r := &report{w: w}
	r.line("%s", strings.ToUpper(d.Outcome.String()))
	r.body(d)
	r.explanation(s, d.Explanation)
	return r.err
}

func tellBatch(w io.Writer, s drawing, decisions []api.Decision) error {
	r := &report{w: w}
	allowed := 0
	for i, d := range decisions {
		if d.Outcome == api.Allow {
			allowed++
		}
		r.line("%d. %s", i+1, strings.ToUpper(d.Outcome.String()))
		r.body(d)
		r.explanation(s, d.Explanation)
	}
	r.line("%d of %d allowed", allowed, len(decisions))
	return r.err
}

func (r *report) body(d api.Decision) {
	for _, reason := range d.Reasons {
		r.reason("", reason)
	}
	for _, reason := range d.WouldDeny {
		r.reason("would deny ("+cmp.Or(reason.Mode, "observe")+"): ", reason)
	}
	for _, duty := range d.Obligations {
		r.line("  must: %s", dutyText(duty))
	}
	for _, duty := range d.Advice {
		r.line("  may: %s", dutyText(duty))
	}
	r.line("  %s", basis(d))
}

// explanation draws how a decision came about, when that was asked for.
func (r *report) explanation(how drawing, e *api.Explanation) {
	if e != nil && r.err == nil {
		r.err = explanationTree(e, how.everyRule).draw(r.w, how.screen)
	}
}

func (r *report) reason(prefix string, reason api.Reason) {
	line := prefix + string(reason.Code)
	if reason.Guard != "" {
		line += " (" + reason.Guard + ")"
	}
	if reason.Message != "" {
		line += ": " + reason.Message
	}
	r.line("  %s", line)
	if reason.Fix != "" {
		r.line("    fix: %s", reason.Fix)
	}
	for _, name := range slices.Sorted(maps.Keys(reason.Details)) {
		r.line("    %s: %s", name, compact(reason.Details[name]))
	}
}

// basis is what the decision was made from, so that it can be asked about.
func basis(d api.Decision) string {
	trust := fmt.Sprintf("trust %d of %d", d.Trust.Level, d.Trust.Required)
	if d.Trust.Freshness != "" {
		trust += ", " + d.Trust.Freshness
	}
	cache := "do not cache"
	if d.CacheableForS > 0 {
		cache = fmt.Sprintf("cacheable for %d s", d.CacheableForS)
	}
	return fmt.Sprintf("%s; data revision %d; policy generation %d; %s; decision %s", trust, d.DataRevision, d.Policy.Generation, cache, d.ID)
}

// dutyText is an obligation or advice: its id, then its other members by name.
func dutyText(duty api.Duty) string {
	text := fmt.Sprint(duty["id"])
	for _, name := range slices.Sorted(maps.Keys(duty)) {
		if name != "id" {
			text += " " + name + "=" + compact(duty[name])
		}
	}
	return text
}

// compact writes a JSON value in one line, a string without its quotes.
func compact(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	data, err := ijson.Marshal(value)
	if err != nil { // a value decoded from JSON can be written as JSON
		return fmt.Sprint(value)
	}
	return string(data)
}
