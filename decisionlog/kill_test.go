package decisionlog_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
)

// The test binary is the recorder that TestKill kills when these are set.
const (
	recorderDir        = "VERDICT_TEST_RECORDER_DIR"
	recorderDurability = "VERDICT_TEST_RECORDER_DURABILITY"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(changerDir); dir != "" {
		fmt.Fprintln(os.Stderr, changeForever(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(recorderDir); dir != "" {
		if err := recordForever(dir, authz.Durability(os.Getenv(recorderDurability))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// recordForever records from several goroutines, with retention and sync going on
// beside, and prints the id of each decision once it is acknowledged.
func recordForever(dir string, durability authz.Durability) error {
	l, err := decisionlog.Open(decisionlog.Config{
		Dir: dir, Durability: durability, Input: input, MaxAge: 100 * 365 * 24 * time.Hour, MaxBytes: 4 << 20,
		MaintainEvery: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	start := l.Head()
	var out sync.Mutex
	failed := make(chan error)
	go func() { failed <- l.Run(context.Background()) }()
	for writer := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("d-%d-%d-%d", start, writer, n)
				if err := l.Record(context.Background(), []authz.Entry{entry(id), denied(id + "b")}); err != nil {
					failed <- err
					return
				}
				out.Lock()
				_, err := fmt.Println(id)
				out.Unlock()
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// TestKill kills a process that records, again and again over the same directory.
// After each kill every acknowledged decision must be there, unless retention was
// to remove it, and the chain must be whole.
func TestKill(t *testing.T) {
	kills := 5
	if os.Getenv("VERDICT_TEST_SOAK") != "" { // make soak
		kills = 12
	}
	for _, durability := range []authz.Durability{authz.Spool, authz.Required} {
		t.Run(string(durability), func(t *testing.T) {
			dir := t.TempDir()
			known := 0
			for kill := range kills {
				acks := recordUntilKilled(t, dir, durability)
				known += len(acks)
				if checkAfterKill(t, dir, acks); t.Failed() {
					t.Fatalf("after kill %d", kill+1)
				}
			}
			t.Logf("%d acknowledgements of two decisions each survived %d kills", known, kills)
		})
	}
}

// recordUntilKilled starts a recorder, kills it at a random moment after its first
// acknowledgements, and returns all of them.
func recordUntilKilled(t *testing.T, dir string, durability authz.Durability) []string {
	t.Helper()
	return linesUntilKilled(t, 3, recorderDir+"="+dir, recorderDurability+"="+string(durability))
}

// linesUntilKilled starts this test binary with some variables set, kills it at a
// random moment after its first line, and returns its lines. A whole one has so many
// dashes.
func linesUntilKilled(t *testing.T, dashes int, variables ...string) []string {
	t.Helper()
	recorder := exec.Command(os.Args[0])
	recorder.Env = append(os.Environ(), variables...)
	recorder.Stderr = os.Stderr
	stdout, err := recorder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := recorder.Start(); err != nil {
		t.Fatal(err)
	}
	var acks []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Count(lines.Text(), "-") != dashes {
			break // cut off by the kill, so never acknowledged
		}
		if acks = append(acks, lines.Text()); len(acks) == 1 {
			defer time.AfterFunc(rand.N(200*time.Millisecond), func() {
				if err := recorder.Process.Kill(); err != nil {
					t.Error(err)
				}
			}).Stop()
		}
	}
	if err := recorder.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the recorder ended by itself: %v", err)
	}
	if len(acks) == 0 {
		t.Fatal("the recorder acknowledged nothing")
	}
	return acks
}

func checkAfterKill(t *testing.T, dir string, acks []string) {
	t.Helper()
	l := open(t, decisionlog.Config{Dir: dir})
	report := verify(t, l)
	if report.Lost != 0 {
		t.Errorf("%d records are said to be lost", report.Lost)
	}
	kept := map[string]bool{}
	for _, r := range all(t, l) {
		kept[r.ID] = true
	}
	// Retention removes from the oldest end: whatever is missing must be older than
	// everything kept of its writer.
	missing, lastMissing := 0, map[string]int{}
	for i, id := range acks {
		if kept[id] && kept[id+"b"] {
			continue
		}
		missing++
		lastMissing[writerOf(id)] = i
	}
	for i, id := range acks {
		if last, ok := lastMissing[writerOf(id)]; ok && i < last && kept[id] && kept[id+"b"] {
			t.Errorf("%s is kept and the later %s is not", id, acks[last])
			break
		}
	}
	if report.From == 1 && missing > 0 {
		t.Errorf("%d acknowledged decisions are missing and nothing was removed", missing)
	}
	if len(kept) > 0 && missing == len(acks) {
		t.Error("no acknowledged decision is kept")
	}
	closed(t, l)
}

func writerOf(id string) string { return id[:strings.LastIndex(id, "-")] }
