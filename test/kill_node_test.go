package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// verdictBinary builds the program once.
var verdictBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "verdict")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "verdict")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/verdict-pdp/verdict/cmd/verdict").CombinedOutput(); err != nil {
		return "", errors.Join(errors.New(string(out)), err)
	}
	return path, nil
})

// node is one `verdict serve`, a process of its own.
type node struct {
	t                *testing.T
	cmd              *exec.Cmd
	decisions, admin string // URLs
	operator, pep    string // API keys
}

// startNode starts a node on dir and waits until it is ready.
func startNode(t *testing.T, dir string, arguments ...string) *node {
	t.Helper()
	verdict, err := verdictBinary()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, cmd: exec.Command(verdict, append([]string{"serve", "--demo", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "error"}, arguments...)...)}
	n.cmd.Stderr = t.Output()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n.decisions == "" || n.admin == "" {
		if !lines.Scan() {
			t.Fatalf("the node ended before it was ready: %v", n.cmd.Wait())
		}
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && fields[0] == "decisions" {
			n.decisions = fields[1]
		} else if len(fields) == 2 && fields[0] == "admin" {
			n.admin = fields[1]
		}
	}
	go io.Copy(io.Discard, out) // ends with the process
	for name, key := range map[string]*string{"operator": &n.operator, "pep": &n.pep} {
		text, err := os.ReadFile(filepath.Join(dir, "keys", name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		*key = strings.TrimSpace(string(text))
	}
	return n
}

// kill ends the node as `kill -9` does.
func (n *node) kill() {
	n.t.Helper()
	if err := n.cmd.Process.Kill(); err != nil {
		n.t.Fatal(err)
	}
	n.cmd.Wait() // reports the kill
}

// call makes one request; an error means that the node went away.
func (n *node) call(method, url, key, kind string, body []byte, into any) error {
	return n.callAs("", method, url, key, kind, body, into)
}

// callAs is call with a request id. into may be nil.
func (n *node) callAs(id, method, url, key, kind string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if id != "" {
		r.Header.Set(api.HeaderRequestID, id)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, url, answer.StatusCode, content)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(content, into)
}

// acknowledged is what a node said it did before it was killed.
type acknowledged struct {
	mu        sync.Mutex
	decisions []string        // guarded by mu
	pushed    []uint64        // guarded by mu
	active    uint64          // guarded by mu; by the last activation
	maybe     map[uint64]bool // guarded by mu; activations without an answer
}

// TestKilledNode kills a node at any moment while it decides, takes bundles, activates
// and rolls back. It starts again with a whole generation, an intact chain, and every
// decision it had answered.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := &acknowledged{active: 1, maybe: map[uint64]bool{}}
	for round := range 6 {
		n := startNode(t, dir)
		n.check(said)
		ctx, stop := context.WithTimeout(t.Context(), time.Duration(150+170*round)*time.Millisecond)
		var busy sync.WaitGroup
		for range 3 {
			busy.Go(func() { n.decide(ctx, said) })
		}
		busy.Go(func() { n.change(ctx, said, round) })
		<-ctx.Done()
		n.kill()
		stop()
		busy.Wait()
	}
	n := startNode(t, dir)
	n.check(said)
	n.kill()
	t.Logf("%d decisions and %d candidates acknowledged, none missing", len(said.decisions), len(said.pushed))
	if len(said.decisions) == 0 || len(said.pushed) == 0 {
		t.Error("nothing was acknowledged, so that nothing was checked")
	}
}

// decide asks until the node is gone and notes what was answered.
func (n *node) decide(ctx context.Context, said *acknowledged) {
	body := marshal(n.t, map[string]any{
		"credential": map[string]any{"client_id": "mu:user-svc", "client_secret": "vs_wrong"},
		"action":     map[string]any{"name": "email.send"},
		"resource":   map[string]any{"type": "service", "id": "svc:email"},
	})
	for ctx.Err() == nil {
		var d api.Decision
		if n.call(http.MethodPost, n.decisions+api.PathDecide, n.pep, api.TypeJSON, body, &d) != nil {
			continue
		}
		said.mu.Lock()
		said.decisions = append(said.decisions, d.ID)
		said.mu.Unlock()
	}
}

// change pushes, activates and rolls back until the node is gone.
func (n *node) change(ctx context.Context, said *acknowledged, round int) {
	for i := 0; ctx.Err() == nil; i++ {
		var packed bytes.Buffer
		if err := bundles.Pack(&packed, pdptest.Acme(fmt.Sprintf("r%d-%d", round, i), "acme.never")); err != nil {
			n.t.Error(err)
			return
		}
		var g authz.Generation
		if n.call(http.MethodPut, n.admin+api.PathBundles+"/acme", n.operator, "application/gzip", packed.Bytes(), &g) != nil {
			continue
		}
		said.mu.Lock()
		said.pushed = append(said.pushed, g.Number)
		said.mu.Unlock()
		n.activate(said, fmt.Sprintf("%s%s/%d/activate", n.admin, api.PathGenerations, g.Number), g.Number)
		if i%3 == 2 {
			n.activate(said, n.admin+api.PathRollback, 0)
		}
	}
}

// activate makes number active, or 0 whichever was before.
func (n *node) activate(said *acknowledged, url string, number uint64) {
	var g authz.Generation
	err := n.call(http.MethodPost, url, n.operator, api.TypeJSON, []byte("{}"), &g)
	said.mu.Lock()
	defer said.mu.Unlock()
	if err == nil {
		said.active, said.maybe = g.Number, map[uint64]bool{}
		return
	}
	said.maybe[number] = true
}

// check holds a node that has just started to what was acknowledged.
func (n *node) check(said *acknowledged) {
	n.t.Helper()
	must := func(err error) {
		n.t.Helper()
		if err != nil {
			n.t.Fatal(err)
		}
	}
	var chain struct {
		OK       bool     `json:"ok"`
		Problems []string `json:"problems"`
	}
	must(n.call(http.MethodPost, n.admin+api.PathDecisionsVerify, n.operator, "", nil, &chain))
	if !chain.OK {
		n.t.Errorf("the chain does not hold: %q", chain.Problems)
	}
	for _, id := range said.decisions {
		var found any
		if err := n.call(http.MethodGet, n.admin+api.PathDecisions+"/"+id, n.operator, "", nil, &found); err != nil {
			n.t.Errorf("an answered decision is missing: %v", err)
		}
	}
	for _, number := range said.pushed {
		var g authz.Generation
		if err := n.call(http.MethodGet, fmt.Sprintf("%s%s/%d", n.admin, api.PathGenerations, number), n.operator, "", nil, &g); err != nil {
			n.t.Errorf("an acknowledged candidate is missing: %v", err)
		}
	}
	var status authz.PolicyStatus
	must(n.call(http.MethodGet, n.admin+api.PathPolicyStatus, n.operator, "", nil, &status))
	if active := status.Active.Generation; active != said.active && !said.maybe[active] && !said.maybe[0] {
		n.t.Errorf("generation %d is active; %d was acknowledged, and perhaps %v", active, said.active, said.maybe)
	}
	if len(status.Failures) > 0 {
		n.t.Errorf("the start fell back: %+v", status.Failures)
	}
	said.active, said.maybe = status.Active.Generation, map[uint64]bool{}
	var g authz.Generation
	must(n.call(http.MethodGet, fmt.Sprintf("%s%s/%d", n.admin, api.PathGenerations, status.Active.Generation), n.operator, "", nil, &g))
	if g.Digest != status.Active.Digest || g.State != authz.GenerationActive {
		n.t.Errorf("the active generation is %+v, but %+v decides", g, status.Active)
	}
}
