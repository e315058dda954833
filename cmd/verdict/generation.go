package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// parseGeneration takes the number of a generation.
func parseGeneration(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, usage(fmt.Sprintf("%q is not a generation", text), "Write its number, such as 7: `verdict bundle history` lists them.")
	}
	return n, nil
}

func generationPath(n uint64) string {
	return api.PathGenerations + "/" + strconv.FormatUint(n, 10)
}

// readGeneration reads an answer that is one generation.
func readGeneration(answer []byte) (authz.Generation, error) {
	var g authz.Generation
	if err := ijson.UnmarshalOpen(answer, &g); err != nil {
		return g, unreadable(err)
	}
	if g.Number == 0 {
		return g, unreadable(errors.New("it names no generation"))
	}
	return g, nil
}

// aboutPolicies is the err of a call about bundles and generations, with the fix that
// helps there; nil for nil.
func aboutPolicies(err error) error {
	if err == nil {
		return nil
	}
	return refixed(err, map[authz.ErrorCode]string{
		authz.CodeNotFound:     "`verdict bundle history` lists the generations, `verdict bundle list` the bundles.",
		authz.CodeConflict:     "`verdict bundle history` shows how the generations stand now.",
		authz.CodePrecondition: "`verdict bundle history` shows how the generations stand now.",
	})
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
