package decisionlog_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// jws is a token as one would be sent by mistake.
var jws = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"mu:user-svc"}`)) + ".c2lnbmF0dXJl"

var apiKey = "vk_pep-1_" + strings.Repeat("k", 43)

// at is the value in doc that the parts lead to.
func at(t *testing.T, doc []byte, parts ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if list, ok := v.([]any); ok {
			v = list[int(part[0]-'0')]
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is in nothing", part)
		}
		v = object[part]
	}
	return v
}

func TestMask(t *testing.T) {
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
			c := inMemory()
			c.Mask = func(_ context.Context, r *authz.Record) ([]authz.Mask, error) {
				if len(r.Input) == 0 || len(r.Result) == 0 {
					t.Error("asked without input or result")
				}
				return test.masks, nil
			}
			l := open(t, c)
			e := denied("d-1")
			e.Question.Context = map[string]any{"source_ip": "10.4.2.19", "env": "prod", "list": []any{"a", "b"}, "o": map[string]any{"x": 1}}
			e.Decision.Advice = []authz.Duty{{"id": "note", "text": "hello"}}
			record(t, l, e)
			r := get(t, l, "d-1")
			verify(t, l)
			if test.fails {
				withheld(t, l, r)
				return
			}
			if diff := cmp.Diff(test.masked, r.Masked); diff != "" || !strings.Contains(string(r.Input), test.input) || r.InputError != "" {
				t.Errorf("%s\n%s %s", diff, r.Input, r.InputError)
			}
		})
	}
}

// withheld checks that r, of denied, has what a record without its input has.
func withheld(t *testing.T, l *decisionlog.Log, r authz.Record) {
	t.Helper()
	if len(r.Input) > 0 || r.InputError == "" || r.Masked != nil || l.Stats().Unmaskable != 1 {
		t.Errorf("input %s, error %q, masked %v", r.Input, r.InputError, r.Masked)
	}
	var d authz.Decision
	if err := json.Unmarshal(r.Result, &d); err != nil {
		t.Fatal(err)
	}
	want := []authz.Reason{{Code: "NO_EDGE", Guard: "edges"}, {Code: "TRUST_TOO_LOW", Guard: "trust", Mode: "observe"}}
	if diff := cmp.Diff(want, slices.Concat(d.Reasons, d.WouldDeny)); diff != "" || d.Advice != nil || d.Obligations != nil {
		t.Errorf("%s %v %v", diff, d.Advice, d.Obligations)
	}
	if r.Decision != authz.Deny || r.Subject != "mu:user-svc" || r.Policy.Generation != 4 {
		t.Errorf("%+v", r)
	}
	list, err := l.List(t.Context(), authz.RecordFilter{Code: "NO_EDGE", Guard: "trust"}, "", 0)
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%d records found by code and guard, %v", len(list.Items), err)
	}
}

func TestUnmaskable(t *testing.T) {
	for name, change := range map[string]func(*decisionlog.Config, *authz.Entry){
		"the policy fails": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { return nil, errors.New("boom") }
		},
		"the policy panics": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { panic("boom") }
		},
		"the policy is too slow": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Mask = func(ctx context.Context, _ *authz.Record) ([]authz.Mask, error) {
				<-ctx.Done()
				return nil, nil
			}
		},
		"there is no input": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return nil, errors.New("boom") }
		},
		"the input is no JSON": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return []byte(`{"a":1,"a":2}`), nil }
		},
		"the input is no JSON and suspect": func(c *decisionlog.Config, _ *authz.Entry) {
			c.Input = func(authz.Question) ([]byte, error) { return []byte(`{"password":1,"password":2}`), nil }
		},
		"the result is no JSON": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Decision.Reasons[0].Details = map[string]any{"x": func() {}}
		},
		"its result is too large": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Decision.Reasons[0].Message = strings.Repeat("x", 1<<20)
		},
		"its input is too large": func(_ *decisionlog.Config, e *authz.Entry) {
			e.Question.Context = map[string]any{"x": strings.Repeat("x", 1<<20)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, e := inMemory(), denied("d-1")
			change(&c, &e)
			l := open(t, c)
			record(t, l, e)
			withheld(t, l, get(t, l, "d-1"))
			verify(t, l)
		})
	}
}

func TestMaskGetsACopy(t *testing.T) {
	c := inMemory()
	c.Mask = func(_ context.Context, r *authz.Record) ([]authz.Mask, error) {
		r.Subject, r.Input = "mu:other", nil
		return nil, nil
	}
	l := open(t, c)
	record(t, l, entry("d-1"))
	if r := get(t, l, "d-1"); r.Subject != "mu:user-svc" || len(r.Input) == 0 {
		t.Errorf("%+v", r)
	}
}

// TestBackstop puts secrets everywhere a caller or a policy can, with a mask policy
// that asks for nothing.
func TestBackstop(t *testing.T) {
	c := inMemory()
	c.Mask = func(context.Context, *authz.Record) ([]authz.Mask, error) { return nil, nil }
	l := open(t, c)
	e := denied("d-1")
	e.Question.Context = map[string]any{
		"env": "prod", "Authorization": "Basic dXNlcg==", "note": "sent\nBearer " + jws + ", thanks",
		"list": []any{"a", map[string]any{"set-cookie": []any{"a"}}}, jws: 1, "key": apiKey, "pin": "vs_short",
	}
	e.Question.Action = authz.Action{Name: jws}
	e.Question.Resource.ID = apiKey
	e.Decision.Reasons[0].Message = "the token " + jws + " is old"
	e.Decision.Obligations = []authz.Duty{{"id": "call", "client_secret": "x"}}
	record(t, l, e)
	r := get(t, l, "d-1")
	if diff := cmp.Diff([]string{
		"/action", "/input/action/name", "/input/context/Authorization", "/input/context/[masked]", "/input/context/key", "/input/context/list/1/set-cookie",
		"/input/context/note", "/input/context/pin", "/input/resource/id", "/result/obligations/0/client_secret", "/result/reasons/0/message", "/service",
	}, r.Masked); diff != "" {
		t.Error(diff)
	}
	whole, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"eyJ", "vk_", "vs_", "dXNlcg"} {
		if strings.Contains(string(whole), secret) {
			t.Errorf("%s is in %s", secret, whole)
		}
	}
	if got := at(t, r.Input, "context", "env"); got != "prod" || l.Stats().Backstop != 1 {
		t.Errorf("env is %v, stats %+v", got, l.Stats())
	}
	verify(t, l)
}

// TestBackstopOfHeaders has headers listed by name, which members are not named by.
func TestBackstopOfHeaders(t *testing.T) {
	l := open(t, inMemory())
	e := entry("d-1")
	e.Question.Context = map[string]any{"headers": []any{
		map[string]any{"name": "X-Api-Key", "value": "opaque"},
		map[string]any{"name": "accept", "value": "text/html"},
	}}
	record(t, l, e)
	if diff := cmp.Diff([]string{"/input/context/headers/0/value"}, get(t, l, "d-1").Masked); diff != "" {
		t.Error(diff)
	}
}

// TestWordsStay has a policy whose guard is named as if it were a secret: the chain
// must be whole, and the record be found by it.
func TestWordsStay(t *testing.T) {
	l := open(t, inMemory())
	e := denied("d-1")
	e.Decision.Reasons[0].Guard, e.Decision.Reasons[0].Code = "vs_relay", "vk_CLOSED"
	record(t, l, e)
	verify(t, l)
	if r := get(t, l, "d-1"); at(t, r.Result, "reasons", "0", "guard") != "vs_relay" || r.Masked != nil {
		t.Errorf("%s %q", r.Result, r.Masked)
	}
}

func TestSecretText(t *testing.T) {
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
		"authorization=DPoP+opaque-0123456789":                                      true,
		"Bearer opaque-0123456789":                                                  true,
		"basic Authentication":                                                      false,
		"the bearer authentication_failed":                                          false,
		"a bearer of 10.4.2.19":                                                     false,
		"100%":                                                                      false,
		"50%25 of " + strings.Repeat("words", 20):                                   false,
	} {
		if got := decisionlog.SecretText([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	for name, want := range map[string]bool{
		"authorization": true, "Authorization": true, "Set-Cookie": true, "set_cookie": true, "X-API-Key": true, "PASSWORD": true, "passwd": true, "secret": true,
		"client_secret": true, "access_token": true, "refresh_token": true, "id_token": true, "private_key": true, "cookie": true, "proxy-authorization": true,
		"clientSecret": true, "apiKey": true, "refresh-token": true, "x-auth-token": true, "DPoP": true, "a_very_long_name_of_something": false,
		"": false, "token": false, "secrets": false, "credential": false, "key_id": false, "authorized": false,
	} {
		if got := decisionlog.SecretName([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// FuzzSuspect checks that the quick look and the close one agree.
func FuzzSuspect(f *testing.F) {
	for _, seed := range []string{`{"a":"b"}`, `{"password":1}`, `["` + jws + `"]`, `{"a":"\u0076s_x"}`, `{"pass\u0077ord" : 2}`, `"\nvk_"`, `{"x":"\\"}`, `{"a":{"cookie":"[masked]"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			decisionlog.Suspect(doc) // and does not panic
			return
		}
		quick := decisionlog.Suspect(doc)
		clean, found := decisionlog.Scrubbed(v)
		if len(found) > 0 && !quick {
			t.Errorf("%q: found %v", doc, found)
		}
		if _, again := decisionlog.Scrubbed(clean); len(again) > 0 {
			t.Errorf("%q: found again %v", doc, again)
		}
	})
}
