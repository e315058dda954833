package main

import (
	"strings"
	"testing"
)

// The manuals in the repository have the settings as they are declared.
func TestManualsAreOfTheDeclarations(t *testing.T) {
	t.Chdir("../../..") // where it is run
	if err := run(true); err != nil {
		t.Error(err)
	}
}

func TestPartIsPutBetweenItsLines(t *testing.T) {
	p := part{after: "begin\n", before: "end\n", lines: "new\n"}
	got, err := p.put("a\nbegin\nold\nold\nend\nb\n")
	if want := "a\nbegin\nnew\nend\nb\n"; got != want || err != nil {
		t.Errorf("put gave %q and error %v, want %q", got, err, want)
	}
	for _, text := range []string{"", "begin\nold\n", "old\nend\n"} {
		if _, err := p.put(text); err == nil || !strings.Contains(err.Error(), "no place for the settings") {
			t.Errorf("put into %q: error %v, want one that says there is no place", text, err)
		}
	}
}
