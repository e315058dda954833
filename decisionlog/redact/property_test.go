package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/redact"
	"github.com/verdict-pdp/verdict/ijson"
)

// fragments are what secrets, what looks like them, and what stands around them are made of.
var fragments = []string{
	jws, jws[:len(jws)-8], apiKey, apiKey[:20], "vk_", "vs_", "_", ".", "..", "=.", "==.", " ", "+", "-", "/", "%", "%2", "%25", "%2B", "\n", "x", "7", "ü", "\xff", ":", "@",
	"Basic ", "basic+", "Bearer ", "bearer+", "DPoP ", "dXNlcjpwYXNz", "opaque-0123456789", "eyJ", "eyJhbGciOiJub25lIn0", "e30", "-----BEGIN EC PRIVATE KEY-----", "PRIVATE+KEY-----",
	strings.Repeat("k", 43), strings.Repeat("k", 16), "password", "authorization", "client_secret", "my", "=", `"`, `\"`, "&",
	`\`, `\u`, `\u003d`, `\\u005c`, `\ud800`,
}

// texts are fragments in a row, some of them encoded once more.
func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var text string
		for range rapid.IntRange(0, 6).Draw(t, "fragments") {
			text += rapid.SampledFrom(fragments).Draw(t, "fragment")
			switch rapid.IntRange(0, 9).Draw(t, "encoding") {
			case 0:
				text = url.QueryEscape(text)
			case 1:
				text = base64.StdEncoding.EncodeToString([]byte(text))
			case 2:
				text = base64.RawURLEncoding.EncodeToString([]byte(text))
			}
		}
		return text
	})
}

// documents are decoded JSON with such texts in values and in names.
func documents(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		text := func(label string) string { return strings.ToValidUTF8(texts().Draw(t, label), "?") }
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		switch {
		case kind == 0:
			return rapid.SampledFrom([]any{nil, true, 7.0}).Draw(t, "other")
		case kind < 3 || depth == 0:
			return text("text")
		case kind == 3:
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				if rapid.IntRange(0, 3).Draw(t, "is a header") == 0 {
					list = append(list, "Set-Cookie")
				}
				list = append(list, documents(depth-1).Draw(t, "element"))
			}
			return list
		}
		object := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			name := text("name")
			if rapid.Bool().Draw(t, "known") {
				name = rapid.SampledFrom([]string{"name", "key", "header", "value", "Set-Cookie", "clientSecret", "pass word", "env", "raw_value", "Name", "Value", "http.request.header.cookie", redact.Masked}).Draw(t, "known name")
			}
			object[name] = documents(depth-1).Draw(t, "member")
			if rapid.IntRange(0, 3).Draw(t, "names a secret") == 0 {
				object[name] = "X-Api-Key"
			}
		}
		return object
	})
}

// TestTextIsTheModel holds the search of a text to the slow one.
func TestTextIsTheModel(t *testing.T) {
	counted := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		want := modelSecret(text)
		if got := redact.Text(text) == redact.Masked; got != want {
			t.Fatalf("Text(%q) masks it: %v, want %v", text, got, want)
		}
		if got, want := redact.Identifier(text) == redact.Masked, modelWhole(text); got != want {
			t.Fatalf("Identifier(%q) masks it: %v, want %v", text, got, want)
		}
		counted[want]++
	})
	if counted[true] == 0 || counted[false] == 0 {
		t.Errorf("texts by whether they have a secret: %v, want some of both", counted)
	}
}

// TestDocumentIsTheModel holds what is left of a document to the slow model of it, and the
// quick look to what there is to find.
func TestDocumentIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		document := documents(4).Draw(t, "document")
		text, err := ijson.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		want, wantMasked := modelDocument(document, []string{"input"})
		got, masked := redact.Document(document)
		slices.Sort(masked)
		slices.Sort(wantMasked)
		if diff := cmp.Diff(want, got) + cmp.Diff(wantMasked, masked); diff != "" {
			t.Fatalf("%s (-model +redacted):\n%s", text, diff)
		}
		if len(masked) > 0 && !redact.MayContainSecret(text) {
			t.Fatalf("the quick look finds nothing in %s, want %q", text, masked)
		}
		if _, again := redact.Document(got); len(again) > 0 {
			t.Fatalf("%s: redacting again masks %q", text, again)
		}
	})
}

// FuzzRecord has an input as it came over the wire, a text of the policy's, and a mask.
func FuzzRecord(f *testing.F) {
	for _, input := range []string{
		`{"a":"b"}`, `{"password":1}`, `["` + jws + `"]`, `{"a":"\u0076s_x"}`, `{"pass\u0077ord" : 2}`, `"\nvk_"`, `{"x":"\\"}`, `{"a":{"cookie":"[masked]"}}`,
		`{"a":1,"a":2}`, `{"password":1,"password":2}`, `{"a~1b":{"m~0n":["vs_x"]}}`, `{"headers":[{"name":"cookie","value":"x"}]}`, strings.Repeat("[", 40) + strings.Repeat("]", 40),
		`{"` + jws + `":{"a":"vk_"}}`, `{"a":"\ud800"}`, `{"a":1e400}`, `{"a":"eyJhbGciOi\u004AFUzI1NiJ9.e30.x"}`,
	} {
		f.Add([]byte(input), "no edge", "/input/a")
	}
	f.Add([]byte(`{"list":["a","b"]}`), "Bearer "+jws, "/input/list/-")
	f.Add([]byte(`{"a~1b":{"m~0n":1}}`), "basic+basic+", "/input/a~1b/m~0n")
	f.Add([]byte(`{"list":["a","b"]}`), `{"password":"x"}`, "/result/reasons/0/message")
	f.Fuzz(func(t *testing.T, input []byte, text, path string) {
		text = strings.ToValidUTF8(text, "?")
		result, err := ijson.Marshal(authz.Decision{Reasons: []authz.Reason{{Code: "NO_EDGE", Guard: "edges", Message: text, Details: map[string]any{text: text, "secret": text}}}})
		if err != nil {
			t.Fatal(err)
		}
		r := authz.Record{Input: input, Result: result}
		before := r
		secret, err := redact.Record(&r, []authz.Mask{{Op: authz.MaskUpsert, Path: path, Value: text}})
		if err != nil {
			if diff := cmp.Diff(before, r); diff != "" {
				t.Fatalf("after the error %v the record is another (-before +after):\n%s", err, diff)
			}
			r = before
			secret, err = redact.Record(&r, nil)
		}
		if err != nil {
			return
		}
		for name, document := range map[string]json.RawMessage{"input": r.Input, "result": r.Result} {
			var decoded any
			if err := ijson.Unmarshal(document, &decoded); err != nil {
				if name == "input" && ijson.Check(input) != nil && string(r.Input) == string(input) {
					continue // was never JSON, had nothing to mask, and will not be written
				}
				t.Fatalf("the %s %s is no JSON: %v", name, document, err)
			}
			if left, more := modelDocument(decoded, []string{name}); len(more) > 0 {
				t.Errorf("%s has %q to mask (-is +model):\n%s", document, more, cmp.Diff(decoded, left))
			}
		}
		if modelSecret(text) && (!secret || strings.Contains(string(r.Result), text) && len(text) > len("NO_EDGE")) {
			t.Errorf("the secret %q is in %s", text, r.Result)
		}
		again := r
		if secret, err := redact.Record(&again, nil); secret || err != nil || string(again.Input) != string(r.Input) || string(again.Result) != string(r.Result) {
			t.Errorf("redacted again: masked something: %v, error %v\n%s%s\n%s%s", secret, err, r.Input, r.Result, again.Input, again.Result)
		}
	})
}

// TestBounded has large inputs that take the longest way, or list the most. With time that
// grows as the square of the input, they take a minute and more.
func TestBounded(t *testing.T) {
	const size = 384 << 10
	fill := func(text string) string { return strings.Repeat(text, size/len(text)) }
	many := make(map[string]any, size/64)
	for i := range size / 64 {
		many[strings.Repeat("n", i%40)+string(rune('a'+i%26))+string(rune('A'+i/26%26))+string(rune('0'+i/676%70))] = "vs_"
	}
	for name, context := range map[string]map[string]any{
		"schemes in a form":           {"x": "  " + fill("basic+")},
		"tokens in a form":            {"x": "  " + fill("bearer+")},
		"dots":                        {"x": fill(".")},
		"headers without an alg":      {"x": fill("eyJ.")},
		"headers in a row":            {"x": fill("eyJhIjoxfQ") + ".."},
		"prefixes":                    {"x": "x " + fill("vk_a.")},
		"names":                       {"x": fill("cookie")},
		"equals signs":                {"x": fill("a=")},
		"names in JSON":               {"x": fill(`a":`)},
		"escapes in JSON":             {"x": fill(`\`) + `":`},
		"headers in a list":           {"x": slices.Repeat([]any{"Cookie", "x"}, size/16)},
		"percents":                    {"x": fill("%25")},
		"base64 in base64":            {"x": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(fill("a")[:size/2]))))},
		"quotes":                      {"x": fill(`"`)},
		"secrets below a long name":   {strings.Repeat("n", size/2): many},
		"elements below a long name":  {strings.Repeat("n", size/2): strings.Split(fill("vs_ ")[:size/4], " ")},
		"names of secrets":            {"x": many, "cookie": many},
		"schemes in a form, in lists": {"x": slices.Repeat([]any{"a basic+" + strings.Repeat("basic+", 100)}, size/640)},
	} {
		t.Run(name, func(t *testing.T) {
			r := recordOf(t, context)
			length := len(r.Input)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := redact.Record(&r, nil)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 128*uint64(length) || took > 15*time.Second {
				t.Errorf("%d bytes took %v and %d bytes of memory", length, took, allocated)
			}
			listed := 0
			for _, path := range r.Masked {
				listed += len(path)
			}
			if listed > redact.MaxPaths || err == nil && len(r.Masked) == 0 && redact.MayContainSecret(r.Input) {
				t.Errorf("%d bytes are listed as masked, error %v", listed, err)
			}
		})
	}
}

// BenchmarkRecord is the usual record, with nothing to mask.
func BenchmarkRecord(b *testing.B) {
	r := recordOf(b, map[string]any{"source_ip": "10.4.2.19", "env": "prod", "path": "/v1/invoices/42?page=3&sort=date", "agent": "curl/8.5.0 (x86_64-pc-linux-gnu)"})
	b.SetBytes(int64(len(r.Input) + len(r.Result)))
	b.ReportAllocs()
	for b.Loop() {
		if secret, err := redact.Record(&r, nil); secret || err != nil {
			b.Fatal(secret, err)
		}
	}
}
