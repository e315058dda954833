package generations_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

// steps is a gate report as text: "read, signature skipped: why, compile".
func steps(t testing.TB, g authz.Generation) string {
	t.Helper()
	if g.Gate == nil {
		t.Fatalf("generation %d has no gate report", g.Number)
	}
	var all []string
	for _, s := range g.Gate.Steps {
		text := s.Name
		if s.Skipped != "" {
			text += " skipped: " + s.Skipped
		}
		if !s.Passed {
			text += " not passed"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestGateReport(t *testing.T) {
	compared := &authz.Comparison{Compared: 12, DenyToAllow: 3}
	r := newRig(t, t.TempDir(), func(c *generations.Config) {
		c.Replay = func(_ context.Context, s *bundles.Snapshot) (*authz.Comparison, error) {
			if len(s.Guards()) == 1 {
				return nil, nil
			}
			return compared, nil
		}
	})
	r.start(base(1))
	atStart := "read, signature skipped: the bundle is made by Verdict itself, compile, test skipped: not at the start of a node, replay skipped: not at the start of a node"
	if diff := cmp.Diff(atStart, steps(t, r.Active())); diff != "" {
		t.Fatal(diff)
	}
	g := r.push("acme", acme(1))
	if diff := cmp.Diff("read, signature, compile, test, replay", steps(t, g)); diff != "" {
		t.Fatal(diff)
	}
	if g.Gate.Tests != 1 || g.Gate.Replay == nil || g.Gate.Replay.Compared != 12 {
		t.Fatalf("got g.Gate %+v; want Tests 1, g.Gate.Replay, g.Gate.Replay.Compared 12", g.Gate)
	}
	r.activate(g.Number)
	gone, err := r.Remove(t.Context(), "acme", "ann", "")
	if err != nil {
		t.Fatal(err)
	}
	want := "read skipped: the bundle is taken away, signature skipped: the bundle is taken away, compile, test skipped: the bundle has no tests, replay skipped: no decisions are recorded yet"
	if diff := cmp.Diff(want, steps(t, gone)); diff != "" {
		t.Fatal(diff)
	}
	// What the gate found is kept.
	again := newRig(t, r.dir)
	kept, err := again.Get(g.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.Gate, kept.Gate); diff != "" {
		t.Fatal(diff)
	}
}

func TestSkippedTestsAndReplay(t *testing.T) {
	r := started(t, t.TempDir(), func(c *generations.Config) { c.SkipTests = true })
	g := r.push("acme", acme(1))
	if diff := cmp.Diff("read, signature, compile, test skipped: tests are switched off, replay skipped: no decisions are recorded", steps(t, g)); diff != "" {
		t.Fatal(diff)
	}
}

func TestGateRefuses(t *testing.T) {
	ann, eve := newSigner(t, "ann"), newSigner(t, "eve")
	failing := acme(1).with("guards/acme/acme_test.rego", "package guards.acme_test\n\nimport data.guards.acme\n\ntest_open if count(acme.deny) == 7\n")
	for _, tt := range []struct {
		name   string
		body   []byte
		change func(*generations.Config)
		step   string
		code   authz.ErrorCode
		says   string
		// problem is the file and line of the first problem; "" when there is none.
		problem string
	}{
		{name: "no bundle", body: []byte("nothing"), step: authz.GateRead, code: authz.CodeInvalid},
		{name: "too large", body: acme(1).pack(t), change: func(c *generations.Config) { c.Limits.Packed = 100 }, step: authz.GateRead, code: authz.CodeTooLarge},
		{name: "not signed", body: acme(1).pack(t), change: required(t, ann), step: authz.GateSignature, code: authz.CodeInvalid, says: "must be signed", problem: ".signatures.json"},
		{name: "signed by nobody we know", body: eve.sign(t, acme(1), 100), change: required(t, ann), step: authz.GateSignature, code: authz.CodeInvalid},
		{name: "signed, and no key to tell", body: ann.sign(t, acme(1), 100), step: authz.GateSignature, code: authz.CodeInvalid},
		{name: "does not parse", body: acme(1).with("guards/acme/acme.rego", "package guards.acme\n\ndeny contains {\n").pack(t), step: authz.GateCompile, code: authz.CodeInvalid, problem: "acme/guards/acme/acme.rego:4"},
		{name: "roots of another", body: acme(1).with(".manifest", `{"roots": ["guards"], "rego_version": 1}`).pack(t), step: authz.GateCompile, code: authz.CodeInvalid, says: "base"},
		{name: "cannot be used", body: acme(1).pack(t), change: func(c *generations.Config) {
			c.Try = func(s *bundles.Snapshot) error {
				if s.Ref().Generation > 1 {
					return errors.New("the engine has a fault")
				}
				return nil
			}
		}, step: authz.GateCompile, code: authz.CodeInternal, says: "compile"},
		{name: "a test fails", body: failing.pack(t), step: authz.GateTest, code: authz.CodeInvalid, says: "1 of 1 tests", problem: "acme/guards/acme/acme_test.rego:5"},
		{name: "the replay cannot be done", body: acme(1).pack(t), change: func(c *generations.Config) {
			c.Replay = func(context.Context, *bundles.Snapshot) (*authz.Comparison, error) {
				return nil, authz.Errorf(authz.CodeUnavailable, "the log is closed")
			}
		}, step: authz.GateReplay, code: authz.CodeUnavailable, says: "the log is closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change == nil {
				tt.change = func(*generations.Config) {}
			}
			r := started(t, t.TempDir(), tt.change)
			_, err := r.offer("acme", tt.body)
			fails(t, err, tt.code, tt.says)
			var ours *authz.Error
			if !errors.As(err, &ours) {
				t.Fatal(err)
			}
			at := ""
			if len(ours.Problems) > 0 {
				at = ours.Problems[0].File
				if line := ours.Problems[0].Line; line > 0 {
					at = fmt.Sprint(at, ":", line)
				}
			}
			if tt.problem != "" && at != tt.problem {
				t.Errorf("the first problem is at %q, want %q: %v", at, tt.problem, err)
			}
			r.failure("acme", tt.step, tt.says)
			failure := r.Status().Failures[0]
			if failure.Author != "ann" || failure.At.IsZero() || !cmp.Equal(failure.Problems, ours.Problems) {
				t.Errorf(`got %+v; want Author "ann", not failure.At.IsZero(), Problems %v`, failure, ours.Problems)
			}
			if got := r.Stats(); got.Refused[tt.step] != 1 || len(got.Refused) != 1 {
				t.Errorf("got %+v; want Refused[tt.step] 1, len(Refused) 1", got)
			}
			r.stands("1 active")
		})
	}
}

// TestFailureEnds keeps the last failure of each name, newest first, until a bundle
// of that name gets through.
func TestFailureEnds(t *testing.T) {
	r := started(t, t.TempDir())
	for _, name := range []string{"acme", "other", "acme"} {
		_, err := r.offer(name, []byte("nothing"))
		fails(t, err, authz.CodeInvalid, "")
	}
	failures := r.Status().Failures
	if len(failures) != 2 || failures[0].Name != "acme" || failures[1].Name != "other" {
		t.Fatalf(`got %+v; want len(failures) 2, failures[0].Name "acme", failures[1].Name "other"`, failures)
	}
	r.push("acme", acme(1))
	r.failure("other", authz.GateRead, "")
	r.push("other", other(1))
	r.noFailures()
	// An operator's slip is nobody's failure.
	_, err := r.Remove(t.Context(), "none", "ann", "")
	fails(t, err, authz.CodeNotFound, "none")
	r.noFailures()
	for i := range 100 {
		_, err := r.offer(fmt.Sprint("b", i), []byte("nothing"))
		fails(t, err, authz.CodeInvalid, "")
	}
	if failures := r.Status().Failures; len(failures) != 64 || failures[0].Name != "b99" || failures[63].Name != "b36" {
		t.Fatalf("%d failures, %+v", len(failures), failures)
	}
}

// TestGivenUp is a caller that does not wait: nothing is made, and nobody failed.
func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.Replay = func(ctx context.Context, _ *bundles.Snapshot) (*authz.Comparison, error) {
			cancel()
			return nil, ctx.Err()
		}
	})
	_, _, err := r.Push(ctx, generations.Push{Name: "acme", Body: bytes.NewReader(acme(1).pack(t)), Source: authz.SourcePush, Author: "ann"})
	fails(t, err, authz.CodeUnavailable, "")
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, err = r.Activate(ctx, 1, "ann", "")
	fails(t, err, authz.CodeUnavailable, "")
	r.stands("1 active")
	r.noFailures()
}

