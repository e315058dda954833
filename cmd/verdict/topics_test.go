package main_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/verdict-pdp/verdict/bundles"
	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
	"github.com/verdict-pdp/verdict/decisiontable"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/policies"
)

// The table that the help shows is one, and the base policies pass it.
func TestHelpHasADecisionTable(t *testing.T) {
	tables, err := decisiontable.Load(fstest.MapFS{
		"tables/example_table.yaml": {Data: []byte(verdict.TableExample)},
		"world.yaml":                {Data: []byte("plans: {free: {name: Free}}")},
	})
	if err != nil {
		t.Fatal(err)
	}
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
	report := decisiontable.Run(context.Background(), policy, tables)
	if report.Passed != 2 || report.Failed != 0 {
		t.Errorf("%d passed, %d failed: %+v", report.Passed, report.Failed, report.Cases)
	}
}
