package authz_test

import (
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
)

// TestEntrySize has an entry grow wherever a caller or a policy can make it.
func TestEntrySize(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	open := map[string]any{"list": []any{map[string]any{"x": text}}}
	base := new(authz.Entry).Size()
	if base < 1<<10 || base > 16<<10 {
		t.Errorf("Size of an empty entry = %d, want a few KiB", base)
	}
	for name, grow := range map[string]func(*authz.Entry){
		"context":             func(e *authz.Entry) { e.Question.Context = open },
		"subject properties":  func(e *authz.Entry) { e.Question.Subject.Properties = open },
		"action properties":   func(e *authz.Entry) { e.Question.Action.Properties = open },
		"resource properties": func(e *authz.Entry) { e.Question.Resource.Properties = open },
		"subject":             func(e *authz.Entry) { e.Question.Subject.ID = text },
		"action":              func(e *authz.Entry) { e.Question.Action.Name = text },
		"resource":            func(e *authz.Entry) { e.Question.Resource.ID = text },
		"a name":              func(e *authz.Entry) { e.Question.Context = map[string]any{text: nil} },
		"many elements":       func(e *authz.Entry) { e.Question.Context = map[string]any{"x": make([]any, 1<<16)} },
		"message":             func(e *authz.Entry) { e.Decision.Reasons = []authz.Reason{{Message: text}} },
		"fix":                 func(e *authz.Entry) { e.Decision.WouldDeny = []authz.Reason{{Fix: text}} },
		"details":             func(e *authz.Entry) { e.Decision.WouldDeny = []authz.Reason{{Details: open}} },
		"an obligation":       func(e *authz.Entry) { e.Decision.Obligations = []authz.Duty{open} },
		"advice":              func(e *authz.Entry) { e.Decision.Advice = []authz.Duty{open} },
	} {
		var e authz.Entry
		grow(&e)
		if grown := e.Size() - base; grown < 1<<20 || grown > 1<<20+1<<10 {
			t.Errorf("%s of 1 MiB adds %d bytes, want about as many", name, grown)
		}
	}
}
