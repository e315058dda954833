package main

import "io"

// tree is a line and what stands below it.
type tree struct {
	label    []part
	branches []tree
}

// branch makes a tree of a plain label.
func branch(label string, branches ...tree) tree {
	return tree{label: []part{{text: label}}, branches: branches}
}

// draw writes t with lines from each branch to its own. Nothing is cut: a line that
// is longer than the screen goes on in its next one.
func (t tree) draw(w io.Writer, s screen) error {
	s.columns = 0
	return t.drawBelow(w, s, "", "")
}

// drawBelow draws t's line behind first, and all below it behind rest.
func (t tree) drawBelow(w io.Writer, s screen, first, rest string) error {
	line := append([]part{{text: first}}, t.label...)
	if err := writeAll(w, []byte(s.line(line...)+"\n")); err != nil {
		return err
	}
	for i, b := range t.branches {
		knee, trunk := "├─ ", "│  "
		if i == len(t.branches)-1 {
			knee, trunk = "└─ ", "   "
		}
		if err := b.drawBelow(w, s, rest+knee, rest+trunk); err != nil {
			return err
		}
	}
	return nil
}
