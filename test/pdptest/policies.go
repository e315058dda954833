package pdptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"testing/fstest"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// Acme is a bundle with one guard of its own, guards.acme, that denies actions named
// forbidden with ACME_FORBIDDEN and marks what is allowed with the advice
// {"id": "acme", "mark": mark}.
func Acme(mark, forbidden string) fs.FS {
	rego := fmt.Sprintf(`# METADATA
# title: Acme
# description: Marks what it sees.
package guards.acme

import data.verdict.lib.reasons

# METADATA
# description: Acme does not want this action.
# custom:
#   code: ACME_FORBIDDEN
#   fix: Do something else.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"mark": %[1]q}) if {
	input.action.name == %[2]q
}

# METADATA
# description: The mark of this version.
advice contains {"id": "acme", "mark": %[1]q}
`, mark, forbidden)
	return fstest.MapFS{
		".manifest":             {Data: []byte(`{"roots": ["guards/acme", "guards/acme_test"], "rego_version": 1, "revision": "` + mark + `"}`)},
		"guards/acme/acme.rego": {Data: []byte(rego)},
		"guards/acme/acme_test.rego": {Data: []byte(`package guards.acme_test

import data.guards.acme

test_forbidden if {
	some reason in acme.deny with input as {"action": {"name": "` + forbidden + `"}}
	reason.code == "ACME_FORBIDDEN"
}
`)},
	}
}

// Pack is a folder as a bundle.
func (p *PDP) Pack(files fs.FS) []byte {
	p.T.Helper()
	var packed bytes.Buffer
	if err := bundles.Pack(&packed, files); err != nil {
		p.T.Fatal(err)
	}
	return packed.Bytes()
}

// Push sends a bundle as an operator, who is an author too, and gives the candidate.
func (p *PDP) Push(name string, files fs.FS) authz.Generation {
	p.T.Helper()
	answer := p.Call(http.MethodPut, p.AdminURL()+api.PathBundles+"/"+name, p.operator, p.Pack(files), "Content-Type", "application/gzip")
	return p.generation(answer)
}

// Activate makes a generation the active one.
func (p *PDP) Activate(number uint64) authz.Generation {
	p.T.Helper()
	return p.generation(p.Call(http.MethodPost, p.AdminURL()+api.PathGenerations+"/"+strconv.FormatUint(number, 10)+"/activate", p.operator, []byte("{}")))
}

// Rollback goes back to the generation before.
func (p *PDP) Rollback() authz.Generation {
	p.T.Helper()
	return p.generation(p.Call(http.MethodPost, p.AdminURL()+api.PathRollback, p.operator, []byte("{}")))
}

func (p *PDP) generation(answer Answer) authz.Generation {
	p.T.Helper()
	if answer.Status >= 300 {
		p.T.Fatalf("no generation: %d %s", answer.Status, answer.Body)
	}
	var g authz.Generation
	Decode(p.T, answer.Body, &g)
	return g
}

// Replay replays recorded decisions and gives the report.
func (p *PDP) Replay(request api.ReplayRequest) authz.Comparison {
	p.T.Helper()
	answer := p.Call(http.MethodPost, p.AdminURL()+api.PathReplay, p.operator, encode(p.T, request))
	var last struct {
		Report *authz.Comparison `json:"report"`
		Error  json.RawMessage   `json:"error"`
	}
	for line := range bytes.Lines(answer.Body) {
		Decode(p.T, line, &last)
	}
	if last.Report == nil {
		p.T.Fatalf("no report: %d %s", answer.Status, answer.Body)
	}
	return *last.Report
}

// Recorded are the records of decisions, and of losses, oldest first.
func (p *PDP) Recorded() []authz.Record {
	p.T.Helper()
	answer := p.Call(http.MethodGet, p.AdminURL()+api.PathDecisionsExport, p.operator, nil)
	if answer.Status != http.StatusOK {
		p.T.Fatalf("no export: %d %s", answer.Status, answer.Body)
	}
	var records []authz.Record
	for line := range bytes.Lines(answer.Body) {
		var r authz.Record
		Decode(p.T, line, &r)
		if r.Kind == authz.RecordDecision || r.Kind == authz.RecordLoss {
			records = append(records, r)
		}
	}
	return records
}
