package decisiontable_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisiontable"
)

const world = `
users:
  u-a: {tenant: t-1, state: active}
  u-b: {state: active}
edges:
  mu:a:
    svc:b: {actions: [x]}
    svc:c: {actions: [x]}
    svc:d: {actions: [x]}
  mu:aa: {svc:b: {actions: ["*"]}}
renewals: {subject: {mu:a: {issued_before: 2026-11-22T10:00:00Z, deadline: 2026-11-22T11:00:00Z}}}
revocations: {token: {tok-a68ff151dfc8b3d6bc5619e06950f8935ade051b: {until: 2026-12-01T00:00:00Z}}}
entitlements: {user:u-a: {email.news: {effect: withhold}, email.x: {}}}
`

const worldly = `
time: 2026-11-22T10:00:00Z
data:
  include: [../world.yaml, more.yaml]
  users: {u-b: null, u-c: {state: active}}
input: {subject: {id: mu:a}, action: {name: x}, resource: {id: svc:b}}
cases:
  - {name: the table's, want: allow}
  - name: its own
    data:
      users: {u-a: {tenant: null}, u-c: null}
      edges: {mu:a: {svc:b: {actions: [y], owner: ann}, svc:c: null}, mu:aa: null}
      entitlements: null
    want: allow
  - {name: the table's again, want: allow}
`

func TestFacts(t *testing.T) {
	tables, err := decisiontable.Load(folder(map[string]string{
		"world.yaml": world, "sub/more.yaml": "users: {u-a: {tenant: t-2}}\n", "sub/a_table.yaml": worldly,
	}))
	if err != nil {
		t.Fatal(err)
	}
	s := &spy{}
	decisiontable.Run(t.Context(), s, tables)
	if len(s.facts) != 3 {
		t.Fatalf("%d cases ran", len(s.facts))
	}

	one := map[string]string{ // :: collection and key -> JSON
		"users u-a":                         `{"id":"u-a","tenant":"t-2","state":"active"}`,
		"users u-b":                         "",
		"users u-c":                         `{"id":"u-c","state":"active"}`,
		"edges mu:a/svc:b":                  `{"id":"mu:a/svc:b","from":"mu:a","to":"svc:b","actions":["x"]}`,
		"renewals subject/mu:a":             `{"id":"subject/mu:a","by":"subject","of":"mu:a","issued_before":"2026-11-22T10:00:00Z","deadline":"2026-11-22T11:00:00Z"}`,
		"revocations token/" + tokenID:      `{"id":"token/` + tokenID + `","by":"token","of":"` + tokenID + `","until":"2026-12-01T00:00:00Z"}`,
		"entitlements user:u-a/email.news":  `{"id":"user:u-a/email.news","holder":"user:u-a","feature":"email.news","effect":"withhold"}`,
		"entitlements user:u-a/email.x":     `{"id":"user:u-a/email.x","holder":"user:u-a","feature":"email.x","effect":"grant"}`,
		"edges mu:a under 9":                "svc:b svc:c svc:d",
		"edges mu:a under 3":                "svc:b svc:c svc:d",
		"edges mu:a under 2":                "svc:b svc:c more",
		"edges mu:a under 0":                "more",
		"edges mu:aa under 9":               "svc:b",
		"edges mu:none under 9":             "",
		"entitlements user:u-a under 9":     "email.news email.x",
		"entitlements user:nobody under 10": "",
	}
	two := map[string]string{
		"users u-a":                     `{"id":"u-a","state":"active"}`,
		"users u-c":                     "",
		"edges mu:a/svc:b":              `{"id":"mu:a/svc:b","from":"mu:a","to":"svc:b","actions":["y"],"owner":"ann"}`,
		"edges mu:a under 9":            "svc:b svc:d",
		"edges mu:aa under 9":           "",
		"renewals subject/mu:a":         one["renewals subject/mu:a"],
		"entitlements user:u-a under 9": "",
	}
	for i, want := range []map[string]string{one, two, one} {
		got := map[string]string{}
		for what := range want {
			got[what] = look(t, s.facts[i], what)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("case %d: %s", i, diff)
		}
	}

	// The engine keeps what it decoded by key and revision.
	first, _, _ := s.facts[0].Fact(authz.Users, "u-a")
	second, _, _ := s.facts[1].Fact(authz.Users, "u-a")
	third, _, _ := s.facts[2].Fact(authz.Users, "u-a")
	if first.Revision == second.Revision || first.Revision != third.Revision || s.facts[0].Revision() == 0 {
		t.Errorf("revisions %d, %d and %d", first.Revision, second.Revision, third.Revision)
	}
}

// look reads what is named "collection key" or "collection first under limit".
func look(t *testing.T, f authz.Facts, what string) string {
	t.Helper()
	words := strings.Fields(what)
	c := authz.Collection(words[0])
	if len(words) == 2 {
		fact, ok, err := f.Fact(c, words[1])
		if err != nil || ok && fact.Key != words[1] {
			t.Fatal(fact.Key, err)
		}
		return withoutEmpty(t, fact.JSON, ok)
	}
	var limit int
	if _, err := fmt.Sscan(words[3], &limit); err != nil {
		t.Fatal(err)
	}
	under, more, err := f.Under(c, words[1], limit)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, fact := range under {
		names = append(names, strings.TrimPrefix(fact.Key, words[1]+"/"))
	}
	if more {
		names = append(names, "more")
	}
	return strings.Join(names, " ")
}

// withoutEmpty is an entity without the lists that it has none in.
func withoutEmpty(t *testing.T, text []byte, ok bool) string {
	t.Helper()
	if !ok {
		return ""
	}
	return strings.NewReplacer(`,"addresses":[]`, "", `,"tier":0`, "").Replace(string(text))
}
