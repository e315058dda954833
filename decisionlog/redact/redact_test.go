package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/redact"
	"github.com/verdict-pdp/verdict/ijson"
)

// jws is a token as one would be sent by mistake.
var jws = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"mu:user-svc"}`)) + ".c2lnbmF0dXJl"

var apiKey = "vk_pep-1_" + strings.Repeat("k", 43)

// recordOf is the record of a denial whose question has a context.
func recordOf(t testing.TB, context map[string]any) authz.Record {
	t.Helper()
	encode := func(v any) json.RawMessage {
		text, err := ijson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	return authz.Record{
		Input: encode(map[string]any{"action": map[string]any{"name": "email.send", "properties": map[string]any{}}, "context": context, "credential": map[string]any{}, "time": "2026-01-05T10:00:00Z"}),
		Result: encode(authz.Decision{
			ID: "d-1", Reasons: []authz.Reason{{Code: "NO_EDGE", Guard: "edges", Message: `no edge to "svc:email"`, Fix: "ask", Status: 403, Details: map[string]any{"tenant": "acme", "n": 3}}},
			Advice: []authz.Duty{{"id": "note", "text": "hello"}},
		}),
	}
}

// TestMasks has one input and result, and what masks make of them.
func TestMasks(t *testing.T) {
	remove := func(path string) authz.Mask { return authz.Mask{Op: authz.MaskRemove, Path: path} }
	upsert := func(path string, v any) authz.Mask { return authz.Mask{Op: authz.MaskUpsert, Path: path, Value: v} }
	for name, test := range map[string]struct {
		masks  []authz.Mask
		masked []string
		fails  bool
		input  string // part of the input's context afterwards
	}{
		"nothing":                    {input: `"context":{"env":"prod","list":["a","b"],"o":{"x":1},"source_ip":"10.4.2.19"}`},
		"a member":                   {masks: []authz.Mask{remove("/input/context/env")}, masked: []string{"/input/context/env"}, input: `"context":{"list":["a","b"],"o":{"x":1},"source_ip":"10.4.2.19"}`},
		"a whole object":             {masks: []authz.Mask{remove("/input/context")}, masked: []string{"/input/context"}, input: `"action":{"name":"email.send","properties":{}},"credential"`},
		"replaced":                   {masks: []authz.Mask{upsert("/input/context/env", "***")}, masked: []string{"/input/context/env"}, input: `"env":"***"`},
		"added":                      {masks: []authz.Mask{upsert("/input/context/new", map[string]any{"a": 1})}, masked: []string{"/input/context/new"}, input: `"new":{"a":1}`},
		"in a list":                  {masks: []authz.Mask{remove("/input/context/list/0"), upsert("/input/context/list/1", "c")}, masked: []string{"/input/context/list/0", "/input/context/list/1"}, input: `"list":[null,"c"]`},
		"twice":                      {masks: []authz.Mask{upsert("/input/context/env", "x"), upsert("/input/context/env", "y")}, masked: []string{"/input/context/env"}, input: `"env":"y"`},
		"escaped":                    {masks: []authz.Mask{upsert("/input/context/a~1b~0c", 1)}, masked: []string{"/input/context/a~1b~0c"}, input: `"a/b~c":1`},
		"what is not there":          {masks: []authz.Mask{remove("/input/context/nothing"), remove("/input/context/list/9"), upsert("/input/no/where", 1), remove("/input/context/env/x")}, input: `"env":"prod"`},
		"reason texts":               {masks: []authz.Mask{remove("/result/reasons/0/message"), remove("/result/reasons/0/details/tenant"), upsert("/result/reasons/0/fix", "-")}, masked: []string{"/result/reasons/0/details/tenant", "/result/reasons/0/fix", "/result/reasons/0/message"}, input: `"env":"prod"`},
		"duties":                     {masks: []authz.Mask{remove("/result/advice/0/text")}, masked: []string{"/result/advice/0/text"}, input: `"env":"prod"`},
		"the time":                   {masks: []authz.Mask{remove("/input/time")}, fails: true},
		"the input":                  {masks: []authz.Mask{remove("/input")}, fails: true},
		"a code":                     {masks: []authz.Mask{remove("/result/reasons/0/code")}, fails: true},
		"all reasons":                {masks: []authz.Mask{remove("/result/reasons")}, fails: true},
		"the outcome":                {masks: []authz.Mask{upsert("/result/decision", "allow")}, fails: true},
		"the id of a duty":           {masks: []authz.Mask{remove("/result/advice/0/id")}, fails: true},
		"no decision afterwards":     {masks: []authz.Mask{upsert("/result/reasons/0/message", 7)}, fails: true},
		"something else":             {masks: []authz.Mask{remove("/labels/x")}, fails: true},
		"no pointer":                 {masks: []authz.Mask{remove("input/context")}, fails: true},
		"a bad escape":               {masks: []authz.Mask{remove("/input/~2")}, fails: true},
		"another op":                 {masks: []authz.Mask{{Op: "rename", Path: "/input/context/env"}}, fails: true},
		"a value that is no JSON":    {masks: []authz.Mask{upsert("/input/context/env", func() {})}, fails: true},
		"a secret as a replacement":  {masks: []authz.Mask{upsert("/input/context/env", jws)}, masked: []string{"/input/context/env"}, input: `"env":"[masked]"`},
		"a secret in a map of ours":  {masks: []authz.Mask{upsert("/input/context/env", map[string][]string{"x": {jws}})}, masked: []string{"/input/context/env", "/input/context/env/x/0"}, input: `"env":{"x":["[masked]"]}`},
		"one that works, one not":    {masks: []authz.Mask{remove("/input/context/env"), remove("/input/time")}, fails: true},
		"an index that is no number": {masks: []authz.Mask{remove("/input/context/list/01")}, input: `"list":["a","b"]`},
	} {
		t.Run(name, func(t *testing.T) {
			r := recordOf(t, map[string]any{"source_ip": "10.4.2.19", "env": "prod", "list": []any{"a", "b"}, "o": map[string]any{"x": 1}})
			before := r
			_, err := redact.Record(&r, test.masks)
			if test.fails {
				if diff := cmp.Diff(before, r); err == nil || diff != "" {
					t.Errorf("error %v, want one and the record as it was (-before +after):\n%s", err, diff)
				}
				return
			}
			if diff := cmp.Diff(test.masked, r.Masked); diff != "" || err != nil {
				t.Errorf("error %v, masked (-want +got):\n%s", err, diff)
			}
			if !strings.Contains(string(r.Input), test.input) {
				t.Errorf("input = %s, want it to have %s", r.Input, test.input)
			}
		})
	}
}

func TestText(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	for text, want := range map[string]bool{
		jws:                                 true,
		jws[:strings.LastIndex(jws, ".")+1]: true, // not signed
		"Bearer " + jws:                     true,
		"token=" + jws + "&x=1":             true,
		"x." + jws:                          true,
		encode([]byte("\n { \"alg\": \"none\" }")) + ".e30.":                                 true,
		base64.URLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k"}`)) + ".e30.c2ln": true, // padded
		encode([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + ".a.b.c.d":                    true, // RFC 7516
		"vk_pep-1_" + strings.Repeat("k", 43):                                                true,
		"key vk_pep-1_" + strings.Repeat("k", 43):                                            true,
		"vs_x":                                true,
		"see=vs_" + strings.Repeat("k", 43):   true,
		"-----BEGIN EC PRIVATE KEY-----\nMHc": true,
		"":                                    false,
		"10.4.2.19":                           false,
		"user-svc.prod.example.internal":      false,
		"a sentence. And more... of it.":      false,
		encode([]byte(`{"typ":"x","b":1}`)) + ".e30.x":                              false,
		encode([]byte(`["alg","alg","alg"]`)) + ".e30.x":                            false,
		strings.Repeat("x", 40) + "." + "y" + ".z":                                  false,
		"https://a.example/vk_x":                                                    false,
		"cvs_" + strings.Repeat("k", 43):                                            false,
		"sha256:" + strings.Repeat("ab", 32):                                        false,
		"-----BEGIN PUBLIC KEY-----":                                                false,
		"grün.grün.grün":                                                            false,
		"see vs_code for what an editor could do with it all":                       false,
		"my_" + apiKey:                                                              true,
		"token_" + jws:                                                              true,
		"bearer" + jws:                                                              true,
		"x.eyJeyJ" + jws:                                                            true,
		url.QueryEscape("Bearer " + jws):                                            true,
		url.QueryEscape("a=" + url.QueryEscape(apiKey)):                             true,
		url.QueryEscape("-----BEGIN EC PRIVATE KEY-----\nMHc"):                      true,
		base64.StdEncoding.EncodeToString([]byte(jws)):                              true,
		"see " + encode([]byte("client:"+apiKey)) + ".":                             true,
		base64.StdEncoding.EncodeToString([]byte(url.QueryEscape("key=" + apiKey))): true,
		"Authorization: Basic " + encode([]byte("user:pass")):                       true,
		base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(url.QueryEscape("key=" + apiKey + "/")))): true,
		"authorization=DPoP+opaque-0123456789":    true,
		"Bearer opaque-0123456789":                true,
		"/cb?access_token=opaque&x=1":             true, // an HTTP path, as Envoy has it
		"/cb%3Faccess_token%3Dopaque":             true,
		"grant_type=password&client-secret='x'":   true,
		`{"user":"ana","Password" : "x"}`:         true, // a body that is sent on as a text
		`{\"client_secret\":\"x\"}`:               true,
		"a=1; cookie=x":                           true,
		"my_password=x":                           false,
		"password=":                               false,
		"password= x":                             false,
		"/cb?state=secret&x=1":                    false,
		"secret == other":                         false,
		"client_secret: is required":              false,
		`the "password": `:                        false,
		"basic Authentication":                    false,
		"the bearer authentication_failed":        false,
		"a bearer of 10.4.2.19":                   false,
		"100%":                                    false,
		"50%25 of " + strings.Repeat("words", 20): false,
	} {
		if got := redact.Text(text); got != text && got != redact.Masked || want != (got == redact.Masked) {
			t.Errorf("Text(%q) = %q, want masked: %v", text, got, want)
		}
	}
}

