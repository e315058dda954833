package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
)

func read[T any](t *testing.T, answer servertest.Answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(answer.Body), &v); err != nil || answer.Status >= 300 {
		t.Fatalf("%d %s: got error %v; want no error, status below 300", answer.Status, answer.Body, err)
	}
	return v
}

func TestGenerations(t *testing.T) {
	o := start(t, nil)
	for _, body := range []string{"x", "y", "z"} {
		expect(t, o.push("acme", body), http.StatusCreated, "")
	}
	list := read[api.GenerationList](t, o.as(authz.RoleReview, "GET", "/v1/generations?limit=3", ""))
	var numbers []uint64
	for _, g := range list.Items {
		numbers = append(numbers, g.Number)
	}
	if diff := cmp.Diff([]uint64{4, 3, 2}, numbers); diff != "" || list.Active != 1 {
		t.Errorf("active %d, %s", list.Active, diff)
	}
	expect(t, o.send("GET", "/v1/generations/9", ""), http.StatusNotFound, "")
	for path, field := range map[string]string{
		"?limit=0": "limit", "?after=1": "after", "/0": "generation", "/01": "generation", "/x": "generation", "/-1": "generation",
		"/99999999999999999999": "generation", "/1?full=1": "full", "/1/diff/0": "other", "/x/diff/2": "generation",
		"/1/diff/2?last=-1": "last", "/1/diff/2?last=10000001": "last", "/1/diff/2?first=1": "first",
	} {
		expect(t, o.send("GET", "/v1/generations"+path, ""), http.StatusBadRequest, field)
	}
}

func TestDiffOfGenerations(t *testing.T) {
	o := start(t, nil)
	expect(t, o.push("acme", "x"), http.StatusCreated, "")
	o.Policies.Files = []authz.FileDiff{{Bundle: "acme", Path: "acme.rego", Change: authz.FileAdded, Lines: "+package acme\n"}}
	o.Policies.Compared = &authz.Comparison{Compared: 50, AllowToDeny: 3}
	files := o.as(authz.RoleAuthor, "GET", "/v1/generations/1/diff/2", "")
	if want := `{"from":1,"to":2,"files":[{"bundle":"acme","path":"acme.rego","change":"added","lines":"+package acme\n"}],"decisions":null}`; files.Body != want {
		t.Errorf("got files.Status %d, files.Body %s; want files.Body %q", files.Status, files.Body, want)
	}
	both := read[api.Difference](t, o.as(authz.RoleReview, "GET", "/v1/generations/1/diff/2?last=50", ""))
	if both.Decisions == nil || both.Decisions.AllowToDeny != 3 {
		t.Errorf("got %+v; want Decisions, Decisions.AllowToDeny 3", both)
	}
	expect(t, o.send("GET", "/v1/generations/1/diff/9", ""), http.StatusNotFound, "")
}

func TestActivateAndRollBack(t *testing.T) {
	o := start(t, nil)
	expect(t, o.as(authz.RoleAuthor, "POST", "/v1/rollback", `{}`), http.StatusConflict, "")
	expect(t, o.push("acme", "x"), http.StatusCreated, "")
	active := read[authz.Generation](t, o.as(authz.RoleAuthor, "POST", "/v1/generations/2/activate", `{"message":"go"}`))
	if active.Number != 2 || active.State != authz.GenerationActive || active.ActivatedBy != "key_author" {
		t.Errorf(`got %+v; want Number 2, State "active", ActivatedBy "key_author"`, active)
	}
	if back := read[authz.Generation](t, o.as(authz.RoleAuthor, "POST", "/v1/rollback", `{"message":"back"}`)); back.Number != 1 {
		t.Errorf("got %+v; want Number 1", back)
	}
	if forth := read[authz.Generation](t, o.as(authz.RoleAuthor, "POST", "/v1/rollback", `{"to":2}`)); forth.Number != 2 {
		t.Errorf("got %+v; want Number 2", forth)
	}
	want := []string{"rollback by key_author: ", "push acme by key_author: ", "activate by key_author: go", "rollback by key_author: back", "rollback by key_author: "}
	if diff := cmp.Diff(want, o.Policies.Asked()); diff != "" {
		t.Error(diff)
	}
	expect(t, o.as(authz.RoleAuthor, "POST", "/v1/generations/9/activate", `{}`), http.StatusNotFound, "")
	refused := map[string]struct{ path, body, field string }{
		"number":           {"/v1/generations/x/activate", `{}`, "generation"},
		"parameter":        {"/v1/generations/1/activate?force=1", `{}`, "force"},
		"unknown member":   {"/v1/generations/1/activate", `{"massage":"m"}`, "massage"},
		"control":          {"/v1/generations/1/activate", `{"message":"\u001b"}`, "message"},
		"rollback control": {"/v1/rollback", `{"message":"\u001b"}`, "message"},
		"rollback to":      {"/v1/rollback", `{"to":18446744073709551615}`, "to"},
		"rollback back":    {"/v1/rollback", `{"to":-1}`, "to"},
		"rollback query":   {"/v1/rollback?to=1", `{}`, "to"},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			expect(t, o.as(authz.RoleAuthor, "POST", test.path, test.body), http.StatusBadRequest, test.field)
		})
	}
}

