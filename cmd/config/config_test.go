package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
)

// load reads text as a file, with the environment and flags of the maps.
func load(t *testing.T, text string, env, flags map[string]string) (config.Loaded, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "verdict.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Sources{File: path, LookupEnv: lookup(env), LookupFlag: lookup(flags)})
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestDefaultIsValid(t *testing.T) {
	c := config.Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), loaded.Config); diff != "" {
		t.Error(diff)
	}
	for _, s := range loaded.Settings() {
		if got := loaded.Origin(s.Key); got != "default" {
			t.Errorf("%s comes from %s", s.Key, got)
		}
	}
}

// Every setting can be set from every source, and each source wins over those
// after it: flag, environment, file, default.
func TestPrecedence(t *testing.T) {
	sockets := [3]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	urls := [3]string{"http://a:4318", "https://b/x", "http://c"}
	special := map[string][3]string{ // file, environment, flag
		"listen": sockets, "admin_listen": sockets,
		"decision_log.opa_url": urls, "decision_log.otlp_endpoint": urls, "tracing.otlp_endpoint": urls,
		"token_service.issuer": {"https://a.example", "https://b.example/t", "http://127.0.0.1:8181"},
	}
	partners := map[string][]string{ // go together
		"tls.cert": {"VERDICT_TLS_KEY"}, "tls.key": {"VERDICT_TLS_CERT"}, "bundles.require_signatures": {"VERDICT_BUNDLES_KEYS"},
		"admin_tls.cert": {"VERDICT_ADMIN_TLS_KEY"}, "admin_tls.key": {"VERDICT_ADMIN_TLS_CERT"},
		"admin_tls.client_ca": {"VERDICT_ADMIN_TLS_CERT", "VERDICT_ADMIN_TLS_KEY"},
	}
	defaults := config.Default()
	for _, s := range defaults.Settings() {
		t.Run(s.Key, func(t *testing.T) {
			sample, ok := special[s.Key]
			if !ok {
				sample = sampleOf(s)
			}
			file := yamlOf(s.Key, sample[0])
			env := map[string]string{s.Env(): sample[1]}
			flags := map[string]string{s.Flag(): sample[2]}
			for _, test := range []struct {
				text       string
				env, flags map[string]string
				want       string
				origin     string
			}{
				{"", nil, nil, s.String(), "default"},
				{file, nil, nil, sample[0], "verdict.yaml:"},
				{file, map[string]string{s.Env(): ""}, nil, sample[0], "verdict.yaml:"},
				{file, env, nil, sample[1], "environment " + s.Env()},
				{file, env, flags, sample[2], "flag --" + s.Flag()},
				{file, nil, flags, sample[2], "flag --" + s.Flag()},
			} {
				environment := map[string]string{}
				maps.Copy(environment, test.env)
				for _, partner := range partners[s.Key] {
					if test.want != "" {
						environment[partner] = "partner.pem"
					}
				}
				loaded, err := load(t, test.text, environment, test.flags)
				if err != nil {
					t.Fatal(err)
				}
				if got := valueOf(loaded, s.Key); got != test.want {
					t.Errorf("value %q, want %q", got, test.want)
				}
				if got := loaded.Origin(s.Key); !strings.Contains(got, test.origin) {
					t.Errorf("origin %q, want %q", got, test.origin)
				}
			}
		})
	}
}

// sampleOf is three values that s may have, those that follow one another different.
func sampleOf(s config.Setting) [3]string {
	if low, high, limited := strings.Cut(s.Allowed, " to "); limited {
		return [3]string{low, high, low}
	}
	switch {
	case len(s.Choices) > 0:
		return [3]string{s.Choices[0], s.Choices[1], s.Choices[0]}
	case s.Type() == "bool":
		return [3]string{"true", "false", "true"}
	}
	return [3]string{"a", "b", "c"}
}

func yamlOf(key, value string) string {
	section, name, nested := strings.Cut(key, ".")
	if !nested {
		return key + ": '" + value + "'\n"
	}
	return section + ":\n  " + name + ": '" + value + "'\n"
}

func valueOf(loaded config.Loaded, key string) string {
	for _, s := range loaded.Settings() {
		if s.Key == key {
			return s.String()
		}
	}
	return ""
}

