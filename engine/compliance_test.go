package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/test/cases/testdata"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/engine"
)

// TestCompliance runs the evaluation cases of the OPA module over our store and
// our index, without early exit, as policies are evaluated here. Where a case loads as
// a policy set it goes through bundles.Read and bundles.Compile; a case that is
// refused for its style (strict mode) is
// compiled by OPA under our capabilities instead.
func TestCompliance(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every evaluation case of OPA")
	}
	tally := map[string]int{}
	for _, c := range complianceCases(t) {
		how, err := compliance(t.Context(), c)
		tally[how]++
		if err != nil {
			t.Errorf("got c.Note %s, path.Base(c.Filename) %s, error %v; want no error", c.Note, path.Base(c.Filename), err)
		}
	}
	names := util.KeysSorted(tally)
	for _, name := range names {
		t.Logf("%5d cases: %s", tally[name], name)
	}
	if tally[asPolicySet] < 2000 {
		t.Errorf("too few cases were evaluated: %v", tally)
	}
}

const (
	asPolicySet = "evaluated as a policy set"
	asModules   = "evaluated, compiled without strict mode"
	refusedCase = "not evaluated: uses a refused built-in or feature"
	readsAll    = "not evaluated: reads all of data at once, which is refused"
	asksFacts   = "not evaluated: its data has the name of a fact collection"
)

func complianceCases(t *testing.T) []cases.TestCase {
	t.Helper()
	var all []cases.TestCase
	err := fs.WalkDir(testdata.V1, "v1", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := testdata.V1.ReadFile(name)
		if err != nil {
			return err
		}
		var set cases.Set
		if err := util.Unmarshal(text, &set); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range set.Cases {
			c.Filename = name
			all = append(all, c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// compliance evaluates one case and says how.
func compliance(ctx context.Context, c cases.TestCase) (string, error) {
	if len(c.Env) > 0 || c.ExperimentalKeywords {
		return refusedCase, nil
	}
	if c.Data != nil && slices.ContainsFunc(util.Keys(*c.Data), func(name string) bool { return authz.Collection(name).Fact() }) {
		return asksFacts, nil
	}
	how := asPolicySet
	compiler, data, err := caseAsPolicySet(c)
	if err != nil {
		how = asModules
		if compiler, data, err = caseAsModules(c); err != nil {
			return refusedCase, nil
		}
	}
	results, err := evaluateCase(ctx, c, compiler, data)
	switch {
	case errors.Is(err, errCaseQuery):
		return refusedCase, nil
	case err != nil && strings.Contains(err.Error(), "the whole of data was read"):
		return readsAll, nil
	}
	return how, expect(c, results, err)
}

func caseAsPolicySet(c cases.TestCase) (*ast.Compiler, ast.Object, error) {
	tree := fstest.MapFS{
		".manifest":                      {Data: []byte(`{"roots": [""], "rego_version": 1}`)},
		"verdict/decision/decision.rego": {Data: []byte("package verdict.decision\n\nallow := false\n")},
	}
	for i, text := range c.Modules {
		tree[fmt.Sprintf("test-%d.rego", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	if c.Data != nil {
		text, err := json.Marshal(*c.Data)
		if err != nil {
			return nil, nil, err
		}
		tree["data.json"] = &fstest.MapFile{Data: text}
	}
	a, err := bundles.Read(tree)
	if err != nil {
		return nil, nil, err
	}
	s, err := bundles.Compile(a, bundles.Options{})
	if err != nil {
		return nil, nil, err
	}
	return s.Compiler(), s.Data(), nil
}

func caseAsModules(c cases.TestCase) (*ast.Compiler, ast.Object, error) {
	modules := map[string]*ast.Module{}
	for i, text := range c.Modules {
		name := fmt.Sprintf("test-%d.rego", i)
		m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		if err != nil {
			return nil, nil, err
		}
		modules[name] = m
	}
	compiler := ast.NewCompiler().WithCapabilities(bundles.Capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return nil, nil, compiler.Errors
	}
	data := ast.NewObject()
	if c.Data != nil {
		data = ast.MustInterfaceToValue(*c.Data).(ast.Object)
	}
	return compiler, data, nil
}

var errCaseQuery = errors.New("the query of the case does not compile")

func evaluateCase(ctx context.Context, c cases.TestCase, compiler *ast.Compiler, data ast.Object) (topdown.QueryResultSet, error) {
	query, err := compiler.QueryCompiler().Compile(ast.MustParseBody(c.Query))
	if err != nil {
		return nil, errCaseQuery
	}
	rules, release := engine.NewRuleCache()
	defer release()
	q := topdown.NewQuery(query).
		WithCompiler(compiler).
		WithStore(engine.NewStore(data)).
		WithTransaction(engine.NewView(newFacts(nil), 64)).
		WithIndexing(false).
		WithEarlyExit(false).
		WithVirtualCache(rules).
		WithStrictBuiltinErrors(c.StrictError)
	if c.InputTerm != nil {
		q = q.WithInput(ast.MustParseTerm(*c.InputTerm))
	} else if c.Input != nil {
		q = q.WithInput(ast.NewTerm(ast.MustInterfaceToValue(*c.Input)))
	}
	return q.Run(ctx)
}

// expect compares what a case wants with what came out.
func expect(c cases.TestCase, results topdown.QueryResultSet, err error) error {
	switch {
	case c.WantError != nil:
		if err == nil || !strings.Contains(err.Error(), *c.WantError) {
			return fmt.Errorf("error is %v, want %q", err, *c.WantError)
		}
	case c.WantErrorCode != nil:
		var e *topdown.Error
		if !errors.As(err, &e) || e.Code != *c.WantErrorCode {
			return fmt.Errorf("error is %v, want code %q", err, *c.WantErrorCode)
		}
	case err != nil:
		return err
	case c.WantResult != nil:
		return expectResults(c, results)
	}
	return nil
}

func expectResults(c cases.TestCase, results topdown.QueryResultSet) error {
	want := ast.NewSet()
	for _, bindings := range *c.WantResult {
		want.Add(ast.NewTerm(ast.MustInterfaceToValue(bindings)))
	}
	got := ast.NewSet()
	for _, bindings := range results {
		o := ast.NewObject()
		for name, term := range bindings {
			if c.IgnoreGeneratedVars && strings.HasPrefix(string(name), "__localq") {
				continue
			}
			v, err := ast.JSON(term.Value)
			if err != nil {
				return err
			}
			if list, ok := v.([]any); ok && c.SortBindings {
				slices.SortFunc(list, util.Compare)
			}
			o.Insert(ast.StringTerm(string(name)), ast.NewTerm(ast.MustInterfaceToValue(v)))
		}
		got.Add(ast.NewTerm(o))
	}
	if want.Compare(got) != 0 {
		return fmt.Errorf("result is %v, want %v", got, want)
	}
	return nil
}