func TestPolicyStatus(t *testing.T) {
	o := start(t, nil)
	o.Policies.Standing = authz.PolicyStatus{
		Active:   authz.PolicyRef{Generation: 2, Digest: "sha256:ab"},
		Previous: 1,
		Sources:  []authz.SourceStatus{{Name: "acme", Source: "https://b/acme.tar.gz", ETag: `"x"`, LastAttempt: servertest.Now, Error: "no route to host"}},
		Failures: []authz.PolicyFailure{{Name: "acme", At: servertest.Now, Step: authz.GateCompile, Author: "key", Message: "m", Problems: []authz.Problem{{File: "a.rego", Line: 1, Message: "m", Fix: "f"}}}},
	}
	got := read[authz.PolicyStatus](t, o.as(authz.RoleReview, "GET", "/v1/policy_status", ""))
	if diff := cmp.Diff(o.Policies.Standing, got); diff != "" {
		t.Error(diff)
	}
	expect(t, o.send("GET", "/v1/policy_status?full=1", ""), http.StatusBadRequest, "full")
}

func TestGuards(t *testing.T) {
	o := start(t, nil)
	o.Policies.Modes = []api.GuardMode{{
		Name: "network", Mode: authz.ModeObserve, Bundle: authz.ModeEnforce, Next: authz.ModeFlag,
		Evidence: api.ModeEvidence{Decisions: 5000, Since: servertest.Now, WouldDeny: 12, WouldFlip: 9, Edges: []api.EvidenceCount{{Name: "mu:a>svc:b", Count: 12, Examples: []string{"01J"}}}},
	}}
	if diff := cmp.Diff(o.Policies.Modes, read[api.GuardList](t, o.as(authz.RoleAuthor, "GET", "/v1/guards", "")).Items); diff != "" {
		t.Error(diff)
	}
	expect(t, o.send("GET", "/v1/guards?name=x", ""), http.StatusBadRequest, "name")
	set := read[authz.Generation](t, o.send("POST", "/v1/guards/network/mode", `{"mode":"flag","message":"12 in a week"}`))
	if set.State != authz.GenerationActive {
		t.Errorf(`got %+v; want State "active"`, set)
	}
	if diff := cmp.Diff([]string{"network to flag by key_operate: 12 in a week"}, o.Policies.Asked()); diff != "" {
		t.Error(diff)
	}
	for body, field := range map[string]string{`{}`: "mode", `{"mode":"on"}`: "mode", `{"mode":"off","message":"\u0000"}`: "message", `{"modes":"off"}`: "modes"} {
		expect(t, o.send("POST", "/v1/guards/network/mode", body), http.StatusBadRequest, field)
	}
	expect(t, o.send("POST", "/v1/guards/-/mode", `{"mode":"off"}`), http.StatusBadRequest, "name")
	o.Policies.Err = authz.Errorf(authz.CodeConflict, "one step at a time")
	expect(t, o.send("POST", "/v1/guards/network/mode", `{"mode":"enforce"}`), http.StatusConflict, "")
}

