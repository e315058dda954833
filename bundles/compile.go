package bundles

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// Options say how a policy set is compiled.
type Options struct {
	// Generation numbers the activation the snapshot is compiled for.
	Generation uint64
}

// Compile checks and compiles a policy set. The error is an *authz.Error whose
// cause is the Problems found.
func Compile(a Archive, o Options) (*Snapshot, error) {
	set, err := check(a)
	if err != nil {
		return nil, err
	}
	compiler := newCompiler(set.data)
	if compiler.Compile(byPath(set.policies)); compiler.Failed() {
		return nil, fromOPA("", compiler.Errors).err()
	}
	if err := wholeReads(compiler).err(); err != nil {
		return nil, err
	}
	if err := replaceIndexes(compiler); err != nil {
		return nil, Problems{{File: manifestName, Message: "the rules cannot be indexed: " + err.Error()}}.err()
	}
	data, err := dataValue(set.data)
	if err != nil {
		return nil, Problems{{File: manifestName, Message: "bundle data cannot be used: " + err.Error()}}.err()
	}
	return &Snapshot{
		ref:      authz.PolicyRef{Generation: o.Generation, Digest: digest(a, data)},
		roots:    a.Manifest.Roots,
		compiler: compiler,
		data:     data,
		guards:   set.guards,
	}, nil
}

// checked is a policy set that passed every check made before compiling.
type checked struct {
	policies []*ast.Module
	data     map[string]any
	guards   []Guard
}

func check(a Archive) (checked, error) {
	policies, problems := parse(a.Policies)
	data, dataProblems := readData(a)
	problems = append(problems, dataProblems...)
	if len(problems) == 0 { // a file that failed to parse may define what others read
		documents := documentsOf(policies, data)
		for _, m := range policies {
			problems = append(problems, documents.checkReads(m)...)
		}
	}
	for _, m := range policies {
		problems = append(problems, refusedCalls(m)...)
		problems = append(problems, checkPackage(m, a.Manifest)...)
	}
	guards, guardProblems := checkGuards(policies)
	problems = append(problems, guardProblems...)
	if len(problems) == 0 { // a file that failed to parse may be the one
		problems = checkEntrypoint(policies)
	}
	return checked{policies: policies, data: data, guards: guards}, problems.err()
}

// parse reads policies with their annotations.
func parse(files []File) ([]*ast.Module, Problems) {
	var modules []*ast.Module
	var problems Problems
	for _, f := range files {
		m, err := ast.ParseModuleWithOpts(f.Path, string(f.Bytes), ast.ParserOptions{
			ProcessAnnotation: true,
			RegoVersion:       ast.RegoV1,
			Capabilities:      Capabilities(),
		})
		switch {
		case err != nil:
			problems = append(problems, fromOPA(f.Path, err)...)
		case m == nil:
			problems = append(problems, Problem{File: f.Path, Message: "is empty", Fix: "write a package or remove the file"})
		default:
			modules = append(modules, m)
		}
	}
	return modules, problems
}

// checkPackage refuses packages outside the roots and packages that would hide
// facts.
func checkPackage(m *ast.Module, manifest Manifest) Problems {
	path := names(m.Package.Path[1:])
	if authz.Collection(path[0]).Fact() {
		return Problems{at(m.Package.Location, "package "+strings.Join(path, ".")+" hides the facts at data."+path[0], "give the package another name")}
	}
	if !manifest.owns(path) {
		return Problems{at(m.Package.Location, "package "+strings.Join(path, ".")+" is outside the roots", "move it under one of the roots in .manifest, or add its root there")}
	}
	return nil
}

func checkEntrypoint(modules []*ast.Module) Problems {
	for _, m := range modules {
		if m.Package.Path.String() == Entrypoint && len(m.Rules) > 0 {
			return nil
		}
	}
	return Problems{{
		File: manifestName, Message: "the policy set has no package verdict.decision, which answers every question",
		Fix: "start from the base policies, or write verdict/decision/decision.rego",
	}}
}

// maxCompileErrors is how many of the compiler's errors are listed at once.
const maxCompileErrors = 100

// newCompiler makes the one kind of compiler that policies are loaded and
// tested with.
func newCompiler(data map[string]any) *ast.Compiler {
	return ast.NewCompiler().
		WithCapabilities(Capabilities()).
		WithDefaultRegoVersion(ast.RegoV1).
		WithStrict(true).
		SetErrorLimit(maxCompileErrors).
		WithPathConflictsCheck(func(path []string) (bool, error) { return defines(data, path), nil })
}

func byPath(modules []*ast.Module) map[string]*ast.Module {
	m := make(map[string]*ast.Module, len(modules))
	for _, module := range modules {
		m[module.Package.Location.File] = module
	}
	return m
}
