package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// writeDecision prints what a person wants to know next: the outcome, why, what
// to do about it, and what the answer was based on.
func writeDecision(w io.Writer, s explainOptions, d api.Decision) error {
	r := &report{w: w}
	r.line("%s", strings.ToUpper(d.Outcome.String()))
	r.body(d)
	r.explanation(s, d.Explanation)
	return r.err
}

func writeBatch(w io.Writer, s explainOptions, decisions []api.Decision) error {
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
func (r *report) explanation(how explainOptions, e *api.Explanation) {
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

// explainOptions is how an explanation is drawn.
type explainOptions struct {
	screen    screen
	everyRule bool // also of guards that deny nothing, and the rules that are no denials
}

func everyRuleFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("every-rule", false, "explain, and draw every rule, not only those of guards that deny")
}

// explanationTree draws how a decision came about: what would have to change, what
// each guard said and why, and what was read.
func explanationTree(e *api.Explanation, everyRule bool) tree {
	why := branch("why")
	if len(e.Needs) > 0 {
		why.branches = append(why.branches, needsTree(e.Needs))
	}
	for _, guard := range e.Guards {
		if everyRule || anyHeld(guard.Rules) {
			why.branches = append(why.branches, branch("guard "+guard.Guard, ruleTrees(guard.Rules)...))
			continue
		}
		why.branches = append(why.branches, branch(fmt.Sprintf("guard %s denies nothing: %s", guard.Guard, tally(guard.Rules))))
	}
	switch {
	case len(e.Rules) > 0 && everyRule:
		why.branches = append(why.branches, branch("other rules", ruleTrees(e.Rules)...))
	case len(e.Rules) > 0:
		why.branches = append(why.branches, branch(fmt.Sprintf("other rules: %s (--every-rule draws them)", tally(e.Rules))))
	}
	if len(e.Facts) > 0 {
		why.branches = append(why.branches, branch("facts read", factTrees(e.Facts)...))
	}
	return why
}

func anyHeld(rules []api.RuleTrace) bool {
	return slices.ContainsFunc(rules, func(rule api.RuleTrace) bool { return rule.Outcome == authz.RuleHeld })
}

// tally counts rules by what became of them.
func tally(rules []api.RuleTrace) string {
	counts := map[string]int{}
	for _, rule := range rules {
		counts[outcomeOf(rule).text]++
	}
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[outcome], outcome))
	}
	return strings.Join(parts, ", ")
}

func ruleTrees(rules []api.RuleTrace) []tree {
	name := 0
	for _, rule := range rules {
		name = max(name, len(ruleName(rule)))
	}
	var trees []tree
	for _, rule := range rules {
		outcome := outcomeOf(rule)
		t := tree{label: []part{
			{text: fmt.Sprintf("%-12s", outcome.text), colour: outcome.colour},
			{text: fmt.Sprintf("  %-*s  %s:%d", name, ruleName(rule), rule.File, rule.Line)},
		}}
		if rule.Stopped != nil {
			t.branches = []tree{branch(fmt.Sprintf("at %s:%d: %s", rule.Stopped.File, rule.Stopped.Line, oneLine(rule.Stopped.Expression)))}
		}
		trees = append(trees, t)
	}
	return trees
}

// ruleName is the code of a deny rule, which its name is not: all of a guard have one.
func ruleName(rule api.RuleTrace) string {
	if rule.Code != "" {
		return rule.Code
	}
	return strings.TrimPrefix(rule.Name, "data.")
}

func outcomeOf(rule api.RuleTrace) part {
	switch rule.Outcome {
	case authz.RuleHeld:
		held := part{text: "held"}
		if rule.Code != "" {
			held.colour = red
		}
		return held
	case authz.RuleNotHeld:
		return part{text: "did not hold"}
	case authz.RuleNotTried:
		return part{text: "not tried"}
	}
	return part{text: rule.Outcome}
}

// oneLine is an expression of several lines as one.
func oneLine(expression string) string { return strings.Join(strings.Fields(expression), " ") }

func factTrees(facts []api.FactRead) []tree {
	var trees []tree
	for _, f := range facts {
		revision := "there is none"
		if f.Revision > 0 {
			revision = fmt.Sprintf("revision %d", f.Revision)
		}
		trees = append(trees, branch(fmt.Sprintf("%s %s, %s", f.Collection, f.Key, revision)))
	}
	return trees
}

// needsTree is what would have to change: any one of the sets is enough.
func needsTree(sets [][]api.Need) tree {
	t := branch("for an allow, this would have to change")
	if len(sets) == 1 {
		t.branches = needTrees(sets[0])
		return t
	}
	t = branch(fmt.Sprintf("for an allow, one of these %d would have to change", len(sets)))
	for i, set := range sets {
		t.branches = append(t.branches, branch(fmt.Sprintf("%d.", i+1), needTrees(set)...))
	}
	return t
}

func needTrees(set []api.Need) []tree {
	var trees []tree
	for _, n := range set {
		label := string(n.Code)
		if n.Guard != "" {
			label += " (" + n.Guard + ")"
		}
		if n.Message != "" {
			label += ": " + n.Message
		}
		t := branch(label)
		if n.Fix != "" {
			t.branches = append(t.branches, tree{label: []part{{text: "fix: " + n.Fix, colour: green}}})
		}
		for _, name := range slices.Sorted(maps.Keys(n.Details)) {
			t.branches = append(t.branches, branch(name+": "+compact(n.Details[name])))
		}
		trees = append(trees, t)
	}
	return trees
}
