package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/server/route"
)

// The document in the repository is the one that is made of the sources.
func TestDocumentIsOfTheSources(t *testing.T) {
	t.Chdir("../..") // where the generator is run
	out := t.TempDir() + "/openapi.yaml"
	if err := run(out); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("server/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("run make generate; of the sources (-) and in the repository (+):\n%s", diff)
	}
}

// What is said of what there is not, or not said of what there is, ends the generator.
func TestGeneratorRefuses(t *testing.T) {
	t.Chdir("../..")
	known := slices.Clip(daemon.Rows())
	handler := route.Get(func(*route.Call) (reply route.Reply[route.None], err error) { return reply, nil })
	tests := map[string]struct {
		rows []route.Row
		says string
	}{
		"a row without prose": {append(known, route.Row{Method: "GET", Path: "/v1/made_up", ID: "madeUp", Handler: handler}), "prose.yaml says nothing of the operation madeUp"},
		"prose without a row": {known[1:], "prose.yaml tells of what no row has: operation health"},
		"a path twice":        {append(known, known[0]), "GET /healthz: is there twice"},
		"two types of a name": {append(known, route.Row{Method: "PUT", Path: "/readyz", ID: "ready", Shows: Readiness{}, Handler: handler}), "both have the schema Readiness"},
		"a type of no schema": {append(known, route.Row{Method: "PUT", Path: "/readyz", ID: "ready", Shows: struct {
			Stop chan int `json:"stop"`
		}{}, Handler: handler}), "has no schema for a chan"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := generate(test.rows)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %v, want one that says %q", err, test.says)
			}
		})
	}
}

// Readiness is another type than the one that is answered.
type Readiness struct {
	Of string `json:"of"`
}

func TestNeeds(t *testing.T) {
	for want, row := range map[string]route.Row{
		"":                                 {},
		"Needs the role operate.":          {Change: authz.ChangePut},
		"Needs the role author or review.": {Roles: []authz.Role{authz.RoleAuthor, authz.RoleReview}},
		"Needs the role a, b or c.":        {Roles: []authz.Role{"a", "b", "c"}},
	} {
		if got := needs(&row); got != want {
			t.Errorf("%+v: %q, want %q", row.Roles, got, want)
		}
	}
}
