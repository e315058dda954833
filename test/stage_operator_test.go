package test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// operator is who administers a Verdict, over HTTP with the operator's key.
type operator struct{ *pdptest.PDP }

// send makes one call of the admin API; body may be nil.
func (o operator) send(method, path string, body any) pdptest.Answer {
	o.T.Helper()
	var content []byte
	if body != nil {
		content = marshalFor(o.T, body)
	}
	return o.Call(method, o.AdminURL()+path, o.Operator(), content)
}

// must is send that wants a status, and reads the answer into v.
func (o operator) must(status int, method, path string, body, v any) {
	o.T.Helper()
	answer := o.send(method, path, body)
	if answer.Status != status {
		o.T.Fatalf("%s %s: got status %d, body %s; want status %d", method, path, answer.Status, answer.Body, status)
	}
	pdptest.Decode(o.T, answer.Body, v)
}

// refused is send that wants a problem with a status.
func (o operator) refused(status int, method, path string, body any) api.Problem {
	o.T.Helper()
	var problem api.Problem
	o.must(status, method, path, body, &problem)
	return problem
}

func (o operator) credential(id string) *authz.Credential {
	o.T.Helper()
	var c authz.Credential
	o.must(http.StatusOK, http.MethodGet, "/v1/credentials/"+id, nil, &c)
	return &c
}

func (o operator) rotation(set string) api.Rotation {
	o.T.Helper()
	var view api.Rotation
	o.must(http.StatusOK, http.MethodGet, api.PathRotationSets+set+"/status", nil, &view)
	return view
}

// startRotation starts a rotation whose further steps are taken by the server (authz.AdvanceAuto)
// or asked for by the test (authz.AdvanceManual), and gives the new secrets.
func (o operator) startRotation(set, advance string) map[string]string {
	o.T.Helper()
	var started api.StartedRotation
	o.must(http.StatusOK, http.MethodPost, api.PathRotationSets+set+"/"+authz.RotationStart, api.StartRotation{Advance: advance}, &started)
	return started.Secrets
}

func (o operator) stepRotation(set, action string) api.Rotation {
	o.T.Helper()
	var view api.Rotation
	o.must(http.StatusOK, http.MethodPost, api.PathRotationSets+set+"/"+action, nil, &view)
	return view
}

// revision is the data revision now.
func (o operator) revision() uint64 {
	o.T.Helper()
	var status api.Status
	o.must(http.StatusOK, http.MethodGet, api.PathStatus, nil, &status)
	return status.DataRevision
}

// nextChanges waits until there is a change after a revision, and gives what there
// is then.
func (o operator) nextChanges(after uint64) api.ChangeList[json.RawMessage] {
	o.T.Helper()
	var list api.ChangeList[json.RawMessage]
	o.must(http.StatusOK, http.MethodGet, api.PathChanges+"?wait_s=60&after="+strconv.FormatUint(after, 10), nil, &list)
	return list
}

func marshalFor(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// importLines writes entities through the import, referenced before referring, and
// wants every line written.
func (o operator) importLines(entities ...authz.Entity) {
	o.T.Helper()
	var lines []byte
	for _, e := range entities {
		lines = append(lines, marshalFor(o.T, api.Line[authz.Entity]{Collection: e.Collection(), Entity: e})...)
		lines = append(lines, '\n')
	}
	answer := o.Call(http.MethodPost, o.AdminURL()+api.PathImport, o.Operator(), lines, "Content-Type", api.TypeNDJSON)
	var report api.ImportReport
	if err := json.Unmarshal(answer.Body, &report); err != nil || answer.Status != http.StatusOK || report.Failed > 0 {
		o.T.Fatalf("got status %d, body %s; want no error, status 200, report.Failed 0", answer.Status, answer.Body)
	}
}
