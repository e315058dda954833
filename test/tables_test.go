package test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestPushRunsDecisionTables pushes a bundle whose table is answered otherwise by the
// policies that are active: it is run with those that would be, so that it passes. The
// same table refuses a bundle that no longer does what it says, by file and line.
func TestPushRunsDecisionTables(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	withTable := func(forbidden string) fstest.MapFS {
		files := pdptest.Acme("mark", forbidden).(fstest.MapFS)
		files["tables/acme_table.yaml"] = &fstest.MapFile{Data: []byte(`about: what Acme does not want
time: 2026-11-22T10:00:00Z
data: {include: ../world.yaml}
input:
  subject: {id: mu:user-svc}
  resource: {id: svc:email}
  context: {source_ip: 10.4.2.7, env: prod}
cases:
  - name: a call to the old relay
    input: {action: {name: relay.call}}
    want: deny
    reasons: [ACME_FORBIDDEN]
`)}
		files["world.yaml"] = &fstest.MapFile{Data: []byte(`services:
  svc:email: {tier: 1, env: prod, owner: messaging, required_level: {internal: 3}}
machine_users:
  mu:user-svc: {kind: service, origin: internal, env: prod, owner: identity, tier: 0, state: active, allowed_cidrs: [10.4.2.0/24]}
edges:
  mu:user-svc: {svc:email: {actions: [relay.call], cidrs: [10.4.2.0/24], owner: messaging}}
`)}
		return files
	}
	g := p.Push("acme", withTable("relay.call"))
	if g.Gate.Rows != 1 || g.Gate.Tests != 1 {
		t.Errorf("%d rows and %d tests passed, want 1 and 1", g.Gate.Rows, g.Gate.Tests)
	}
	answer := p.Call(http.MethodPut, p.AdminURL()+api.PathBundles+"/acme", p.Operator(), p.Pack(withTable("relay.never")), "Content-Type", "application/gzip")
	if answer.Status != http.StatusBadRequest || !strings.Contains(string(answer.Body), `"file":"acme/tables/acme_table.yaml","line":9`) {
		t.Errorf("a bundle that fails its table is answered %d %s; want 400 with the row's place", answer.Status, answer.Body)
	}
}
