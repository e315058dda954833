package generations_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
)

// changerDir makes the test binary the process that TestKill kills.
const changerDir = "VERDICT_TEST_CHANGER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(changerDir); dir != "" {
		fmt.Fprintln(os.Stderr, changeForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// changeForever pushes, activates and rolls back without an end. It prints what it is
// about to do, and what it was told had happened.
func changeForever(dir string) error {
	var inForce authz.PolicyRef
	k, err := generations.Open(generations.Config{
		Dir: dir, Keep: 2,
		Try:    func(*bundles.Snapshot) error { return nil },
		Use:    func(s *bundles.Snapshot) error { inForce = s.Ref(); return nil },
		Active: func() authz.PolicyRef { return inForce },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return err
	}
	changes := 0
	within := func() (context.Context, string) { // a change that no other process has
		changes++
		id := fmt.Sprintf("change-%d-%d", os.Getpid(), changes)
		return authz.WithChange(context.Background(), id), id
	}
	if err := k.Start(context.Background(), generations.Base{Files: base(1).tree(), Source: authz.SourceBuiltIn}); err != nil {
		return err
	}
	fmt.Println("active", k.Active().Number)
	for version := k.List()[0].Number; ; version++ {
		var packed bytes.Buffer
		if err := bundles.Pack(&packed, acme(int(version)).tree()); err != nil {
			return err
		}
		ctx, id := within()
		g, _, err := k.Push(ctx, generations.Push{Name: "acme", Body: &packed, Source: authz.SourcePush, Author: "ann"})
		if err != nil {
			return err
		}
		fmt.Println("pushed", g.Number, id)
		ctx, id = within()
		fmt.Println("activating", g.Number, id)
		if g, err = k.Activate(ctx, g.Number, "ann", ""); err != nil {
			return err
		}
		fmt.Println("active", g.Number, id)
		if version%3 == 0 {
			ctx, id = within()
			fmt.Println("activating", k.Status().Previous, id)
			if g, err = k.Rollback(ctx, 0, "ann", ""); err != nil {
				return err
			}
			fmt.Println("active", g.Number, id)
		}
	}
}

// said is what the process said before it was killed.
type said struct {
	active, activating, pushed change
	activations                int
}

// change is a generation, and within which change it was made or made active; the
// changes of a start have no id.
type change struct {
	generation uint64
	id         string
}

// TestKill kills a process that pushes, activates and rolls back, again and again
// over the same folder. After each kill a whole generation is active: the last one
// acknowledged, or the one that was being activated. What was acknowledged is found by
// its change, and what was not is found as it is.
func TestKill(t *testing.T) {
	kills := 15
	if os.Getenv("VERDICT_TEST_SOAK") != "" { // make soak
		kills = 60
	}
	dir := t.TempDir()
	var activations, inFlight int
	for kill := range kills {
		last := changeUntilKilled(t, dir)
		activations += last.activations
		r := started(t, dir, keep(2))
		active := r.Active()
		switch active.Number {
		case last.active.generation:
		case last.activating.generation:
			inFlight++
		default:
			t.Fatalf("kill %d: active is %d after %+v", kill, active.Number, last)
		}
		want := map[string]uint64{last.active.id: active.Number, last.activating.id: 0} // :: change -> what it made active
		if active.Number != last.active.generation {
			want = map[string]uint64{last.activating.id: active.Number}
		}
		if last.activating == last.active {
			want = map[string]uint64{last.active.id: active.Number}
		}
		for id, number := range want {
			if _, activated := r.FindChange(id); id != "" && activated != number {
				t.Fatalf("kill %d: change %s activated generation %d, want %d after %+v", kill, id, activated, number, last)
			}
		}
		if made, _ := r.FindChange(last.pushed.id); made != last.pushed.generation {
			t.Fatalf("kill %d: change %s made generation %d, want %d", kill, last.pushed.id, made, last.pushed.generation)
		}
		if active.Digest != r.inForce().Digest {
			t.Fatalf("kill %d: in force is %+v of %+v", kill, r.inForce(), active)
		}
		list := r.List()
		if last.pushed.generation > 0 && !slices.ContainsFunc(list, func(g authz.Generation) bool { return g.Number == last.pushed.generation }) {
			t.Fatalf("kill %d: %d was pushed, and is gone of %d", kill, last.pushed.generation, len(list))
		}
		for _, g := range list {
			if s, err := r.Snapshot(g.Number); err != nil || s.Ref() != g.Ref() {
				t.Fatalf("kill %d: generation %d: %v", kill, g.Number, err)
			}
		}
		r.noFailures()
		if names := broken(t, dir); len(names) > 0 {
			t.Fatalf("kill %d: set aside: %v", kill, names)
		}
	}
	t.Logf("%d activations survived %d kills, %d of them not acknowledged", activations, kills, inFlight)
}

// changeUntilKilled starts the process, kills it at a random moment after its start,
// and returns what it said.
func changeUntilKilled(t *testing.T, dir string) (last said) {
	t.Helper()
	changer := exec.Command(os.Args[0])
	changer.Env = append(os.Environ(), changerDir+"="+dir)
	changer.Stderr = os.Stderr
	stdout, err := changer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := changer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what was cut off was never acknowledged
		}
		if err != nil {
			t.Fatal(err)
		}
		var what string
		var n change
		if _, err := fmt.Sscan(line+" -", &what, &n.generation, &n.id); err != nil {
			t.Fatalf("%q: got error %v; want no error", line, err)
		}
		n.id = strings.TrimPrefix(n.id, "-")
		switch what {
		case "pushed":
			last.pushed = n
		case "activating":
			last.activating = n
		case "active":
			last.active = n
			if last.activations++; last.activations == 1 {
				defer time.AfterFunc(rand.N(80*time.Millisecond), func() {
					if err := changer.Process.Kill(); err != nil {
						t.Error(err)
					}
				}).Stop()
			}
		}
	}
	if err := changer.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process ended by itself: %v", err)
	}
	if last.activations == 0 {
		t.Fatal("the process acknowledged nothing")
	}
	return last
}
