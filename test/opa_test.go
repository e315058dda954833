package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// opaBinary builds OPA's own program, of the version the product is built with, and gives
// its path.
var opaBinary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "-modfile=../tools/go.mod", "opa").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
})

// runOPA starts `opa run --server` with these arguments and returns its URL once it
// is healthy, its bundles being active.
func runOPA(t testing.TB, arguments ...string) string {
	t.Helper()
	opa, err := opaBinary()
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.Command(opa, append([]string{"run", "--server", "--addr", address, "--log-level", "error"}, arguments...)...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait() // reports the kill
	})
	awaitHealth(t, "http://"+address+"/health?bundles")
	return "http://" + address
}

// document is everything p holds, in the shape policies see it.
func document(t testing.TB, p *pdptest.PDP) map[string]map[string]any {
	t.Helper()
	export := p.Call(http.MethodGet, p.AdminURL()+api.PathExport, p.Operator(), nil)
	facts := map[string]map[string]any{}
	for line := range bytes.Lines(export.Body) {
		var l api.Line[map[string]any]
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		c := l.Collection
		if !c.Fact() {
			continue
		}
		if facts[string(l.Collection)] == nil {
			facts[string(l.Collection)] = map[string]any{}
		}
		id := l.Entity["id"].(string)
		first, second, pair := authz.SplitPairKey(id)
		if !pair {
			facts[string(l.Collection)][id] = l.Entity
			continue
		}
		under, ok := facts[string(l.Collection)][first].(map[string]any)
		if !ok {
			under = map[string]any{}
			facts[string(l.Collection)][first] = under
		}
		under[second] = l.Entity
	}
	return facts
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitHealth asks until the server answers; it gives up after half a minute.
func awaitHealth(t testing.TB, url string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := http.Get(url)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-deadline:
			t.Fatalf("%s does not answer: %v", url, err)
		case <-tick.C:
		}
	}
}
