package generations_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

// activeNow is what each way of asking a Set names as active.
func (r *rig) activeNow() map[string]uint64 {
	said := map[string]uint64{"Active": r.Active().Number, "Status": r.Status().Active.Generation}
	for _, g := range r.List() {
		if g.State == authz.GenerationActive {
			said["List"] = g.Number
		}
	}
	return said
}

// TestActiveIsWhatIsInForce asks a Set what is active from within a swap, right
// before and right after the pointer store that puts a generation in force: at no
// moment it names another one than decisions do.
func TestActiveIsWhatIsInForce(t *testing.T) {
	var r *rig
	check := func(when string) {
		t.Helper()
		want := r.inForce().Generation
		for how, got := range r.activeNow() {
			if got != want {
				t.Errorf("%s: %s names generation %d, and %d is in force", when, how, got, want)
			}
		}
	}
	r = newRig(t, t.TempDir(), func(c *generations.Config) {
		use := c.Use
		c.Use = func(s *bundles.Snapshot) error {
			check("before the swap")
			err := use(s)
			check("after the swap")
			return err
		}
	})
	r.start(base(1))
	for version := range 3 {
		r.activate(r.push("acme", acme(version)).Number)
		check("after an activation")
	}
	if _, err := r.Rollback(t.Context(), 0, "ann", ""); err != nil {
		t.Fatal(err)
	}
	check("after a rollback")
	r = started(t, r.dir)
	check("after a restart")
}

// TestActiveInAStorm activates two generations in turn while others ask what is active.
// What they are told was in force while they asked, and one answer is of one
// generation.
func TestActiveInAStorm(t *testing.T) {
	r := started(t, t.TempDir())
	one := r.push("acme", acme(1))
	r.activate(one.Number)
	two := r.push("acme", acme(2))
	want := map[uint64]authz.Generation{one.Number: one, two.Number: two}

	// during is what was in force from before the call of ask to after it.
	during := func(ask func()) []authz.PolicyRef {
		r.mu.Lock()
		began := len(r.used) - 1
		r.mu.Unlock()
		ask()
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(r.used[began:])
	}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var status authz.PolicyStatus
				if refs := during(func() { status = r.Status() }); !slices.Contains(refs, status.Active) {
					t.Errorf("Status names %+v, and in force were %+v", status.Active, refs)
				}
				var g authz.Generation
				if refs := during(func() { g = r.Active() }); !slices.Contains(refs, g.Ref()) || g.State != authz.GenerationActive || g.ActivatedAt.IsZero() {
					t.Errorf("Active is %+v, and in force were %+v", g, refs)
				}
				var ref authz.BundleRef
				refs := during(func() {
					var err error
					if _, ref, err = r.Bundle("acme"); err != nil {
						t.Error(err)
					}
				})
				if !slices.ContainsFunc(refs, func(p authz.PolicyRef) bool { return want[p.Generation].Bundles[0].Digest == ref.Digest }) {
					t.Errorf("Bundle gives %s, and in force were %+v", ref.Digest, refs)
				}
			}
		})
	}
	for i := range 150 {
		number := []uint64{two.Number, one.Number}[i%2]
		if _, err := r.Rollback(t.Context(), number, "ann", ""); err != nil {
			if _, err = r.Activate(t.Context(), number, "ann", ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	asking.Wait()
}
