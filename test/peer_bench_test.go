package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/policies"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// BenchmarkPeers asks the same question over keep-alive HTTP from 8 connections
// of three servers in one run: Verdict, whose answer includes verifying a token;
// `opa run --server` of the same version, with the same policies and the same
// data, which is given the verified claims; and an Echo handler that only parses
// and answers the same bodies. Besides req/s it prints the median and p99.
func BenchmarkPeers(b *testing.B) {
	p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	question := invoiceToAna(p.Token("mu:user-svc"))
	body, err := json.Marshal(question)
	if err != nil {
		b.Fatal(err)
	}
	answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, p.PEP(), body)

	b.Run("verdict", func(b *testing.B) {
		load(b, p.DecisionsURL()+api.PathDecide, p.PEP(), body, `"decision":"allow"`)
	})
	b.Run("opa", func(b *testing.B) {
		url := startOPA(b, p)
		load(b, url+"/v1/data/verdict/decision", "", opaInput(b, question), `"allow":true`)
	})
	b.Run("echo", func(b *testing.B) {
		load(b, startEcho(b, answer.Body)+api.PathDecide, "", body, `"decision":"allow"`)
	})
}

// load sends body b.N times over 8 connections and wants the answer to contain want.
func load(b *testing.B, url, key string, body []byte, want string) {
	const connections = 8
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var workers sync.WaitGroup
	b.ResetTimer()
	for range connections {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				began := time.Now()
				if err := post(b.Context(), client, url, key, body, want); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	workers.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

func post(ctx context.Context, client *http.Client, url, key string, body []byte, want string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(said, []byte(want)) {
		return fmt.Errorf("%d %s", response.StatusCode, said)
	}
	return nil
}

func startEcho(b *testing.B, answer []byte) string {
	b.Helper()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.POST(api.PathDecide, func(c echo.Context) error {
		var question api.DecideRequest
		if err := json.NewDecoder(c.Request().Body).Decode(&question); err != nil {
			return err
		}
		var d api.Decision
		if err := json.Unmarshal(answer, &d); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, d)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	e.Listener = l
	ended := make(chan error, 1)
	go func() { ended <- e.Start("") }()
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
		<-ended
	})
	return "http://" + l.Addr().String()
}

// startOPA serves the base policies and everything p holds from OPA.
func startOPA(b *testing.B, p *pdptest.PDP) string {
	b.Helper()
	dir := b.TempDir()
	bundle := filepath.Join(dir, "policies")
	if err := os.CopyFS(bundle, withoutTests{policies.Bundle}); err != nil {
		b.Fatal(err)
	}
	facts := filepath.Join(dir, "facts.json")
	if err := os.WriteFile(facts, marshal(b, document(b, p)), 0o600); err != nil {
		b.Fatal(err)
	}
	return runOPA(b, bundle, facts)
}

// withoutTests hides the tests of a policy set.
type withoutTests struct{ fs.FS }

func (w withoutTests) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), "_test.rego") || e.Name() == "fixtures"
	}), err
}

// opaInput is the input document Verdict would give the policy.
func opaInput(b *testing.B, question map[string]any) []byte {
	b.Helper()
	input := map[string]any{}
	for name, value := range question {
		input[name] = value
	}
	delete(input, "credential")
	input["subject"] = map[string]any{"type": "machine_user", "id": "mu:user-svc", "properties": map[string]any{}}
	input["credential"] = map[string]any{"kind": "jwt"}
	input["trust"] = map[string]any{"level": 3, "freshness": "fresh"}
	input["time"] = sunday.Format(time.RFC3339)
	input["token"] = map[string]any{
		"id": "tok-1", "issuer": "demo", "key_id": "key-1", "subject": "mu:user-svc", "env": "prod", "own": true,
		"audiences": []string{"brightfold"}, "accepted_audiences": []string{"brightfold"},
		"issued_at": sunday.Unix() - 30, "expires_at": sunday.Unix() + 300, "leeway_s": 0,
	}
	data, err := json.Marshal(map[string]any{"input": input})
	if err != nil {
		b.Fatal(err)
	}
	return data
}
