package decisionlog_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// The test binary is the node that TestKillWithinChanges kills when this is set.
const changerDir = "VERDICT_TEST_CHANGER_DIR"

// changeForever announces and settles changes from several goroutines, while decisions
// are recorded and removed beside, and prints what is acknowledged. Every third change
// stays pending.
func changeForever(dir string) error {
	l, err := decisionlog.Open(decisionlog.Config{
		Dir: dir, Input: input, MaxAge: 100 * 365 * 24 * time.Hour, MaxBytes: 40_000,
		MaintainEvery: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ctx := context.Background()
	head := l.Head()
	failed := make(chan error)
	go func() { failed <- l.Run(ctx) }()
	go func() {
		for {
			if err := l.Record(ctx, many(5)); err != nil {
				failed <- err
				return
			}
		}
	}()
	var out sync.Mutex
	acknowledged := func(what, id string) {
		out.Lock()
		defer out.Unlock()
		if _, err := fmt.Printf("%s %s\n", what, id); err != nil {
			failed <- err
		}
	}
	for writer := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("c-%d-%d-%d", head, writer, n)
				if err := l.Announce(ctx, intent(id)); err != nil {
					failed <- err
					return
				}
				acknowledged("announced", id)
				if n%3 == 0 && n < 30 {
					continue
				}
				if err := l.Settle(ctx, outcome(id, authz.ChangeMade)); err != nil {
					failed <- err
					return
				}
				acknowledged("settled", id)
			}
		}()
	}
	return <-failed
}

// TestKillWithinChanges kills a node that makes changes, again and again over the same
// directory. After each kill every acknowledged intent and outcome must be there, what
// is pending must be so, and both chains must be whole.
func TestKillWithinChanges(t *testing.T) {
	kills := 5
	if os.Getenv("VERDICT_TEST_SOAK") != "" { // make soak
		kills = 30
	}
	dir := t.TempDir()
	announced, settled := map[string]bool{}, map[string]bool{}
	for kill := range kills {
		for _, line := range linesUntilKilled(t, 3, changerDir+"="+dir) {
			switch what, id, _ := strings.Cut(line, " "); what {
			case "announced":
				announced[id] = true
			case "settled":
				settled[id] = true
			}
		}
		if checkChangesAfterKill(t, dir, announced, settled); t.Failed() {
			t.Fatalf("after kill %d", kill+1)
		}
	}
	l := open(t, decisionlog.Config{Dir: dir, MaxBytes: 1, MaxAge: 100 * 365 * 24 * time.Hour})
	maintain(t, l)
	if report := verify(t, l); l.Stats().Bytes != 0 || report.ChangesFrom != 1 || report.Changes < uint64(2*len(settled)) {
		t.Errorf("want the changes kept and no decisions: %+v, %d bytes of decisions", report, l.Stats().Bytes)
	}
	t.Logf("%d intents and %d outcomes survived %d kills", len(announced), len(settled), kills)
}

func checkChangesAfterKill(t *testing.T, dir string, announced, settled map[string]bool) {
	t.Helper()
	l := open(t, decisionlog.Config{Dir: dir})
	report := verify(t, l)
	if report.ChangesFrom != 1 {
		t.Errorf("want all changes kept: %+v", report)
	}
	unsettled := map[string]bool{}
	for _, line := range pending(t, l) {
		unsettled[strings.Fields(line)[1]] = true
	}
	for id := range announced {
		c, _, err := l.Change(t.Context(), id)
		switch {
		case err != nil:
			t.Errorf("%s was announced: %v", id, err)
		case settled[id] && c.Outcome != authz.ChangeMade:
			t.Errorf("%s was settled and is %q", id, c.Outcome)
		case unsettled[id] != (c.Outcome == authz.ChangePending):
			t.Errorf("%s is %q, and among those pending: %v", id, c.Outcome, unsettled[id])
		}
	}
	// What the dead node left is settled, so that the next one can go on.
	for id := range unsettled {
		if err := l.Settle(t.Context(), outcome(id, authz.ChangeNotMade)); err != nil {
			t.Errorf("settling %s: %v", id, err)
		}
		delete(announced, id)
	}
	if got := pending(t, l); len(got) != 0 {
		t.Errorf("want nothing pending, got %q", got)
	}
	closed(t, l)
}
