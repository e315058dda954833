package bundles_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// nests are the ways of OPA's language to nest, to a depth; each is some rules.
var nests = map[string]func(depth int) string{
	"array":      around("[1 | ", "]"),
	"set":        around("{1 | ", "}"),
	"object":     around("{1: 2 | ", "}"),
	"head":       around("[", " | true]"),
	"template":   around(`$"{`, `}"`),
	"not":        around("[1 | not [1 | ", "]]"),
	"not body":   around("[1 | not { ", " }]"),
	"with":       around("[1 | input.a with input.b as ", "]"),
	"every in":   around("[1 | every _ in [1 | ", "] { true }]"),
	"every body": around("[1 | every _ in [1] { ", " }]"),
	"mixed":      around("[{$\"{", "}\" | true} | true]"),
	"else": func(depth int) string {
		return "deep := 1 if input.a\nelse := " + around("[1 | ", "]")(depth)[len("deep := "):]
	},
}

func around(before, after string) func(int) string {
	return func(depth int) string {
		return "deep := " + strings.Repeat(before, depth) + "input.a" + strings.Repeat(after, depth) + "\n"
	}
}

// TestNesting: the compiler's time doubles with each level, so deep ones are refused
// before it sees them, in policies and in tests.
func TestNesting(t *testing.T) {
	for name, nest := range nests {
		for _, depth := range []int{40, 2000} {
			for _, file := range []string{"guards/door/deep.rego", "guards/door/deep_test.rego"} {
				t.Run(fmt.Sprint(name, depth, file), func(t *testing.T) {
					a := read(t, map[string]string{file: "package guards.door\n\n" + nest(depth)})
					_, err := bundles.Compile(a, bundles.Options{})
					if len(a.Tests) > 0 {
						_, err = bundles.Test(t.Context(), a, bundles.TestOptions{})
					}
					var refused *authz.Error
					if !errors.As(err, &refused) || !strings.Contains(err.Error(), " deep;") && !strings.Contains(err.Error(), "recursion depth") || !strings.Contains(err.Error(), file+":") {
						t.Fatalf(`got error %.300v; want errors.As(err, &refused), error with " deep;" or error with "recursion depth", error with %q`, err, file+":")
					}
				})
			}
		}
	}
	chain := func(n int) string {
		return "package guards.door\n\nlong := 1 if input.a" + strings.Repeat("\nelse := 2 if input.b", n) + "\n"
	}
	if _, err := load(map[string]string{"guards/door/long.rego": chain(100_000)}); err == nil || !strings.Contains(err.Error(), "more than 1000 else") {
		t.Fatalf(`got error %.300v; want an error, error with "more than 1000 else"`, err)
	}
	if _, err := load(map[string]string{"guards/door/deep.rego": "package guards.door\n\n" + nests["array"](6), "guards/door/long.rego": chain(1000)}); err != nil {
		t.Fatalf("what people write is refused: %v", err)
	}
}
