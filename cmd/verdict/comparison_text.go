package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// What is shown of a comparison; --output json has all of it.
const (
	shownGroups   = 10
	shownExamples = 5
)

// flipsText is a comparison in one sentence: "12 of 5,000 recorded decisions flip: 9
// allow to deny, 3 deny to allow".
func flipsText(c *authz.Comparison, of string) string {
	if c.Compared == 0 {
		return "no " + of + " decisions were compared"
	}
	if c.Flips() == 0 {
		return fmt.Sprintf("none of %s %s decisions flips", grouped(c.Compared), of)
	}
	flip := "flip"
	if c.Flips() == 1 {
		flip = "flips"
	}
	return fmt.Sprintf("%s of %s %s decisions %s: %s allow to deny, %s deny to allow",
		grouped(c.Flips()), grouped(c.Compared), of, flip, grouped(c.AllowToDeny), grouped(c.DenyToAllow))
}

// comparison prints what another policy makes of recorded decisions.
func (r *report) comparison(c *authz.Comparison) { r.compared(c, "recorded") }

func (r *report) compared(c *authz.Comparison, of string) {
	r.line("%s", flipsText(c, of))
	if c.Changed > 0 {
		r.line("  %s keep the outcome and change what is said about it", grouped(c.Changed))
	}
	if c.NotJudged > 0 {
		r.line("  %s proved nobody, which no policy changes", grouped(c.NotJudged))
	}
	if c.Masked > 0 {
		r.line("  compared with parts of their input masked: %s", grouped(c.Masked))
	}
	for _, s := range c.Skipped {
		r.line("  %s skipped: %s", grouped(s.Count), s.Reason)
	}
	r.flipGroups("code", c.ByCode)
	r.flipGroups("edge", c.ByEdge)
	r.flipGroups("machine user", c.ByMachineUser)
	if c.OtherGroups > 0 {
		r.line("  %s more groups were not kept apart", grouped(c.OtherGroups))
	}
	r.flips(c.Examples)
}

func (r *report) flipGroups(by string, groups []authz.FlipGroup) {
	if len(groups) == 0 {
		return
	}
	r.line("  by %s:", by)
	shown := groups[:min(len(groups), shownGroups)]
	width := 0
	for _, g := range shown {
		width = max(width, len(g.Name))
	}
	for _, g := range shown {
		r.line("    %-*s  %s", width, g.Name, groupText(g))
	}
	if more := len(groups) - len(shown); more > 0 {
		r.line("    and %d more", more)
	}
}

func groupText(g authz.FlipGroup) string {
	var parts []string
	if g.AllowToDeny > 0 {
		parts = append(parts, grouped(g.AllowToDeny)+" allow to deny")
	}
	if g.DenyToAllow > 0 {
		parts = append(parts, grouped(g.DenyToAllow)+" deny to allow")
	}
	text := strings.Join(parts, ", ")
	if len(g.Examples) > 0 {
		text += ", such as " + strings.Join(g.Examples[:min(len(g.Examples), 2)], " ")
	}
	return text
}

// flips prints examples: what was asked, and how the answers differ.
func (r *report) flips(examples []authz.Flip) {
	if len(examples) == 0 {
		return
	}
	r.line("  examples (`verdict decisions show ID --explain` says why it was so):")
	for _, f := range examples[:min(len(examples), shownExamples)] {
		r.line("    %s  %s %s on %s: %s -> %s", f.ID, cmp.Or(f.Subject, "nobody"), f.Action, f.Service,
			sideText(f.Was.String(), f.WasReasons), sideText(f.Now.String(), f.NowReasons))
		if f.DataBehind {
			r.line("      judged by data revision %d, it saw %d then", f.NowRevision, f.WasRevision)
		}
	}
	if more := len(examples) - shownExamples; more > 0 {
		r.line("    and %d more", more)
	}
}

func sideText(outcome string, reasons []authz.Reason) string {
	text := outcome
	for i, reason := range reasons {
		separator := ", "
		if i == 0 {
			separator = " "
		}
		text += separator + string(reason.Code)
	}
	return text
}
