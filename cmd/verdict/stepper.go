package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// stepper shows a rotation as it moves on: a line of steps, and a line a member. On
// a terminal that has room for all of it, it draws over what it drew before; else it
// appends the lines that say something new. In JSON it prints each state that is one.
type stepper struct {
	*cli
	screen screen
	drawn  int               // lines to draw over
	said   map[string]string // :: what a line is about -> what it said, without times
}

func (c *cli) newStepper() *stepper {
	return &stepper{cli: c, screen: c.screenOf(c.out), said: map[string]string{}}
}

func (s *stepper) show(now rotation) error {
	lines := s.lines(now)
	changed := s.changed(lines)
	switch {
	case s.output == formatJSON:
		if len(changed) == 0 {
			return nil
		}
		return writeAll(s.out, append(bytes.TrimRight(now.raw, "\n"), '\n'))
	case s.screen.terminal && (s.screen.rows == 0 || len(lines) < s.screen.rows):
		return s.redraw(lines)
	}
	return s.append(changed)
}

// stepperLine is a line, and what of it is news when it changes: not how long ago
// something was.
type stepperLine struct {
	about string
	news  string
	parts []part
}

func (s *stepper) lines(now rotation) []stepperLine {
	lines := []stepperLine{stepsLine(now)}
	var name, move int // the widths of these columns
	for _, m := range now.Members {
		name, move = max(name, len(m.MachineUser)), max(move, len(moveText(m)))
	}
	for _, m := range now.Members {
		lines = append(lines, memberLine(m, name, move, s.now()))
	}
	if now.AdvanceError != "" {
		text := "the server could not take the next step, and tries again: " + now.AdvanceError
		lines = append(lines, stepperLine{about: "advance", news: text, parts: []part{{text: text, colour: red}}})
	}
	if len(now.Breaks) > 0 {
		text := "cannot authenticate until they use their new generation: " + strings.Join(now.Breaks, ", ")
		lines = append(lines, stepperLine{about: "breaks", news: text, parts: []part{{text: text, colour: red}}})
	}
	return lines
}

// changed are the lines that say something new, and remembers what they say.
func (s *stepper) changed(lines []stepperLine) []stepperLine {
	var changed []stepperLine
	for _, line := range lines {
		if said, ok := s.said[line.about]; ok && said == line.news {
			continue
		}
		s.said[line.about] = line.news
		changed = append(changed, line)
	}
	return changed
}

// below makes what is drawn next stand below what something else has written.
func (s *stepper) below() { s.drawn = 0 }

// redraw draws all lines over those drawn before.
func (s *stepper) redraw(lines []stepperLine) error {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", s.drawn)
	}
	for _, line := range lines {
		b.WriteString(s.screen.line(line.parts...) + "\n")
	}
	s.drawn = len(lines)
	return writeAll(s.out, []byte(b.String()))
}

func (s *stepper) append(lines []stepperLine) error {
	for _, line := range lines {
		if err := writeAll(s.out, []byte(s.screen.line(line.parts...)+"\n")); err != nil {
			return err
		}
	}
	return nil
}

// stepsLine is the set, and its steps with a mark each.
func stepsLine(now rotation) stepperLine {
	line := stepperLine{about: "steps", news: now.Phase, parts: []part{{text: now.ID + ": "}}}
	for _, step := range now.Steps {
		line.news += " " + step.Step + " " + step.State
		line.parts = append(line.parts, part{text: step.Step + " "}, mark(step.State))
		if step.Forced {
			line.parts = append(line.parts, part{text: " forced"})
		}
		line.parts = append(line.parts, part{text: "  "})
	}
	end := now.Phase
	if now.QuietLeftS > 0 {
		end += ", quiet in " + span(time.Duration(now.QuietLeftS)*time.Second)
	}
	if now.manual() {
		end += ", manual"
		if len(now.WaitingFor) == 0 {
			end += ": --advance takes the next step"
			line.news += " ready"
		}
	}
	line.parts = append(line.parts, part{text: "(" + end + ")"})
	return line
}

func mark(state string) part {
	switch state {
	case authz.StepDone:
		return part{text: "●", colour: green}
	case authz.StepWaiting:
		return part{text: "◐", colour: amber}
	}
	return part{text: "○"}
}

// memberLine is a member: its light, what it moves from and to, and what is waited
// for or, when nothing is, when it used which.
func memberLine(m authz.RotationMemberView, name, move int, at time.Time) stepperLine {
	text := uses(m, at)
	if m.WaitingFor != "" {
		text = "waiting for " + m.WaitingFor
	}
	return stepperLine{
		about: m.MachineUser,
		news:  fmt.Sprint(m.Light, moveText(m), m.NewUsedAt.IsZero(), m.WaitingFor == ""),
		parts: []part{
			{text: "  " + lightMark(m.Light) + " " + fmt.Sprintf("%-5s", m.Light), colour: lightColour(m.Light)},
			{text: fmt.Sprintf("  %-*s  %-*s  %s", name, m.MachineUser, move, moveText(m), text)},
		},
	}
}

// moveText is which credentials a member moves from and to.
func moveText(m authz.RotationMemberView) string {
	text := cmp.Or(strings.Join(m.Old, ", "), "none")
	if m.New != "" {
		text += " -> " + m.New
	}
	return text
}

func lightMark(light string) string {
	if light == "" {
		return " "
	}
	return "●"
}

func lightColour(light string) colour {
	switch light {
	case authz.LightGreen:
		return green
	case authz.LightAmber:
		return amber
	case authz.LightRed:
		return red
	}
	return noColour
}

func uses(m authz.RotationMemberView, now time.Time) string {
	old := use("old", m.OldUsedAt, m.OldUsedFrom, now)
	if m.New == "" {
		return old
	}
	return use("new", m.NewUsedAt, m.NewUsedFrom, now) + ", " + old
}

func use(which string, at time.Time, from string, now time.Time) string {
	if at.IsZero() {
		return which + " not seen in use"
	}
	text := which + " used " + ago(now, at)
	if from != "" {
		text += " from " + from
	}
	return text
}
