package engine_test

import (
	"os"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// withBase is the base policies with an author's bundle of one guard and the modes
// that operators set.
func withBase(t *testing.T, acme string, modes map[string]string) *engine.Policy {
	t.Helper()
	base, err := bundles.ReadFolder(os.DirFS("../policies"), bundles.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	author, err := bundles.ReadFolder(fstest.MapFS{
		".manifest":             {Data: []byte(`{"roots": ["guards/acme"], "rego_version": 1}`)},
		"guards/acme/acme.rego": {Data: []byte(acme)},
	}, bundles.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := bundles.ModesPackage(modes, "1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := bundles.CompileSet([]bundles.Member{
		{Name: "base", Verified: bundles.Trusted(base)},
		{Name: "acme", Verified: bundles.Trusted(author)},
		{Name: authz.ModesBundle, Verified: bundles.Trusted(overlay)},
	}, bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.New(s, generous)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestModesBesideTheBundles(t *testing.T) {
	acme := guard("acme", "ACME_CLOSED", `input.action.name == "email.send"`)
	for mode, want := range map[string]authz.Judgement{
		"off":     {Allow: true},
		"observe": {Allow: true, WouldDeny: []authz.Reason{{Code: "ACME_CLOSED", Guard: "acme", Mode: "observe"}}},
		"flag":    {Allow: true, WouldDeny: []authz.Reason{{Code: "ACME_CLOSED", Guard: "acme", Mode: "flag"}}},
		"enforce": {Reasons: []authz.Reason{{Code: "ACME_CLOSED", Guard: "acme"}}},
	} {
		j := withBase(t, acme, map[string]string{"acme": mode}).Evaluate(t.Context(), invoiceQuestion(), newFacts(invoiceFacts()))
		got := authz.Judgement{Allow: j.Allow}
		for _, r := range j.Reasons {
			got.Reasons = append(got.Reasons, authz.Reason{Code: r.Code, Guard: r.Guard})
		}
		for _, r := range j.WouldDeny {
			got.WouldDeny = append(got.WouldDeny, authz.Reason{Code: r.Code, Guard: r.Guard, Mode: r.Mode})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
}

// TestExplanationNamesTheBundle of each file, and what a guard that denies without
// a code needs.
func TestExplanationNamesTheBundle(t *testing.T) {
	acme := "package guards.acme\n\n# METADATA\n# title: No\n# custom:\n#   code: NO\n#   fix: Ask.\n#   status: 403\ndeny contains \"no\" if input.subject.id\n"
	j, e := withBase(t, acme, nil).Explain(t.Context(), invoiceQuestion(), newFacts(invoiceFacts()))
	if len(j.Reasons) != 1 || len(e.Needs) != 1 || len(e.Needs[0]) != 1 || e.Needs[0][0].Code != j.Reasons[0].Code || e.Needs[0][0].Fix != j.Reasons[0].Fix {
		t.Errorf("judgement %+v, needs %+v", j, e.Needs)
	}
	held := slices.IndexFunc(e.Guards, func(g authz.GuardTrace) bool { return g.Guard == "acme" })
	want := []authz.RuleTrace{{Name: "data.guards.acme.deny", Code: "NO", File: "acme/guards/acme/acme.rego", Line: 9, Outcome: authz.RuleHeld}}
	if held < 0 {
		t.Fatalf("guards are %+v", e.Guards)
	}
	if diff := cmp.Diff(want, e.Guards[held].Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
