package test

import (
	"bytes"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// guarded is the base bundle with one more guard, guards.acme.
func guarded(t *testing.T, body string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.Bundle, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(policies.Bundle, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	with := maps.Clone(files)
	with[".manifest"] = &fstest.MapFile{Data: bytes.Replace(files[".manifest"].Data, []byte(`"guards/edge",`), []byte(`"guards/acme", "guards/edge",`), 1)}
	with["guards/acme/acme.rego"] = &fstest.MapFile{Data: []byte(`package guards.acme

# METADATA
# description: Acme says no.
# custom:
#   code: ACME_SAYS_NO
#   fix: Ask Acme.
#   status: 403
deny contains {"code": code, "message": "Acme says no.", "fix": "Ask Acme.", "status": 403} if {
	code := rego.metadata.rule().custom.code
	` + body + `
}
`)}
	return with
}

// TestAGuardThatFailsDenies: every other guard is content with the question, and
// still nothing is allowed.
func TestAGuardThatFailsDenies(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want string
	}{
		"denies":             {`input.action.name == "email.send"`, "ACME_SAYS_NO"},
		"divides by zero":    {`1 / (count(input.action.name) - 10) > 0`, "POLICY_ERROR"},
		"reads a collection": {`some user in data.users; user.id == input.resource.properties.recipient`, ""},
		"reads too many":     {`some n in numbers.range(1, 100); data.users[sprintf("u-%d", [n])]`, "POLICY_OVER_BUDGET"},
		"loops":              {`some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a * b == -1`, "POLICY_TIMEOUT"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := guarded(t, test.body)
			if test.want == "" {
				refusedAtLoad(t, files, "users")
				return
			}
			p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Policies: files, Change: func(c *config.Config) {
				if test.want == "POLICY_TIMEOUT" {
					c.Engine.Timeout = 20 * time.Millisecond
				}
			}})
			d := p.Ask(invoiceToAna(p.Token("mu:user-svc")))
			if d.Outcome != api.Deny {
				t.Errorf("allowed: %+v", d)
			}
			if diff := cmp.Diff([]string{test.want}, pdptest.Codes(d.Reasons)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefusedBuiltinsDoNotLoad: each error names the file, the line and the built-in.
func TestRefusedBuiltinsDoNotLoad(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]string{
		"http.send":          `http.send({"method": "get", "url": "http://127.0.0.1/"}).status_code == 200`,
		"opa.runtime":        `opa.runtime().env.HOME`,
		"net.lookup_ip_addr": `count(net.lookup_ip_addr("localhost")) > 0`,
		"rand.intn":          `rand.intn("x", 10) == 1`,
		"uuid.rfc4122":       `uuid.rfc4122("x") == "y"`,
	} {
		t.Run(name, func(t *testing.T) { refusedAtLoad(t, guarded(t, call), name) })
	}
}

func refusedAtLoad(t *testing.T, files fs.FS, what string) {
	t.Helper()
	archive, err := bundles.Read(files)
	if err == nil {
		_, err = bundles.Compile(archive, bundles.Options{Generation: 1})
	}
	if err == nil {
		t.Fatal("loaded")
	}
	if !strings.Contains(err.Error(), "guards/acme/acme.rego:") || !strings.Contains(err.Error(), what) {
		t.Errorf("%v does not name the line and %s", err, what)
	}
}
