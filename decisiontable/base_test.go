package decisiontable_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/decisiontable"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/policies"
)

func basePolicy(t testing.TB) authz.Rejudger {
	t.Helper()
	archive, err := bundles.Read(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := bundles.Compile(archive, bundles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := engine.New(snapshot, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// TestBasePolicies runs the tables beside the base policies.
func TestBasePolicies(t *testing.T) {
	tables, err := decisiontable.Load(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	report := decisiontable.Run(t.Context(), basePolicy(t), tables)
	for _, r := range report.Cases {
		if r.Outcome != decisiontable.Pass {
			t.Errorf(`got r.File %s, r.Line %d, r.Name %s, r.Outcome %s, r.Diff %q; want r.Outcome "pass"`, r.File, r.Line, r.Name, r.Outcome, r.Diff)
		}
	}
	if report.Passed < 30 || report.Failed != 0 || report.Passed+report.Failed != len(report.Cases) {
		t.Errorf("%d passed and %d failed of %d", report.Passed, report.Failed, len(report.Cases))
	}
}
