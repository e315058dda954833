package ijson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/ijson"
)

// document decodes text.
func document(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func pointer(t *testing.T, text string) ijson.Pointer {
	t.Helper()
	p, err := ijson.ParsePointer(text)
	if err != nil {
		t.Fatalf("ParsePointer(%q): %v", text, err)
	}
	return p
}

// TestPointerOfTheRFC has the document and the pointers of RFC 6901 section 5.
func TestPointerOfTheRFC(t *testing.T) {
	const text = `{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}`
	whole := document(t, text)
	for pointerText, want := range map[string]any{
		"": whole, "/foo": []any{"bar", "baz"}, "/foo/0": "bar", "/": 0.0, "/a~1b": 1.0, "/c%d": 2.0,
		"/e^f": 3.0, "/g|h": 4.0, `/i\j`: 5.0, `/k"l`: 6.0, "/ ": 7.0, "/m~0n": 8.0,
	} {
		p := pointer(t, pointerText)
		got, ok := p.Get(whole)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("Get(%q) found: %v (-want +got):\n%s", pointerText, ok, diff)
		}
		if p.String() != pointerText {
			t.Errorf("String() = %q, want %q", p.String(), pointerText)
		}
	}
}

func TestParsePointer(t *testing.T) {
	for text, want := range map[string]ijson.Pointer{
		"":         {},
		"/":        {""},
		"//":       {"", ""},
		"/a/":      {"a", ""},
		"/~01":     {"~1"}, // not a slash: section 4 names the order
		"/~10":     {"/0"},
		"/~0~1":    {"~/"},
		"/-/01/+1": {"-", "01", "+1"},
		"/ü/%41":   {"ü", "%41"}, // no percent-encoding, but in a URI fragment
	} {
		got, err := ijson.ParsePointer(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("ParsePointer(%q): error %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"a", "a/b", "#/a", " /a", "/~", "/a~", "/~2", "/~~0", "/a/~/b", "/\xff"} {
		if p, err := ijson.ParsePointer(text); err == nil {
			t.Errorf("ParsePointer(%q) = %q, want an error", text, p)
		}
	}
}

func TestPointerChanges(t *testing.T) {
	const before = `{"a":{"b":1},"list":["x","y"],"":{"":0}}`
	for name, test := range map[string]struct {
		pointer     string
		set, remove string // what is left; empty when nothing is found
	}{
		"a member":                     {pointer: "/a/b", set: `{"a":{"b":9},"list":["x","y"],"":{"":0}}`, remove: `{"a":{},"list":["x","y"],"":{"":0}}`},
		"a member that is not there":   {pointer: "/a/c", set: `{"a":{"b":1,"c":9},"list":["x","y"],"":{"":0}}`},
		"an object":                    {pointer: "/a", set: `{"a":9,"list":["x","y"],"":{"":0}}`, remove: `{"list":["x","y"],"":{"":0}}`},
		"an element":                   {pointer: "/list/1", set: `{"a":{"b":1},"list":["x",9],"":{"":0}}`, remove: `{"a":{"b":1},"list":["x",null],"":{"":0}}`},
		"empty names":                  {pointer: "//", set: `{"a":{"b":1},"list":["x","y"],"":{"":9}}`, remove: `{"a":{"b":1},"list":["x","y"],"":{}}`},
		"below what is not there":      {pointer: "/c/d"},
		"below a number":               {pointer: "/a/b/c"},
		"below a text":                 {pointer: "/list/0/0"},
		"the document":                 {pointer: ""},
		"the element behind the last":  {pointer: "/list/-"},
		"an index that is too large":   {pointer: "/list/2"},
		"an index of 30 digits":        {pointer: "/list/" + strings.Repeat("1", 30)},
		"an index with a zero before":  {pointer: "/list/01"},
		"an index with a plus":         {pointer: "/list/+1"},
		"an index with a minus":        {pointer: "/list/-0"},
		"an empty index":               {pointer: "/list/"},
		"an index in digits of others": {pointer: "/list/١"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pointer(t, test.pointer)
			check := func(verb string, change func(any) bool, want string) {
				left := document(t, before)
				found := change(left)
				if found != (want != "") {
					t.Errorf("%s(%q) found: %v", verb, test.pointer, found)
				}
				if want == "" {
					want = before
				}
				if diff := cmp.Diff(document(t, want), left); diff != "" {
					t.Errorf("%s(%q) (-want +got):\n%s", verb, test.pointer, diff)
				}
			}
			check("Set", func(v any) bool { return p.Set(v, 9.0) }, test.set)
			check("Remove", p.Remove, test.remove)
		})
	}
}

// FuzzPointer checks that texts and pointers are the same, and that what a pointer sets is
// what it gets.
func FuzzPointer(f *testing.F) {
	for _, seed := range []string{"", "/", "/a~1b/~0/0", "/list/-", "/list/01", "/~2", "a", "/list/1/b", "/\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ijson.ParsePointer(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Fatalf("ParsePointer(%q).String() = %q", text, p.String())
		}
		v := document(t, `{"list":["x",{"b":1}],"a":{"":2},"":[[]]}`)
		_, was := p.Get(v)
		set := p.Set(v, "new")
		if was && !set && len(p) > 0 {
			t.Errorf("Get(%q) found a value, Set did not", text)
		}
		if got, ok := p.Get(v); set && (!ok || got != "new") {
			t.Errorf("Get(%q) = %v, %v after Set", text, got, ok)
		}
		if set && !p.Remove(v) {
			t.Errorf("Remove(%q) found nothing after Set", text)
		}
		if got, ok := p.Get(v); set && ok && got != nil {
			t.Errorf("Get(%q) = %v after Remove", text, got)
		}
	})
}