func TestShadow(t *testing.T) {
	o := start(t, nil)
	o.Replays.Report = authz.ShadowReport{
		Running: true, Policy: authz.PolicyRef{Generation: 3, Digest: "sha256:ab"}, By: "key_author", Since: servertest.Now,
		Sample: 0.1, Offered: 100, Sampled: 10, Judged: 9, Dropped: 1, Comparison: authz.Comparison{Compared: 9},
	}
	expect(t, o.as(authz.RoleAuthor, "POST", "/v1/shadow", `{"generation":3,"sample":0.1}`), http.StatusOK, "")
	if answer := o.as(authz.RoleReview, "GET", "/v1/shadow", ""); !strings.Contains(answer.Body, `"offered":100`) {
		t.Errorf("got status %d, body %s; want body with `\"offered\":100`", answer.Status, answer.Body)
	}
	expect(t, o.as(authz.RoleAuthor, "DELETE", "/v1/shadow", ""), http.StatusOK, "")
	if diff := cmp.Diff([]string{"start 3 by key_author", "stop"}, o.Replays.Asked); diff != "" {
		t.Error(diff)
	}
	for body, field := range map[string]string{`{}`: "generation", `{"generation":1,"sample":1.1}`: "sample", `{"generation":1,"sample":-0.1}`: "sample", `{"generations":1}`: "generations"} {
		expect(t, o.as(authz.RoleAuthor, "POST", "/v1/shadow", body), http.StatusBadRequest, field)
	}
	o.Replays.Err = authz.Errorf(authz.CodeNotFound, "no shadow runs")
	for _, method := range []string{"GET", "DELETE"} {
		expect(t, o.as(authz.RoleAuthor, method, "/v1/shadow", ""), http.StatusNotFound, "")
		expect(t, o.as(authz.RoleAuthor, method, "/v1/shadow?x=1", ""), http.StatusBadRequest, "x")
	}
}

// Each path about policies and decisions, and who is let in.
func TestPolicyRoles(t *testing.T) {
	const decide, authors, review, operate = authz.RoleDecide, authz.RoleAuthor, authz.RoleReview, authz.RoleOperate
	all := []authz.Role{decide, authors, review, operate, authz.RoleSimulate, authz.RoleTransmit, authz.RoleAssertClaims, authz.RoleAssertCertificates}
	readers := []authz.Role{authors, review, operate}
	tests := []struct {
		method, path string
		let          []authz.Role
	}{
		{"GET", "/v1/bundles", readers},
		{"GET", "/v1/bundles/base", append([]authz.Role{decide}, readers...)},
		{"PUT", "/v1/bundles/base", []authz.Role{authors}},
		{"DELETE", "/v1/bundles/base", []authz.Role{authors}},
		{"GET", "/v1/generations", readers},
		{"GET", "/v1/generations/1", readers},
		{"GET", "/v1/generations/1/diff/1", readers},
		{"POST", "/v1/generations/1/activate", []authz.Role{authors}},
		{"POST", "/v1/rollback", []authz.Role{authors}},
		{"GET", "/v1/policy_status", readers},
		{"GET", "/v1/guards", readers},
		{"POST", "/v1/guards/network/mode", []authz.Role{operate}},
		{"GET", "/v1/shadow", readers},
		{"POST", "/v1/shadow", []authz.Role{authors}},
		{"DELETE", "/v1/shadow", []authz.Role{authors}},
		{"GET", "/v1/decisions", []authz.Role{review, operate}},
		{"GET", "/v1/decisions/01J", []authz.Role{review, operate}},
		{"GET", "/v1/decisions/export", []authz.Role{review, operate}},
		{"POST", "/v1/decisions/verify", []authz.Role{review, operate}},
		{"POST", "/v1/replay", []authz.Role{authors}},
	}
	o := start(t, nil)
	o.Replays.Err = authz.Errorf(authz.CodeNotFound, "no shadow runs")
	for _, test := range tests {
		for _, role := range all {
			let := false
			for _, one := range test.let {
				let = let || one == role
			}
			if answer := o.as(role, test.method, test.path, ""); (answer.Status != http.StatusForbidden) != let {
				t.Errorf("%s %s as %s: %d %s", test.method, test.path, role, answer.Status, answer.Body)
			}
		}
	}
}
