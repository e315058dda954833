package token_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/token"
)

func TestReplayUsesOnce(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	in := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	r := token.NewReplay(start)
	steps := []struct {
		name, scope, id string
		expires, now    time.Time
		rehearsal       bool
		want            token.UseResult
	}{
		{name: "rehearsed", scope: "a", id: "1", expires: in(60), now: in(0), rehearsal: true, want: token.First},
		{name: "rehearsed twice", scope: "a", id: "1", expires: in(60), now: in(0), rehearsal: true, want: token.First},
		{name: "used", scope: "a", id: "1", expires: in(60), now: in(0), want: token.First},
		{name: "used again", scope: "a", id: "1", expires: in(60), now: in(0), want: token.Used},
		{name: "rehearsed after use", scope: "a", id: "1", expires: in(60), now: in(0), rehearsal: true, want: token.Used},
		{name: "with another expiry", scope: "a", id: "1", expires: in(300), now: in(1), want: token.Used},
		{name: "in another scope", scope: "b", id: "1", expires: in(60), now: in(1), want: token.First},
		{name: "the same letters, split elsewhere", scope: "", id: "a1", expires: in(60), now: in(1), want: token.First},
		{name: "at its end", scope: "a", id: "1", expires: in(60), now: in(60), want: token.Used},
		{name: "remembered a bucket longer", scope: "a", id: "1", expires: in(60), now: in(119), want: token.Used},
		{name: "forgotten", scope: "a", id: "1", expires: in(240), now: in(120), want: token.First},
		{name: "expired before it came", scope: "a", id: "3", expires: in(-600), now: in(120), want: token.Used},
	}
	for _, step := range steps {
		var got token.UseResult
		if step.rehearsal {
			got = r.WouldUse(step.scope, step.id, step.expires)
		} else {
			got = r.Use(step.scope, step.id, step.expires, step.now)
		}
		if got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

// What was swept may have been used: a clock that goes back brings nothing to life.
func TestReplayAfterTheClockWentBack(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	r := token.NewReplay(start)
	if got := r.Use("a", "1", start.Add(time.Minute), start); got != token.First {
		t.Fatal(got)
	}
	if got := r.Use("a", "1", start.Add(time.Hour), start.Add(59*time.Minute)); got != token.First {
		t.Fatal(got)
	}
	if got := r.Use("a", "1", start.Add(time.Minute), start); got != token.Used {
		t.Errorf("%v, want used", got)
	}
	if got := r.WouldUse("a", "1", start.Add(time.Minute)); got != token.Used {
		t.Errorf("rehearsal: %v, want used", got)
	}
}

func TestReplayRefusesWhenFull(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	r := token.NewReplay(start)
	accepted, refused := 0, 0
	for i := range token.MaxUsedIDs + token.MaxUsedIDs/20 {
		switch r.Use("a", strconv.Itoa(i), start.Add(time.Minute), start) {
		case token.First:
			accepted++
		case token.Full:
			refused++
		default:
			t.Fatalf("%d was used", i)
		}
	}
	if accepted > token.MaxUsedIDs || accepted < token.MaxUsedIDs*99/100 || refused == 0 {
		t.Errorf("accepted %d, refused %d of at most %d", accepted, refused, token.MaxUsedIDs)
	}
	for i := range 1000 {
		if got := r.Use("a", strconv.Itoa(i), start.Add(time.Minute), start); got != token.Used {
			t.Fatalf("full, and %d was forgotten: %v", i, got)
		}
	}
	if got := r.Use("a", "new", start.Add(5*time.Minute), start.Add(2*time.Minute)); got != token.First {
		t.Errorf("after expiry: %v", got)
	}
}

func TestReplayIsExactUnderConcurrency(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	r := token.NewReplay(start)
	var accepted atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := range 500 {
				if r.Use("a", strconv.Itoa(i), start.Add(time.Minute), start) == token.First {
					accepted.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if accepted.Load() != 500 {
		t.Errorf("%d uses of 500 ids were the first", accepted.Load())
	}
}
