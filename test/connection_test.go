package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestTheConnectionsOwnCertificate: a machine user that asks for itself over TLS
// proves itself by the handshake, and its API key needs no role for it.
func TestTheConnectionsOwnCertificate(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, TLS: true})
	ca := pdptest.NewCA(t, "brightfold", sunday)
	p.Register(ca.Issuer("brightfold"))
	p.Put(&authz.Credential{
		Header: authz.Header{ID: "cred-user-svc"}, MachineUser: "mu:user-svc", Kind: authz.KindCertificate, Generation: 42,
		State: authz.CredentialActive, Issuer: "brightfold", Names: []string{authz.NameDNS + "user.brightfold.example"},
	})
	ours := ca.Client("user", "user.brightfold.example")
	bound := p.Claims("mu:user-svc")
	bound["cnf"] = map[string]any{"x5t#S256": ours.Thumbprint()}

	tests := map[string]struct {
		certificate *pdptest.Certificate
		token       string
		status      int
		codes       []string
		level       int
	}{
		"its own":                  {certificate: ours, status: 200, level: 4},
		"its own, token bound":     {certificate: ours, token: p.Sign(bound), status: 200, level: 4},
		"another, token bound":     {certificate: ca.Client("user", "user.brightfold.example"), token: p.Sign(bound), status: 200, codes: []string{"TOKEN_BINDING_MISMATCH"}},
		"of nobody":                {certificate: ca.Client("nobody", "nobody.brightfold.example"), status: 200, codes: []string{"CREDENTIAL_UNKNOWN"}},
		"of an authority unknown":  {certificate: pdptest.NewCA(t, "brightfold", sunday).Client("user", "user.brightfold.example"), status: 200, codes: []string{"TOKEN_INVALID"}},
		"none":                     {status: 400},
		"none, where one is bound": {token: p.Sign(bound), status: 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			q := invoiceToAna("")
			credential := map[string]any{"connection": true}
			if test.token != "" {
				credential["token"] = test.token
			}
			q["credential"] = credential
			answer := p.CallOver(p.Over(test.certificate), http.MethodPost, p.DecisionsURL()+api.PathDecide, p.PEP(), marshal(t, q))
			if answer.Status != test.status {
				t.Fatalf("got status %d, body %s; want status %d", answer.Status, answer.Body, test.status)
			}
			if test.status != http.StatusOK {
				return
			}
			var d api.Decision
			unmarshal(t, answer.Body, &d)
			if diff := cmp.Diff(append([]string{}, test.codes...), pdptest.Codes(d.Reasons)); diff != "" || (d.Outcome == api.Allow) != (test.codes == nil) || d.Trust.Level != test.level {
				t.Errorf("got diff %s, d %+v; want no diff, Allow %v, Trust.Level %d", diff, d, (test.codes == nil), test.level)
			}
		})
	}
	if !strings.HasPrefix(p.DecisionsURL(), "https://") {
		t.Errorf("decisions are served at %s", p.DecisionsURL())
	}
}