// Every field is declared as one setting, and setting it changes no other.
func TestEveryFieldIsDeclaredOnce(t *testing.T) {
	declared := map[string]string{} // :: field -> key
	defaults := config.Default()
	for _, s := range defaults.Settings() {
		changed := config.Default()
		own := changed.Settings()
		own = own[slices.IndexFunc(own, func(o config.Setting) bool { return o.Key == s.Key }):]
		sample := sampleOf(s)
		text := sample[0]
		if text == s.String() {
			text = sample[1]
		}
		if err := own[0].Set(text); err != nil {
			t.Fatal(err)
		}
		var fields []string
		now := leaves(reflect.ValueOf(changed), "Config")
		for field, value := range leaves(reflect.ValueOf(config.Default()), "Config") {
			if now[field] != value {
				fields = append(fields, field)
			}
		}
		if len(fields) != 1 {
			t.Errorf("setting %s to %q changes the fields %v, want one", s.Key, text, fields)
			continue
		}
		if other := declared[fields[0]]; other != "" {
			t.Errorf("%s is declared as %s and as %s", fields[0], other, s.Key)
		}
		declared[fields[0]] = s.Key
	}
	for field := range leaves(reflect.ValueOf(config.Default()), "Config") {
		if declared[field] == "" {
			t.Errorf("%s is declared as no setting", field)
		}
	}
}

// leaves are the fields of a struct and of those in it, with their values.
func leaves(v reflect.Value, name string) map[string]any {
	if v.Kind() != reflect.Struct {
		return map[string]any{name: v.Interface()}
	}
	all := map[string]any{}
	for i := range v.NumField() {
		maps.Copy(all, leaves(v.Field(i), name+"."+v.Type().Field(i).Name))
	}
	return all
}

