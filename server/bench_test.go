//go:build unix

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
)

const wholeQuestion = `{
	"credential": {"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3VlciIsInN1YiI6Im11OnVzZXItc3ZjIiwiYXVkIjpbImJyaWdodGZpZWxkIl19.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl"},
	"subject":  {"type": "machine_user", "id": "mu:user-svc"},
	"action":   {"name": "email.send"},
	"resource": {"type": "service", "id": "svc:email", "properties": {"recipient": "u-ana", "message_class": "invoice.issued"}},
	"context":  {"source_ip": "10.4.2.19", "env": "prod"}}`

var allowed = authz.Decision{
	ID: "01J00000000000000000000000", Outcome: authz.Allow,
	Obligations:      []authz.Duty{{"id": "use_address", "address_id": "addr-ana-billing"}},
	Trust:            authz.Trust{Level: 3, Required: 3, Freshness: authz.Fresh},
	Policy:           authz.PolicyRef{Generation: 17, Digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
	DataRevision:     4815,
	CacheableForS:    5,
	IfPDPUnreachable: authz.Deny,
}

// bare is an Echo handler that only parses and answers the same bodies.
func bare() http.Handler {
	answer := allowed
	e := echo.New()
	e.POST(api.PathDecide, func(c echo.Context) error {
		var body api.DecideRequest
		if err := c.Bind(&body); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, answer)
	})
	return e
}

func fast(c *servertest.Config) {
	c.API.Decide = func(context.Context, authz.Request) (authz.Decision, error) { return allowed, nil }
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelInfo}))
	c.Keys.Now = time.Now
}

// BenchmarkDecide asks the whole surface, with a decision that costs nothing,
// beside the bare handler: first without a network, then over loopback with
// eight connections kept open.
func BenchmarkDecide(b *testing.B) {
	node := servertest.Start(b, fast)
	key := "Bearer " + node.Key(authz.RoleDecide)
	handlers := []struct {
		name    string
		handler http.Handler
	}{{"bare", bare()}, {"verdict", node.Server.Handler("decisions")}}
	for _, h := range handlers {
		b.Run("handler/"+h.name, func(b *testing.B) { inProcess(b, h.handler, key) })
	}
	for _, h := range handlers {
		b.Run("http/"+h.name, func(b *testing.B) { overHTTP(b, h.handler, key) })
	}
}

// sink is a response writer that keeps the status only.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func inProcess(b *testing.B, handler http.Handler, key string) {
	body := bytes.NewReader(nil)
	r := httptest.NewRequest(http.MethodPost, api.PathDecide, body)
	r.Header.Set("Content-Type", api.TypeJSON)
	r.Header.Set("Authorization", key)
	r.ContentLength = int64(len(wholeQuestion))
	answer := &sink{header: http.Header{}}
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		body.Reset([]byte(wholeQuestion))
		r.Body = io.NopCloser(body)
		handler.ServeHTTP(answer, r)
		if answer.status != http.StatusOK {
			b.Fatal(answer.status)
		}
	}
}

func overHTTP(b *testing.B, handler http.Handler, key string) {
	listening := httptest.NewServer(handler)
	defer listening.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.SetParallelism(4) // eight clients on two cores
	defer reportCPU(b)()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := decide(client, listening.URL+api.PathDecide, key); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// reportCPU reports the processor time an operation took, the client's too. On
// a machine that does other work it says more than the time on the clock.
func reportCPU(b *testing.B) (done func()) {
	start := processorTime(b)
	return func() {
		b.ReportMetric(float64(processorTime(b)-start)/float64(b.N), "cpu-ns/op")
	}
}

func processorTime(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func decide(client *http.Client, url, key string) error {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(wholeQuestion)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", api.TypeJSON)
	r.Header.Set("Authorization", key)
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	var decision api.Decision
	err = json.NewDecoder(response.Body).Decode(&decision)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	if err == nil && decision.Outcome != api.Allow {
		err = fmt.Errorf("answered %d %+v", response.StatusCode, decision)
	}
	return err
}