// TestSlowReplay is left out, and refuses nothing.
func TestSlowReplay(t *testing.T) {
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.ReplayTimeout = time.Millisecond
		c.Replay = func(ctx context.Context, _ *bundles.Snapshot) (*authz.Comparison, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	g := r.push("acme", acme(1))
	if got := steps(t, g); g.Gate.Replay != nil || !strings.Contains(got, "replay skipped: it took longer than 1ms") {
		t.Fatal(got)
	}
	r.noFailures()
}

func TestTooManyBundles(t *testing.T) {
	r := started(t, t.TempDir())
	for i := 1; i < generations.MaxBundles; i++ {
		name := fmt.Sprint("b", i)
		f := files{".manifest": fmt.Sprintf(`{"roots": ["%s"], "rego_version": 1}`, name), name + "/" + name + ".rego": "package " + name + "\n\nx := 1\n"}
		r.activate(r.push(name, f).Number)
	}
	_, err := r.offer("acme", acme(1).pack(t))
	fails(t, err, authz.CodeTooLarge, "remove one")
	r.failure("acme", authz.GateCompile, "remove one")
}

// TestPushedAndPulledFailuresAreApart: what somebody pushes neither hides that a source
// fails, nor drives it out of what is remembered.
func TestPushedAndPulledFailuresAreApart(t *testing.T) {
	r := started(t, t.TempDir())
	_, _, err := r.Push(t.Context(), generations.Push{Name: "acme", Body: strings.NewReader("nothing"), Source: "https://bundles.example/acme.tar.gz", Author: "https://bundles.example/acme.tar.gz"})
	fails(t, err, authz.CodeInvalid, "")
	for i := range 100 {
		_, err := r.offer(fmt.Sprint("b", i), []byte("nothing"))
		fails(t, err, authz.CodeInvalid, "")
	}
	_, err = r.offer("acme", []byte("nothing"))
	fails(t, err, authz.CodeInvalid, "")
	pushed, pulled := 0, []string{}
	for _, f := range r.Status().Failures {
		if f.Pushed() {
			pushed++
		} else {
			pulled = append(pulled, f.Name+" from "+f.Source)
		}
	}
	if diff := cmp.Diff([]string{"acme from https://bundles.example/acme.tar.gz"}, pulled); diff != "" {
		t.Errorf("failures of sources (-want +got):\n%s", diff)
	}
	if pushed != 64 {
		t.Errorf("%d failures of pushes are remembered, want 64", pushed)
	}
	r.push("acme", acme(1))
	for _, f := range r.Status().Failures {
		if f.Name == "acme" {
			t.Errorf("acme got through, and still fails: %+v", f)
		}
	}
}

// TestReportIsOfWhatWasPushed pushes again what the active generation has, which was
// made for another bundle: the answer does not say of the one what the gate found of
// the other.
func TestReportIsOfWhatWasPushed(t *testing.T) {
	r := started(t, t.TempDir())
	r.activate(r.push("other", other(1)).Number)
	r.activate(r.push("acme", acme(1)).Number)
	again := r.push("other", other(1))
	if again.State != authz.GenerationActive || again.Gate.Tests != 0 {
		t.Errorf("other, pushed again, is %s with %d tests; want active with 0", again.State, again.Gate.Tests)
	}
	if got := steps(t, again); !strings.HasPrefix(got, "read, signature skipped: the active generation has the bundle already") {
		t.Errorf("its steps are %s", got)
	}
	if own := r.push("acme", acme(1)); own.Gate.Tests != 1 {
		t.Errorf("acme, pushed again, has %d tests; want the 1 of its own", own.Gate.Tests)
	}
	if kept := r.Active(); kept.Gate.Tests != 1 {
		t.Errorf("the active generation lost its report: %+v", kept.Gate)
	}
}

// TestNameThatNoBundleHas is refused before the gate, and leaves nothing behind.
func TestNameThatNoBundleHas(t *testing.T) {
	r := started(t, t.TempDir())
	for _, name := range []string{"Acme", strings.Repeat("a", 65), "a:b", "a@b", "", "-a"} {
		_, err := r.offer(name, acme(1).pack(t))
		fails(t, err, authz.CodeInvalid, "name must be 1 to 64 of a-z")
		_, err = r.Remove(t.Context(), name, "ann", "")
		fails(t, err, authz.CodeInvalid, "name must be 1 to 64 of a-z")
	}
	r.noFailures()
	if got := r.Stats(); got.Pushes != 1 { // the base of the start
		t.Errorf("%d offers got to the gate, want 1", got.Pushes)
	}
}

// TestTables: the decision tables that a bundle brings are run with the set that the
// bundle would decide in, and a row that fails refuses it.
func TestTables(t *testing.T) {
	const table = "tables/acme_table.yaml"
	with := acme(1).with(table, "data: {include: world.yaml}\n").with("tables/world.yaml", "users: {}\n")
	var asked []string
	var fault error
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.TestTimeout = 5 * time.Second
		c.Tables = func(_ context.Context, candidate *bundles.Snapshot, files map[string][]byte) (int, error) {
			var guards []string
			for _, g := range candidate.Guards() {
				guards = append(guards, g.Name)
			}
			asked = append(asked, fmt.Sprint(candidate.Ref().Generation, guards, slices.Sorted(maps.Keys(files))))
			return 7, fault
		}
	})
	r.activate(r.push("other", other(1)).Number) // no table, nothing to run
	g := r.push("acme", with)
	if g.Gate.Rows != 7 || g.Gate.Tests != 1 {
		t.Errorf("%d rows and %d tests, want 7 and 1", g.Gate.Rows, g.Gate.Tests)
	}
	if diff := cmp.Diff([]string{"3 [acme door other] [acme/tables/acme_table.yaml acme/tables/world.yaml]"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	fault = &authz.Error{Code: authz.CodeInvalid, Message: "1 of 1 rows", Problems: []authz.Problem{{File: "acme/" + table, Line: 4, Message: "row: want allow, got deny"}}}
	_, err := r.offer("acme", with.with("guards/acme/acme.rego", guard("acme", 9)).pack(t))
	fails(t, err, authz.CodeInvalid, "1 of 1 rows")
	r.failure("acme", authz.GateTest, "1 of 1 rows")
	r.stands("3 candidate, 2 active, 1 kept")
}

func TestSlowTables(t *testing.T) {
	r := started(t, t.TempDir(), func(c *generations.Config) {
		c.TestTimeout = time.Millisecond
		c.Tables = func(ctx context.Context, _ *bundles.Snapshot, _ map[string][]byte) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
	})
	slow := other(1).with("other_table.yaml", "cases: []\n")
	_, err := r.offer("other", slow.pack(t))
	fails(t, err, authz.CodeInvalid, "the decision tables took longer than 1ms")
	r.failure("other", authz.GateTest, "took longer")
}
