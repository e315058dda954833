package spell_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/cmd/spell"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"listen", "admin_listen", "engine.timeout", "engine.max_keys"}
	for word, want := range map[string]string{
		"listn":         `; did you mean "listen"?`,
		"lisetn":        `; did you mean "listen"?`,
		"engine.timout": `; did you mean "engine.timeout"?`,
		"admin-listen":  `; did you mean "admin_listen"?`,
		"colour":        "",
		"":              "",
	} {
		if got := spell.DidYouMean(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
