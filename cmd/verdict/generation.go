package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// parseGeneration takes the number of a generation.
func parseGeneration(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, usage(fmt.Sprintf("%q is not a generation", text), "Write its number, such as 7: `verdict bundle history` lists them.")
	}
	return n, nil
}

// aboutPolicies is the err of a call about bundles and generations, with the fix that
// helps there; nil for nil.
func aboutPolicies(err error) error {
	return fixes{
		authz.CodeNotFound:     "`verdict bundle history` lists the generations, `verdict bundle list` the bundles.",
		authz.CodeConflict:     "`verdict bundle history` shows how the generations stand now.",
		authz.CodePrecondition: "`verdict bundle history` shows how the generations stand now.",
	}.of(err)
}

// generation prints one generation: where it comes from, its bundles, and what the
// gate found.
func (r *report) generation(g authz.Generation, now time.Time) {
	r.line("generation %d (%s)", g.Number, g.State)
	r.line("  digest     %s", g.Digest)
	r.line("  made       %s by %s", stamp(g.At), g.Author)
	r.lines("  message    ", g.Message)
	if !g.ActivatedAt.IsZero() {
		r.line("  activated  %s by %s, %s", stamp(g.ActivatedAt), g.ActivatedBy, ago(now, g.ActivatedAt))
	}
	for _, b := range g.Bundles {
		r.line("  bundle     %s", bundleText(b))
	}
	if g.Gate != nil {
		r.gate(g.Gate)
	}
}

func bundleText(b authz.BundleRef) string {
	text := b.Name
	if b.Revision != "" {
		text += " " + b.Revision
	}
	text += ", " + shortDigest(b.Digest) + ", " + byteCount(b.Bytes) + ", " + b.Source
	if b.SignedBy != "" {
		text += ", signed by " + b.SignedBy
	}
	return text + ", roots " + strings.Join(b.Roots, " ")
}

// gate prints the steps of the gate, and the replay report.
func (r *report) gate(g *authz.GateReport) {
	for _, step := range g.Steps {
		r.line("  %-9s  %s", step.Name, stepText(step, g))
	}
	if g.Replay != nil {
		r.comparison(g.Replay)
	}
}

func stepText(step authz.GateStep, g *authz.GateReport) string {
	switch {
	case step.Skipped != "":
		return "skipped: " + step.Skipped
	case !step.Passed:
		return "failed"
	}
	text := "ok"
	switch {
	case step.Name == authz.GateTest:
		text += ", " + plural(uint64(g.Tests), "test", "tests")
		if g.Rows > 0 {
			text += " and " + plural(uint64(g.Rows), "row of decision tables", "rows of decision tables")
		}
		text += " passed"
	case step.Name == authz.GateReplay && g.Replay != nil:
		text += ", " + plural(g.Replay.Compared, "recorded decision", "recorded decisions")
	}
	if step.TookMS > 0 {
		text += ", " + took(step.TookMS)
	}
	return text
}

// next lists commands for what can be done now, each with what it does.
func (r *report) next(commands ...[2]string) {
	width := 0
	for _, c := range commands {
		width = max(width, len(c[0]))
	}
	r.line("next:")
	for _, c := range commands {
		r.line("  %-*s  %s", width, c[0], c[1])
	}
}

func (r *report) nextOfCandidate(n uint64) {
	r.next(
		[2]string{fmt.Sprintf("verdict bundle show %d", n), "what it holds, and what the gate found"},
		[2]string{fmt.Sprintf("verdict shadow start %d", n), "judge live traffic with it, without effect"},
		[2]string{fmt.Sprintf("verdict bundle activate %d", n), "decide with it"},
	)
}

func (r *report) nextOfActive(n uint64) {
	r.next(
		[2]string{fmt.Sprintf("verdict decisions tail --generation %d", n), "watch what it decides"},
		[2]string{"verdict bundle rollback", "go back to the one before"},
	)
}

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
