package test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestSwapUnderLoad activates again and again, a hundred times without the race detector,
// while questions are asked at a thousand a second. No question fails, and every answer is
// of the one generation it names: the mark that the generation's own guard leaves is that
// generation's (invariant 4 of docs/design.md section 8).
func TestSwapUnderLoad(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	marks := map[uint64]string{}
	var numbers []uint64
	for _, mark := range []string{"left", "right"} {
		g := p.Push("acme", pdptest.Acme(mark, "acme.never"))
		marks[g.Number] = mark
		numbers = append(numbers, g.Number)
	}
	p.Activate(numbers[0])

	question := invoiceToAna(p.Token("mu:user-svc"))
	load := p.StartLoad(time.Millisecond, pdptest.Asker{Name: "user-svc", Question: func() map[string]any { return question }, Check: func(d api.Decision) error {
		if len(d.Advice) != 1 || d.Advice[0]["mark"] != marks[d.Policy.Generation] {
			return fmt.Errorf("generation %d, mark %v", d.Policy.Generation, d.Advice)
		}
		return nil
	}})
	load.Await(20)
	for i := range swaps {
		if g := p.Activate(numbers[(i+1)%2]); g.Number != numbers[(i+1)%2] {
			t.Fatalf("generation %d is active", g.Number)
		}
		load.Await(5)
	}
	tally := load.Stop()
	t.Logf("%d swaps: %s", swaps, tally)
	if len(tally.Failures) > 0 || tally.Denied() > 0 {
		t.Errorf("%d failures, the first %q; denials %v", len(tally.Failures), tally.Failures[:min(1, len(tally.Failures))], tally.Denials)
	}
	if got := p.Activate(numbers[1]); got.Number != numbers[1] {
		t.Error(got)
	}
	if g := p.Rollback(); g.Number != numbers[0] {
		t.Errorf("a rollback ends at generation %d, want %d", g.Number, numbers[0])
	}
}

// BenchmarkSwap asks over HTTP while nothing is swapped, and while another generation
// becomes active every ten milliseconds.
func BenchmarkSwap(b *testing.B) {
	for _, swapping := range []bool{false, true} {
		b.Run(fmt.Sprintf("swapping=%v", swapping), func(b *testing.B) {
			p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
			var numbers []uint64
			for _, mark := range []string{"left", "right"} {
				numbers = append(numbers, p.Push("acme", pdptest.Acme(mark, "acme.never")).Number)
			}
			p.Activate(numbers[0])
			stop, stopped := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				defer func() { stopped <- n }()
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for swapping {
					select {
					case <-tick.C:
						n++
						p.Activate(numbers[n%2])
					case <-stop:
						return
					}
				}
			}()
			load(b, p.DecisionsURL()+api.PathDecide, p.PEP(), marshal(b, invoiceToAna(p.Token("mu:user-svc"))), `"decision":"allow"`)
			close(stop)
			b.ReportMetric(float64(<-stopped), "swaps")
		})
	}
}