// TestNames has members by their names alone.
func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"authorization": true, "Authorization": true, "Set-Cookie": true, "set_cookie": true, "X-API-Key": true, "PASSWORD": true, "new_password": true, "pwd": true, "X-Vault-Token": true, "PRIVATE-TOKEN": true, "x-amz-security-token": true, "passwd": true, "secret": true,
		"client_secret": true, "access_token": true, "refresh_token": true, "id_token": true, "private_key": true, "cookie": true, "proxy-authorization": true,
		"clientSecret": true, "apiKey": true, "refresh-token": true, "x-auth-token": true, "DPoP": true, "a_very_long_name_of_something": false,
		"http.request.header.authorization": true, "spring.datasource.password": true, "password.min_length": false, ".": false, "x.": false,
		"ｐassword": false, "vault/secret": false, "vault:secret": false,
		"": false, "token": false, "secrets": false, "credential": false, "key_id": false, "authorized": false,
	} {
		r := recordOf(t, map[string]any{name: 7})
		secret, err := redact.Record(&r, nil)
		if secret != want || err != nil || want == bytes.Contains(r.Input, []byte("7")) {
			t.Errorf("%q is that of a secret: %v, error %v, want %v: %s", name, secret, err, want, r.Input)
		}
	}
}

// TestIdentifier has texts that name something and texts that are a key.
func TestIdentifier(t *testing.T) {
	secret := strings.Repeat("k", 20) + "-_" + strings.Repeat("K", 21)
	long := strings.Repeat("i", authz.MaxIDLength)
	for text, want := range map[string]struct{ identifier, text bool }{
		"vk_bob":                            {false, true},
		"vs_bob":                            {false, true},
		"vk_":                               {false, true},
		"vk_" + secret:                      {false, true},
		"vk_" + secret[:20] + "_" + "short": {false, true},
		"vk_b_" + secret[1:]:                {false, true},
		"vs_" + secret[1:]:                  {false, true},
		"rolled vk_b_" + secret[1:]:         {false, true},
		"vk_ops_" + secret:                  {true, true},
		"vk_a_b:c@d.e_" + secret:            {true, true},
		"vk_" + long + "_" + secret:         {true, true},
		"rolled vk_ops_" + secret + ".":     {true, true},
		"rolled(vs_" + secret + ")":         {true, true},
		"vs_" + secret:                      {true, true},
		"vk_vs_" + secret:                   {true, true},
		"vk%5Fops_" + secret:                {true, true},
		"devk_ops_" + secret:                {false, false},
		"see vk_bob":                        {false, false},
		jws:                                 {true, true},
		base64.StdEncoding.EncodeToString([]byte("--vs_" + secret)): {true, true},
	} {
		if identifier, plain := redact.Identifier(text) == redact.Masked, redact.Text(text) == redact.Masked; identifier != want.identifier || plain != want.text {
			t.Errorf("%q is masked as an identifier: %v, as a text: %v; want %v and %v", text, identifier, plain, want.identifier, want.text)
		}
	}
}