func TestNames(t *testing.T) {
	var got [][2]string
	c := config.Default()
	for _, s := range c.Settings()[:3] {
		got = append(got, [2]string{s.Env(), s.Flag()})
	}
	want := [][2]string{{"VERDICT_DATA", "data"}, {"VERDICT_LISTEN", "listen"}, {"VERDICT_ADMIN_LISTEN", "admin-listen"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFileIsRead(t *testing.T) {
	loaded, err := load(t, "# all of it\nengine: {timeout: 10ms}\nhttp:\n  body_limit: 512KiB\nstore:\n  change_log_max: 2_000\nlog:\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Engine.Timeout = 10 * time.Millisecond
	want.HTTP.BodyLimit = 512 << 10
	want.Store.ChangeLogMax = 2000
	if diff := cmp.Diff(want, loaded.Config); diff != "" {
		t.Error(diff)
	}
}

func TestFileIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"unknown key":            {"data: d\nlistne: x\n", `verdict.yaml:2: listne is not a configuration key; did you mean "listen"?`},
		"unknown in section":     {"engine:\n  timout: 5ms\n", `verdict.yaml:2: engine.timout is not a configuration key; did you mean "engine.timeout"?`},
		"in the wrong section":   {"http:\n  max_keys: 5\n", `verdict.yaml:2: http.max_keys is not a configuration key; did you mean "engine.max_keys"?`},
		"nothing like it":        {"colour: red\n", "verdict.yaml:1: colour is not a configuration key; `verdict config check` lists them all"},
		"unknown section":        {"engin:\n  timeout: 5ms\n", `verdict.yaml:1: engin is not a section; did you mean "engine"?`},
		"key as section":         {"listen:\n  port: 1\n", "verdict.yaml:1: listen is not a section"},
		"section as key":         {"engine: 5ms\n", "verdict.yaml:1: engine must be a mapping of keys to values"},
		"twice":                  {"data: a\nlisten: :1\ndata: b\n", "verdict.yaml:3: data was set on line 1 already; keep one"},
		"list":                   {"data: [a, b]\n", "verdict.yaml:1: data must be one plain value"},
		"alias":                  {"data: &d a\npolicies: *d\n", "verdict.yaml:2: policies must be one plain value"},
		"no value":               {"data:\n", "verdict.yaml:1: data has no value; write one, or remove the line for the default"},
		"not a mapping":          {"- data\n", "verdict.yaml:1: must be a mapping of keys to values"},
		"two documents":          {"data: a\n---\ndata: b\n", "verdict.yaml:2: a second document starts here; write one"},
		"empty second document":  {"data: a\n---\n", "verdict.yaml:2: a second document starts here; write one"},
		"broken second document": {"data: a\n---\ndata: [\n", "verdict.yaml: line"},
		"broken":                 {"data: [\n", "verdict.yaml: line 1:"},
		"duration without unit":  {"engine:\n  timeout: 50\n", `verdict.yaml:2: engine.timeout is "50"; write a duration with its unit, such as 50ms, 15s or 24h`},
		"duration out of range":  {"engine:\n  timeout: 1m\n", "verdict.yaml:2: engine.timeout is 1m; it must be 1ms to 10s"},
		"number":                 {"engine:\n  max_keys: many\n", `engine.max_keys is "many"; write a whole number`},
		"number out of range":    {"engine:\n  max_keys: 0\n", "engine.max_keys is 0; it must be 1 to 10000"},
		"boolean":                {"demo: yes\n", `demo is "yes"; write true or false`},
		"size":                   {"http:\n  body_limit: 1MB\n", `http.body_limit is "1MB"; write a size such as 65536, 512KiB or 1MiB`},
		"size beyond all bounds": {"http:\n  body_limit: 9999999999GiB\n", "write a size such as"},
		"size out of range":      {"http:\n  body_limit: 1GiB\n", "http.body_limit is 1GiB; it must be 1KiB to 64MiB"},
		"address":                {"listen: localhost\n", `listen is "localhost"; write host:port, such as 127.0.0.1:8181, or unix:/path for a socket`},
		"port":                   {"listen: :http\n", `listen has port "http"; write 0 to 65535, 0 for a free one`},
		"same address":           {"listen: :1\nadmin_listen: :1\n", "verdict.yaml:2: admin_listen is the address of listen as well; give each its own"},
		"same socket":            {"listen: unix:/run/v.sock\nadmin_listen: unix:///run/v.sock|0660\n", "verdict.yaml:2: admin_listen is the address of listen as well; give each its own"},
		"socket without a path":  {"listen: 'unix:'\n", `listen is "unix:", which names no socket; write its whole path, such as unix:/run/verdict/admin.sock`},
		"socket in this folder":  {"listen: unix:v.sock\n", `listen is "unix:v.sock", which names no socket`},
		"socket of a host":       {"listen: unix://run/v.sock\n", `which names no socket`},
		"socket too long":        {"listen: unix:/" + strings.Repeat("x", 103) + "\n", "which is too long a path for a socket"},
		"socket in a long path":  {"listen: unix:/" + strings.Repeat("x", 95) + "/s\n", "which is too long a path for a socket"},
		"socket with a mode":     {"listen: unix:/run/v.sock|660x\n", "which has a mode that is not one of 0600 to 0777"},
		"socket nobody can open": {"listen: unix:/run/v.sock|0066\n", "which has a mode that is not one of 0600 to 0777"},
		"TLS on a socket":        {"listen: unix:/run/v.sock\ntls: {cert: a, key: b}\n", "tls.cert is given, but listen is a socket, which is served without TLS"},
		"admin TLS on a socket":  {"admin_listen: unix:/run/v.sock\nadmin_tls: {cert: a, key: b}\n", "admin_tls.cert is given, but admin_listen is a socket"},
		"admin cert alone":       {"admin_tls:\n  cert: a.pem\n", "admin_tls.key is empty, but admin_tls.cert is given; give both or neither"},
		"admin key alone":        {"admin_tls:\n  key: a.pem\n", "admin_tls.cert is empty, but admin_tls.key is given; give both or neither"},
		"client CA without TLS":  {"admin_tls:\n  client_ca: a.pem\n", "admin_tls.client_ca is given, but admin_tls.cert is empty, and without TLS no client presents a certificate; give both"},
		"choice":                 {"log:\n  level: loud\n", `log.level is "loud"; it must be one of debug, info, warn, error`},
		"empty":                  {"data: ''\n", "data is empty; name one"},
		"endpoint":               {"tracing:\n  otlp_endpoint: localhost:4318\n", "tracing.otlp_endpoint is not a URL such as http://127.0.0.1:4318"},
		"certificate alone":      {"tls:\n  cert: a.pem\n", "tls.key is empty, but tls.cert is given; give both or neither"},
		"key alone":              {"tls:\n  key: a.pem\n", "tls.cert is empty, but tls.key is given; give both or neither"},
		"issuer":                 {"token_service:\n  issuer: verdict.example\n", "token_service.issuer is not a URL such as https://verdict.example"},
		"issuer with a query":    {"token_service:\n  issuer: https://verdict.example?a\n", "without user, query and fragment"},
		"issuer in the clear":    {"token_service:\n  issuer: http://verdict.example\n", "token_service.issuer must begin with https://"},
		"life of tokens":         {"token_service:\n  lifetime: 2h\n", "token_service.lifetime is 2h; it must be 10s to 1h"},
		"life of keys":           {"token_service:\n  key_lifetime: 1h\n", "token_service.key_lifetime is 1h; it must be 4h to"},
		"uses":                   {"credentials:\n  use_every: 1ms\n", "credentials.use_every is 1ms; it must be 1s to 24h"},
		"signatures but no keys": {"bundles: {require_signatures: true}\n", "bundles.require_signatures is true, but bundles.keys names no keys"},
		"no such durability":     {"decision_log: {durability: maybe}\n", "decision_log.durability is \"maybe\"; it must be one of async, spool, required"},
		"no audience":            {"decide:\n  audience: ''\n", "decide.audience is empty; name one"},
		"password in endpoint":   {"tracing:\n  otlp_endpoint: http://u:p@h\n", "without user and password"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.text, nil, nil)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

func TestBothListenersMayTakeFreePorts(t *testing.T) {
	if _, err := load(t, "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n", nil, nil); err != nil {
		t.Error(err)
	}
}

func TestListenersMayBeSockets(t *testing.T) {
	if _, err := load(t, "listen: unix:/run/verdict/pep.sock|0660\nadmin_listen: unix:///run/verdict/admin.sock\n", nil, nil); err != nil {
		t.Error(err)
	}
}

func TestProblemsOfFlagsAndEnvironmentNameThem(t *testing.T) {
	_, err := load(t, "", map[string]string{"VERDICT_DEMO": "maybe"}, map[string]string{"log-format": "xml"})
	want := `environment VERDICT_DEMO: demo is "maybe"; write true or false
flag --log-format: log.format is "xml"; it must be one of text, json`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if authz.CodeOf(err) != authz.CodeInvalid {
		t.Errorf("code %s", authz.CodeOf(err))
	}
}

func TestUnknownEnv(t *testing.T) {
	got := config.UnknownEnv([]string{"VERDICT_LISTN=x", "VERDICT_LISTEN=y", "HOME=/", "VERDICT_KEY=k", "VERDICT_EMPTY=", "VERDICT_A=1"}, "VERDICT_KEY")
	if diff := cmp.Diff([]string{"VERDICT_A", "VERDICT_LISTN"}, got); diff != "" {
		t.Error(diff)
	}
}

// A value written by String is read back by Set as the same value.
func TestValuesSurviveText(t *testing.T) {
	for key, texts := range map[string][]string{
		"engine.timeout":          {"50ms", "1s", "1.5s", "10s"},
		"store.expired_retention": {"1m", "10m", "1h", "10h", "1h30m", "1h0m5s", "100h", "8784h"},
		"http.body_limit":         {"1KiB", "1MiB", "1025", "64MiB"},
	} {
		for _, text := range texts {
			c := config.Default()
			for _, s := range c.Settings() {
				if s.Key != key {
					continue
				}
				if err := s.Set(text); err != nil {
					t.Errorf("%s: got error %v; want no error", text, err)
				}
				if s.String() != text {
					t.Errorf("%s: %q became %q", key, text, s.String())
				}
				if err := s.Validate(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("data: d\nengine: {timeout: 5ms}\n")
	f.Add("a: &a [*a]\n")
	f.Add("<<: {data: x}\n? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		loaded, err := load(t, text, nil, nil)
		if err != nil {
			return
		}
		if err := loaded.Config.Validate(); err != nil {
			t.Errorf("accepted what is not valid: %v", err)
		}
	})
}
