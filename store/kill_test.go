package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// writerDir makes the test binary the writer that TestKill kills.
const writerDir = "VERDICT_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeForever applies batches of three entities of three collections from
// several goroutines, and prints the revision of each once it is acknowledged.
// The batch number is in every entity.
func writeForever(dir string) error {
	s, err := store.Open(store.Config{Dir: dir})
	if err != nil {
		return err
	}
	start := s.Revision()
	var out sync.Mutex
	failed := make(chan error)
	for writer := range uint64(4) {
		go func() {
			for n := uint64(0); ; n++ {
				id := fmt.Sprintf("%d-%d-%d", start, writer, n)
				result, err := s.Apply(context.Background(), batch(id))
				if err != nil {
					failed <- err
					return
				}
				out.Lock()
				_, err = fmt.Printf("%d %s\n", result.Revision, id)
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

func batch(id string) []store.Op {
	return []store.Op{
		{Entity: storetest.User("u-"+id, "t")},
		{Entity: &authz.Edge{From: "mu:" + id, To: "svc:a", Actions: []string{"*"}}},
		{Entity: &authz.Entitlement{Holder: "user:u-" + id, Feature: "f"}},
	}
}

// acknowledged is a line the writer printed.
type acknowledged struct {
	revision uint64
	id       string
}

// TestKill kills a process that writes, again and again over the same
// directory. After each kill every acknowledged write must be there, and every
// write there must be whole.
func TestKill(t *testing.T) {
	kills := 20
	if os.Getenv("VERDICT_TEST_SOAK") != "" { // make soak
		kills = 100
	}
	dir := t.TempDir()
	var known int // acknowledged writes ever
	for kill := range kills {
		acks := writeUntilKilled(t, dir)
		known += len(acks)
		checkAfterKill(t, dir, acks, known, kill == kills-1)
		if t.Failed() {
			t.Fatalf("after kill %d", kill+1)
		}
	}
	t.Logf("%d acknowledged writes survived %d kills", known, kills)
}

// writeUntilKilled starts a writer, kills it at a random moment after its first
// acknowledgements, and returns all of them.
func writeUntilKilled(t *testing.T, dir string) []acknowledged {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerDir+"="+dir)
	writer.Stderr = os.Stderr
	stdout, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	var acks []acknowledged
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		ack, ok := parseAck(lines.Text())
		if !ok {
			break // cut off by the kill, so never acknowledged
		}
		if acks = append(acks, ack); len(acks) == 1 {
			defer time.AfterFunc(rand.N(100*time.Millisecond), func() {
				if err := writer.Process.Kill(); err != nil {
					t.Error(err)
				}
			}).Stop()
		}
	}
	if err := writer.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	if len(acks) == 0 {
		t.Fatal("the writer acknowledged nothing")
	}
	return acks
}

func parseAck(line string) (acknowledged, bool) {
	revision, id, ok := strings.Cut(line, " ")
	n, err := strconv.ParseUint(revision, 10, 64)
	return acknowledged{revision: n, id: id}, ok && err == nil && strings.Count(id, "-") == 2
}

func checkAfterKill(t *testing.T, dir string, acks []acknowledged, known int, whole bool) {
	t.Helper()
	s, err := store.Open(store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, ack := range acks {
		for _, op := range batch(ack.id) {
			op.Entity.Normalize()
			got, err := s.Get(op.Entity.Collection(), op.Entity.Head().ID)
			if err != nil {
				t.Errorf("acknowledged at revision %d: %v", ack.revision, err)
				continue
			}
			if got.Head().Revision != ack.revision {
				t.Errorf("%s: revision %d, acknowledged as %d", ack.id, got.Head().Revision, ack.revision)
			}
		}
	}
	// Each write made three entities: no part of one is there alone.
	counts := s.Counts()
	for _, c := range []authz.Collection{authz.Users, authz.Edges, authz.Entitlements} {
		if counts[c] != s.Revision() {
			t.Errorf("%d %s at revision %d", counts[c], c, s.Revision())
		}
	}
	if s.Revision() < uint64(known) {
		t.Errorf("revision %d, but %d writes were acknowledged", s.Revision(), known)
	}
	checkLastWrites(t, s, whole)
}

// checkLastWrites reads the feed, near its end or as a whole, and checks that
// each write has its three entities and no index disagrees.
func checkLastWrites(t *testing.T, s *store.Store, whole bool) {
	t.Helper()
	after := s.Revision() - min(s.Revision(), 200)
	if whole {
		after = 0
	}
	for after < s.Revision() {
		page, err := s.Changes(t.Context(), after, store.MaxChanges)
		if err != nil {
			t.Fatal(err)
		}
		writes := map[uint64]int{}
		for _, change := range page.Changes {
			writes[change.Revision]++
			if change.Entity == nil {
				t.Errorf("revision %d: %s %s is not there", change.Revision, change.Collection, change.ID)
			}
		}
		for revision := after + 1; revision <= page.NextAfter; revision++ {
			if writes[revision] != 3 {
				t.Errorf("revision %d has %d of 3 changes", revision, writes[revision])
			}
		}
		after = page.NextAfter
	}
	if whole {
		listed := countListed(t, s, authz.Query{Collection: authz.Users, Filters: map[string]string{"tenant": "t"}, Limit: authz.MaxPageSize})
		if listed != s.Revision() {
			t.Errorf("the index lists %d users at revision %d", listed, s.Revision())
		}
	}
}

func countListed(t *testing.T, s *store.Store, q authz.Query) (n uint64) {
	t.Helper()
	for {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += uint64(len(page.Items))
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return n
		}
	}
}
