package bundles

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// Options say how a policy set is compiled.
type Options struct {
	// Generation numbers the activation the snapshot is compiled for.
	Generation uint64
	// Timeout bounds parsing and compiling; 0 means 20 s. What ran over it goes on
	// in the background until it ends by itself.
	Timeout time.Duration
}

// defaultCompileTimeout bounds Compile when Options say nothing.
const defaultCompileTimeout = 20 * time.Second

// Compile checks and compiles a policy set. The error is an *authz.Error whose
// cause is the Problems found.
func Compile(a Archive, o Options) (*Snapshot, error) {
	return compile([]part{{Archive: a}}, o)
}

// compile is Compile of policy sets together.
func compile(parts []part, o Options) (*Snapshot, error) {
	limit := cmp.Or(o.Timeout, defaultCompileTimeout)
	return bounded(context.Background(), limit, "compiling the policies", func(context.Context) (*Snapshot, error) {
		set, err := check(parts)
		if err != nil {
			return nil, err
		}
		return set.compile(o)
	})
}

// checked is policy sets that passed every check made before compiling.
type checked struct {
	parts    []part
	policies []*ast.Module // of all parts
	data     map[string]any
	guards   []Guard
}

func check(parts []part) (checked, error) {
	set := checked{parts: parts}
	problems := checkRoots(parts)
	modules := make([][]*ast.Module, len(parts))
	for i, p := range parts {
		parsed, found := parse(p, p.Policies)
		modules[i], problems = parsed, append(problems, found...)
		set.policies = append(set.policies, parsed...)
	}
	data, found := readData(parts)
	set.data, problems = data, append(problems, found...)
	if len(problems) == 0 { // a file that failed to parse may define what others read
		documents := documentsOf(set.policies, data)
		for _, m := range set.policies {
			problems = append(problems, documents.checkReads(m)...)
		}
	}
	for i, p := range parts {
		for _, m := range modules[i] {
			problems = append(problems, refusedCalls(m)...)
			problems = append(problems, checkPackage(m, p.Manifest)...)
			problems = append(problems, checkMask(m)...)
		}
	}
	guards, found := checkGuards(set.policies)
	set.guards, problems = guards, append(problems, found...)
	problems = append(problems, checkDefaults(set.policies)...)
	if len(problems) == 0 { // a file that failed to parse may be the one
		problems = checkEntrypoint(parts, set.policies)
	}
	return set, problems.err()
}

func (c *checked) compile(o Options) (*Snapshot, error) {
	compiler := newCompiler(c.data)
	if compiler.Compile(byPath(c.policies)); compiler.Failed() {
		return nil, fromOPA("", compiler.Errors).err()
	}
	if err := wholeReads(compiler).err(); err != nil {
		return nil, err
	}
	manifest := c.parts[0].shown(manifestName)
	if err := replaceIndexes(compiler); err != nil {
		return nil, Problems{{File: manifest, Message: "the rules cannot be indexed: " + err.Error()}}.err()
	}
	data, err := dataValue(c.data)
	if err != nil {
		return nil, Problems{{File: manifest, Message: "bundle data cannot be used: " + err.Error()}}.err()
	}
	var roots []string
	for _, p := range c.parts {
		roots = append(roots, p.Manifest.Roots...)
	}
	return &Snapshot{
		ref:      authz.PolicyRef{Generation: o.Generation, Digest: digest(c.parts, data)},
		roots:    roots,
		compiler: compiler,
		data:     data,
		guards:   c.guards,
	}, nil
}

// parse reads policies of a part with their annotations.
func parse(p part, files []File) ([]*ast.Module, Problems) {
	var modules []*ast.Module
	var problems Problems
	for _, f := range files {
		name := p.shown(f.Path)
		m, err := ast.ParseModuleWithOpts(name, string(f.Bytes), ast.ParserOptions{
			ProcessAnnotation: true,
			RegoVersion:       ast.RegoV1,
			Capabilities:      Capabilities(),
		})
		switch {
		case err != nil:
			problems = append(problems, fromOPA(name, err)...)
		case m == nil:
			problems = append(problems, Problem{File: name, Message: "is empty", Fix: "write a package or remove the file"})
		default:
			modules, problems = append(modules, m), append(problems, checkNesting(m)...)
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

func checkEntrypoint(parts []part, modules []*ast.Module) Problems {
	for _, m := range modules {
		if m.Package.Path.String() == Entrypoint && len(m.Rules) > 0 {
			return nil
		}
	}
	file := manifestName
	if len(parts) == 1 {
		file = parts[0].shown(manifestName)
	}
	return Problems{{
		File: file, Message: "the policy set has no package verdict.decision, which answers every question",
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
