package test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestStatus looks at a whole node: well with the demo data, with numbers that move; and
// unwell once an issuer's keys cannot be had.
func TestStatus(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true})
	o := operator{p}
	status := func() (s api.Status) {
		t.Helper()
		o.must(http.StatusOK, http.MethodGet, api.PathStatus, nil, &s)
		return s
	}
	s := status()
	if len(s.Problems) > 0 {
		t.Errorf("a fresh node says that %v is wrong, want nothing", s.Problems)
	}
	if s.Role != api.RoleSingle || s.StartedAt.IsZero() || s.Policy.Generation != 1 || s.PolicySince.IsZero() || s.SchemaVersion == 0 ||
		s.Collections["edges"] == 0 || len(s.Issuers) == 0 || s.DecisionLog.Queue == 0 || s.DecisionLog.FreeBytes == 0 {
		t.Errorf("the status is %+v, want every part of it", s)
	}
	p.Ask(invoiceToAna(p.Token("mu:user-svc")))
	p.Await("the record of a decision", func() bool { return status().DecisionLog.Records > s.DecisionLog.Records })

	p.Put(&authz.Issuer{Header: authz.Header{ID: "lost"}, URL: "https://lost.example", JWKSURL: "https://127.0.0.1:1/jwks", Algorithms: []string{"ES256"}, Audiences: []string{"a"}})
	s = status()
	if len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].What, "the keys of issuer lost are missing") {
		t.Errorf("with an issuer out of reach the problems are %v, want that one", s.Problems)
	}

	// No key and no secret is in it, and who may not read the data does not read it.
	answer := o.send(http.MethodGet, api.PathStatus, nil)
	for name, key := range map[string]string{"operator": p.Operator(), "PEP": p.PEP()} {
		if strings.Contains(string(answer.Body), key) {
			t.Errorf("the status has the key of the %s", name)
		}
	}
	for role, want := range map[authz.Role]int{
		authz.RoleOperate: 200, authz.RoleReview: 200, authz.RoleAuthor: 200, authz.RoleDecide: 403, authz.RoleSimulate: 403, authz.RoleTransmit: 403,
	} {
		if got := p.Call(http.MethodGet, p.AdminURL()+api.PathStatus, p.NewKey(role), nil).Status; got != want {
			t.Errorf("a key with the role %s gets %d, want %d", role, got, want)
		}
	}
}

// TestStatusOfSinksAndCertificates: what depends on how the node is configured.
func TestStatusOfSinksAndCertificates(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, TLS: true, Change: func(c *config.Config) { c.DecisionLog.OPAURL = "http://127.0.0.1:1" }})
	o := operator{p}
	p.Ask(invoiceToAna(p.Token("mu:user-svc")))
	var s api.Status
	p.Await("the sink to fail", func() bool {
		s = api.Status{}
		o.must(http.StatusOK, http.MethodGet, api.PathStatus, nil, &s)
		return len(s.Sinks) == 1 && s.Sinks[0].LastError != ""
	})
	if s.Sinks[0].Name != "opa" || s.Sinks[0].LagRecords == 0 {
		t.Errorf("the sink is %+v, want opa, behind", s.Sinks[0])
	}
	if len(s.Certificates) != 1 || s.Certificates[0].Listener != "decisions" || !s.Certificates[0].NotAfter.After(s.Certificates[0].NotBefore) {
		t.Errorf("the certificates are %+v, want the one of decisions", s.Certificates)
	}
	if len(s.Problems) == 0 || !strings.HasPrefix(s.Problems[0].What, "sink opa takes no records, ") {
		t.Errorf("the problems are %v, want the sink first", s.Problems)
	}
}

// TestStatusCommand runs the program against a node of its own.
func TestStatusCommand(t *testing.T) {
	verdict, err := verdictBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n := startNode(t, dir)
	defer n.kill()
	out, err := exec.Command(verdict, "status", "--data", dir, "--server", n.admin).Output()
	if err != nil || !strings.HasPrefix(string(out), "everything is well\n") || !strings.Contains(string(out), "\ndata          revision ") {
		t.Errorf("status ended with %v, want a page that says all is well:\n%s", err, out)
	}
	lost := filepath.Join(t.TempDir(), "lost.json")
	if err := os.WriteFile(lost, []byte(`{"id":"lost","url":"https://lost.example","jwks_url":"https://127.0.0.1:1/jwks","algorithms":["ES256"],"audiences":["a"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(verdict, "entity", "put", "issuers", "--file", lost, "--data", dir, "--server", n.admin).CombinedOutput(); err != nil {
		t.Fatalf("registering an issuer: %v\n%s", err, out)
	}
	out, err = exec.Command(verdict, "status", "--data", dir, "--server", n.admin).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 11 || !strings.HasPrefix(string(out), "wrong: the keys of issuer lost are missing") {
		t.Errorf("status ended with %v, want exit status 11 and what is wrong:\n%s", err, out)
	}
}
