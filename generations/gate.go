package generations

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// MaxBundles is how many bundles a generation has at most.
const MaxBundles = 32

// offer is a change of one bundle of the active generation.
type offer struct {
	name string
	// may, when given, says why the active generation rules the offer out. That is the
	// answer of the caller, and no refusal of the gate.
	may func(on *view) error
	// read makes the bundle; nil takes the one there is away.
	read func(on *view) (bundles.Package, error)
	// untested says why tests and replay are left out; empty when they are not.
	untested        string
	source          string
	author, message string
	// remembered says that a refusal is a failure of the bundle, for all to see,
	// and not only of the caller.
	remembered bool
}

// gate is the way of one offer to a candidate. Each step fills what the next one
// needs.
type gate struct {
	offer       offer
	generations *Set
	on          *view // what the offer changes

	pkg      bundles.Package
	known    *generation // that has the offer already
	verified bundles.Verified
	set      []bundles.Member
	snapshot *bundles.Snapshot
	next     *generation

	failed string // name of the step that refused
}

// pass takes the offer through the gate, and stops at the step that refuses it or
// when it turns out to be known. The error is that of the step.
func (g *gate) pass(ctx context.Context) error {
	if err := g.step(ctx, authz.GateRead, g.read); err != nil || g.known != nil {
		return err
	}
	if err := g.step(ctx, authz.GateSignature, g.verify); err != nil {
		return err
	}
	if err := g.step(ctx, authz.GateCompile, g.compile); err != nil {
		return err
	}
	if err := g.step(ctx, authz.GateTest, g.test); err != nil {
		return err
	}
	return g.step(ctx, authz.GateReplay, g.replay)
}

// open starts the way of an offer that changes the active generation of on. The caller
// holds the gate, so that no other offer takes its number.
func (s *Set) open(on *view, o offer) *gate {
	next := &generation{
		Generation: authz.Generation{
			Number: on.state.Next, State: authz.GenerationCandidate,
			Author: o.author, Message: o.message, Gate: &authz.GateReport{},
		},
		Schema: schema, ChangedBundle: o.name, Parent: on.running(), ReplacedDigest: on.activeDigest(o.name),
	}
	return &gate{offer: o, generations: s, on: on, next: next}
}

// step does one step and reports it. An error because the caller did not wait is
// no refusal.
func (g *gate) step(ctx context.Context, name string, do func(context.Context) (skipped string, err error)) error {
	start := g.generations.config.Now()
	skipped, err := do(ctx)
	if ctx.Err() != nil {
		return givenUp(errors.Join(ctx.Err(), err))
	}
	if err != nil {
		g.failed = name
		return refusal(name, err)
	}
	report := g.next.Gate
	report.Steps = append(report.Steps, authz.GateStep{
		Name: name, Passed: true, Skipped: skipped,
		TookMS: g.generations.config.Now().Sub(start).Milliseconds(),
	})
	return nil
}

// refusal is err as a caller may see it.
func refusal(step string, err error) error {
	var ours *authz.Error
	if errors.As(err, &ours) {
		return err
	}
	return internal("the step "+step+" of the gate could not be done", err)
}

func (g *gate) read(context.Context) (skipped string, err error) {
	if g.offer.read == nil {
		if _, ok := g.on.active.bundle(g.offer.name); !ok {
			return "", authz.Errorf(authz.CodeNotFound, "the active generation has no bundle %s", g.offer.name)
		}
		return "the bundle is taken away", nil
	}
	if g.pkg, err = g.offer.read(g.on); err != nil {
		return "", err
	}
	g.known = g.on.having(g.offer.name, g.pkg.Digest)
	return "", nil
}

// having finds the active generation, or a candidate made from it, that has this
// bundle and is otherwise like the active one.
func (v *view) having(name, digest string) *generation {
	if ref, ok := v.active.bundle(name); ok && ref.Digest == digest {
		return v.active
	}
	for _, g := range v.newestFirst() {
		if ref, ok := g.bundle(name); ok && ref.Digest == digest && v.candidate(g) && len(v.undone(g)) == 0 && g.ChangedBundle == name {
			return g
		}
	}
	return nil
}

func (g *gate) verify(context.Context) (skipped string, err error) {
	switch {
	case g.offer.read == nil:
		return "the bundle is taken away", nil
	case made(g.offer.source):
		g.verified = bundles.Trusted(g.pkg)
		return "the bundle is made by Verdict itself", nil
	}
	g.verified, err = g.pkg.Verify(g.generations.config.Verification, g.on.state.Accepted[g.offer.name])
	return "", err
}

// compile puts the set together, compiles it and tries it.
func (g *gate) compile(context.Context) (skipped string, err error) {
	if err := g.assemble(); err != nil {
		return "", err
	}
	if g.snapshot, err = bundles.CompileSet(g.set, bundles.Options{Generation: g.next.Number}); err != nil {
		return "", err
	}
	g.next.Digest = g.snapshot.Ref().Digest
	if err := g.generations.config.overlay(g.snapshot); err != nil {
		return "", err
	}
	return "", g.generations.config.Try(g.snapshot)
}