// TestHeaders has headers in the forms in which they are listed.
func TestHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		headers any
		want    []string // below /input/context/headers
	}{
		"members":                   {map[string]any{"Authorization": "x", "accept": "y"}, []string{"/Authorization"}},
		"lists by name":             {map[string]any{"set-cookie": []any{"a=b", "c=d"}, "accept": []any{"y"}}, []string{"/set-cookie"}},
		"pairs in objects":          {[]any{map[string]any{"name": "Cookie", "value": "x"}, map[string]any{"name": "accept", "value": "y"}}, []string{"/0/value"}},
		"values in objects":         {[]any{map[string]any{"name": "Cookie", "values": []any{"x", "y"}}}, []string{"/0/values"}},
		"Envoy's, which are base64": {[]any{map[string]any{"key": "authorization", "raw_value": "eA=="}, map[string]any{"key": "x-api-key", "rawValue": "eA=="}}, []string{"/0/raw_value", "/1/rawValue"}},
		"pairs of another case":     {[]any{map[string]any{"Name": "Cookie", "Value": "x"}, map[string]any{"KEY": "accept", "VALUE": "y"}}, []string{"/0/Value"}},
		"pairs in lists":            {[]any{[]any{"Authorization", "x"}, []any{"accept", "y"}}, []string{"/0/1"}},
		"names and values in turn":  {[]any{"Accept", "cookie", "X-Api-Key", "x", "Cookie", "y"}, []string{"/3", "/5"}},
		"names alone":               {[]any{"authorization", "cookie", "accept"}, nil},
		"classes":                   {[]any{"secret", "internal"}, nil},
		"a name and a list":         {[]any{"Set-Cookie", []any{"a=b"}}, []string{"/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := recordOf(t, map[string]any{"headers": test.headers})
			if _, err := redact.Record(&r, nil); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, path := range test.want {
				want = append(want, "/input/context/headers"+path)
			}
			if diff := cmp.Diff(want, r.Masked); diff != "" {
				t.Errorf("masked (-want +got):\n%s\n%s", diff, r.Input)
			}
		})
	}
}

