package daemon_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/generations"
)

// guardsBundle is a bundle of guards that deny nothing.
func guardsBundle(t *testing.T, names ...string) *bytes.Buffer {
	t.Helper()
	files := fstest.MapFS{}
	var roots []string
	for _, name := range names {
		roots = append(roots, fmt.Sprintf("%q", "guards/"+name))
		files["guards/"+name+"/guard.rego"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(`package guards.%s

import data.verdict.lib.reasons

# METADATA
# title: Never.
# custom: {code: NEVER_%s, fix: Do another., status: 403}
deny contains reasons.denial(rego.metadata.rule(), {}) if input.action.name == "never"
`, name, strings.ToUpper(name)))}
	}
	files[".manifest"] = &fstest.MapFile{Data: []byte(`{"roots": [` + strings.Join(roots, ", ") + `], "rego_version": 1}`)}
	var packed bytes.Buffer
	if err := bundles.Pack(&packed, files); err != nil {
		t.Fatal(err)
	}
	return &packed
}

// TestOneAnswerIsOfOneGeneration activates two generations in turn, which share no guard
// of their own, while the guards are listed, the status is asked for and decisions are
// made: each answer is wholly of one of them.
func TestOneAnswerIsOfOneGeneration(t *testing.T) {
	c := settings(t, t.TempDir())
	c.Demo = true
	c.Logger = slog.New(slog.DiscardHandler)
	d := open(t, c)
	ctx := t.Context()
	own := map[string]bool{} // :: the guards of one generation -> true
	digests := map[uint64]string{}
	var numbers []uint64
	for _, names := range [][]string{{"alpha", "beta"}, {"gamma"}} {
		g, _, err := d.Policies().Push(ctx, generations.Push{Name: "extra", Body: guardsBundle(t, names...), Source: authz.SourcePush, Author: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Policies().Activate(ctx, g.Number, "test", ""); err != nil {
			t.Fatal(err)
		}
		own[strings.Join(names, " ")] = true
		digests[g.Number] = g.Digest
		numbers = append(numbers, g.Number)
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
				if got := ownGuards(t, d); !own[got] {
					t.Errorf("the guards beside those of the base are %q, want those of one of %v", got, own)
				}
				if got := d.Status().Active; digests[got.Generation] != got.Digest {
					t.Errorf("the status names %+v, want one of %v", got, digests)
				}
				decision, err := d.Decide(ctx, authz.Request{
					Caller: authz.Caller{ID: "pep", Roles: []authz.Role{authz.RoleDecide}}, Evidence: authz.Evidence{Token: "none"},
					Action: authz.Action{Name: "email.send"}, Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"},
				})
				if got := decision.Policy; err != nil || digests[got.Generation] != got.Digest {
					t.Errorf("a decision is of %+v: %v; want one of %v", got, err, digests)
				}
			}
		})
	}
	for i := range 100 {
		if _, err := d.Policies().Rollback(ctx, numbers[i%2], "test", ""); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	asking.Wait()
}

// ownGuards are the guards listed that are none of the base.
func ownGuards(t *testing.T, d *daemon.Daemon) string {
	guards, err := d.Guards(t.Context())
	if err != nil {
		t.Error(err)
	}
	var names []string
	for _, g := range guards {
		switch g.Name {
		case "alpha", "beta", "gamma":
			names = append(names, g.Name)
		}
	}
	return strings.Join(names, " ")
}