// assemble makes the set: the active generation's, with the offer in its place.
func (g *gate) assemble() error {
	if active := g.on.active; active != nil {
		rest := *active
		rest.Bundles = active.without(g.offer.name)
		set, err := g.generations.members(&rest)
		if err != nil {
			return err
		}
		g.set, g.next.Bundles = set, rest.Bundles
	}
	if g.offer.read != nil {
		g.set = append(g.set, bundles.Member{Name: g.offer.name, Verified: g.verified})
		g.next.Bundles = append(g.next.Bundles, g.verified.Ref(g.offer.name, g.offer.source))
	}
	if len(g.set) > MaxBundles {
		return authz.Errorf(authz.CodeTooLarge, "the policy set would have %d bundles; it has at most %d: remove one, or join some", len(g.set), MaxBundles)
	}
	g.next.sortBundles()
	return nil
}

func (g *gate) test(ctx context.Context) (skipped string, err error) {
	switch {
	case g.offer.untested != "":
		return g.offer.untested, nil
	case g.generations.config.SkipTests:
		return "tests are switched off", nil
	}
	files := g.tables()
	if len(g.verified.Tests) == 0 && len(files) == 0 {
		return "the bundle has no tests", nil
	}
	if err := g.runTests(ctx); err != nil {
		return "", err
	}
	return "", g.runTables(ctx, files)
}

// runTests runs the bundle's own Rego tests, if it has any.
func (g *gate) runTests(ctx context.Context) error {
	if len(g.verified.Tests) == 0 {
		return nil
	}
	report, err := bundles.TestSet(ctx, g.set, g.offer.name, bundles.TestOptions{Total: g.generations.config.TestTimeout, Silent: true})
	if err != nil {
		return err
	}
	if !report.OK() {
		return failing(report)
	}
	g.next.Gate.Tests = report.Passed
	return nil
}

// tables are the YAML files of the bundle when decision tables are among them, by how
// problems name them.
func (g *gate) tables() map[string][]byte {
	files, found := map[string][]byte{}, false
	for _, f := range g.verified.Files {
		if extension := path.Ext(f.Path); extension == ".yaml" || extension == ".yml" {
			files[g.offer.name+"/"+f.Path] = f.Bytes
		}
		found = found || strings.HasSuffix(f.Path, authz.TableSuffix)
	}
	if !found || g.generations.config.Tables == nil {
		return nil
	}
	return files
}

// runTables runs the decision tables among files, if there are any.
func (g *gate) runTables(ctx context.Context, files map[string][]byte) error {
	if len(files) == 0 {
		return nil
	}
	limit := g.generations.config.TestTimeout
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rows, err := g.generations.config.Tables(within, g.snapshot, files)
	if within.Err() != nil && ctx.Err() == nil {
		return authz.Errorf(authz.CodeInvalid, "the decision tables took longer than %s; make them fewer, or the policies simpler", limit)
	}
	g.next.Gate.Rows = rows
	return err
}

// maxProblems is how many failing tests are listed.
const maxProblems = 100

// failing is the error for tests that did not pass.
func failing(report bundles.TestReport) error {
	e := &authz.Error{
		Code:    authz.CodeInvalid,
		Message: fmt.Sprintf("%d of %d tests of the bundle do not pass", report.Failed, report.Failed+report.Passed),
	}
	for _, result := range report.Results {
		if result.Outcome != bundles.TestFailed && result.Outcome != bundles.TestErrored {
			continue
		}
		if len(e.Problems) == maxProblems {
			e.Message += "\nand others"
			break
		}
		message := result.Name + " failed"
		if result.Error != "" {
			message = result.Name + ": " + result.Error
		}
		p := authz.Problem{File: result.File, Line: result.Line, Message: message, Fix: "make the policy or the test right; verdict test shows more"}
		e.Problems = append(e.Problems, p)
		e.Message += "\n" + p.String()
	}
	return e
}

func (g *gate) replay(ctx context.Context) (skipped string, err error) {
	switch {
	case g.offer.untested != "":
		return g.offer.untested, nil
	case g.generations.config.Replay == nil:
		return "no decisions are recorded", nil
	}
	limit := g.generations.config.ReplayTimeout
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	comparison, err := g.generations.config.Replay(within, g.snapshot)
	switch {
	case err != nil && within.Err() != nil && ctx.Err() == nil:
		return "it took longer than " + limit.String() + "; verdict replay has more time, and shows where the policies are slow", nil
	case err != nil:
		return "", err
	}
	if g.next.Gate.Replay = comparison; comparison == nil {
		return "no decisions are recorded yet", nil
	}
	return "", nil
}

// named names a generation in messages.
func named(n uint64) string { return "generation " + strconv.FormatUint(n, 10) }