// TestUnreadable has documents that two readers may read differently, with a secret in them:
// they are refused, and what could be read of them is not kept.
func TestUnreadable(t *testing.T) {
	for name, input := range map[string]string{
		"a member twice":                   `{"a":{"note":"vs_x","note":"y"}}`,
		"a member twice, once escaped":     `{"password":"x","pass\u0077ord":"y"}`,
		"nested deeper than can be":        strings.Repeat(`{"a":`, 40) + `"vs_x"` + strings.Repeat("}", 40),
		"half a surrogate":                 `{"\ud800":"vs_x"}`,
		"invalid UTF-8":                    "{\"\xff\":\"vs_x\"}",
		"a number that is not read by all": `{"n":123456789012345678901234567890,"x":"vs_x"}`,
		"something behind it":              `{"x":"vs_x"}{}`,
		"no end":                           `{"x":"vs_x`,
		"null":                             `"vs_x" null`,
	} {
		r := recordOf(t, nil)
		r.Input = json.RawMessage(input)
		var failed *redact.Error
		if _, err := redact.Record(&r, nil); !errors.As(err, &failed) || failed.Reason != "it could not be read to be masked" {
			t.Errorf("%s: error %v, want one that it could not be read", name, err)
		}
	}
}

// TestEscaped has secrets that escapes of JSON hide from those who search its bytes.
func TestEscaped(t *testing.T) {
	for input, want := range map[string]string{
		`{"x":"\u0076\u0073\u005fopaque"}`:            `{"x":"[masked]"}`,
		`{"pass\u0077ord":1}`:                         `{"password":"[masked]"}`,
		`{"\u0070assword":{"a":["b"]}}`:               `{"password":"[masked]"}`,
		`{"x":"Bearer\u0020opaque-0123456789"}`:       `{"x":"[masked]"}`,
		`{"x":"-----BEGIN PRIVATE\u0020KEY-----\nx"}`: `{"x":"[masked]"}`,
		`{"x":"{\"password\":\"x\"}"}`:                `{"x":"[masked]"}`,
		// What Gson, and Go, make of = and & in JSON that is kept as a text.
		`{"x":"{\"q\":\"a\\u003d1\\u0026password\\u003dx\"}"}`:                 `{"x":"[masked]"}`,
		`{"x":"{\"passw\\u006frd\":\"x\"}"}`:                                   `{"x":"[masked]"}`,
		`{"x":"{\"y\":\"{\\\"z\\\":\\\"a\\\\u0026password\\\\u003dx\\\"}\"}"}`: `{"x":"[masked]"}`,
		`{"x":"C:\\","vs_\\":1}`:                                               `{"[masked]":"[masked]","x":"C:\\"}`,
		`{"vs_a":1,"vs_b":2,"[masked]":3}`:                                     `{"[masked]":"[masked]"}`,
	} {
		r := recordOf(t, nil)
		r.Input = json.RawMessage(input)
		if secret, err := redact.Record(&r, nil); err != nil || !secret || string(r.Input) != want {
			t.Errorf("%s became %s, masked something: %v, error %v, want %s", input, r.Input, secret, err, want)
		}
	}
}
