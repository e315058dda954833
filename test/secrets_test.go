package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// sink collects what a daemon logs. It is safe for concurrent use.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestSecretsStayIn is invariant 6 of docs/design.md section 8: no token, key or
// hash of a key in logs at debug level, answers, errors, metrics or exports.
func TestSecretsStayIn(t *testing.T) {
	var log sink
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: &log})
	good := p.Token("mu:user-svc")
	bad := tampered(p.Token("mu:user-svc"))

	created := p.Call(http.MethodPost, p.AdminURL()+api.PathKeys, p.Operator(), []byte(`{"name":"ci","roles":["decide"]}`))
	var key api.Key
	if err := json.Unmarshal(created.Body, &key); err != nil || created.Status != http.StatusCreated {
		t.Fatalf("%d %s", created.Status, created.Body)
	}
	said := map[string]string{}
	hear := func(where string, a pdptest.Answer) { said[where] = string(a.Body) + headers(a.Header) }

	ask := func(where, apiKey, token string) {
		body := string(marshal(t, invoiceToAna(token)))
		hear(where, p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, apiKey, []byte(body)))
		hear(where+", broken", p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, apiKey, []byte(body[:len(body)-2])))
		hear(where+", twice", p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, apiKey, []byte(strings.Replace(body, `{"action"`, `{"credential":{},"action"`, 1))))
	}
	ask("decision", p.PEP(), good)
	ask("deny", key.Key, bad)
	ask("wrong API key", p.PEP()[:len(p.PEP())-2]+"xx", good)
	ask("no API key", "", good)
	for _, path := range []string{api.PathMetrics, api.PathExport, api.PathChanges, api.PathKeys, api.PathStatus, "/v1/issuers", "/v1/api_keys", "/v1/issuers/demo"} {
		hear(path, p.Call(http.MethodGet, p.AdminURL()+path, p.Operator(), nil))
	}
	p.Stop()
	said["log"] = log.String()
	if !strings.Contains(said["log"], "decision") || !strings.Contains(said[api.PathExport], "mu:user-svc") || !strings.Contains(said[api.PathMetrics], "verdict_decisions_total") {
		t.Fatal("nothing was said, so nothing was checked")
	}

	secrets := map[string]string{
		"operator key": p.Operator(), "PEP key": p.PEP(), "created key": key.Key,
		"hash of the operator key": apikey.Hash(p.Operator()), "hash of the PEP key": apikey.Hash(p.PEP()), "hash of the created key": apikey.Hash(key.Key),
	}
	for name, token := range map[string]string{"token": good, "tampered token": bad} {
		for i, part := range strings.Split(token, ".")[1:] {
			secrets[name+" part "+string(rune('1'+i))] = part
		}
	}
	for where, text := range said {
		for name, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in: %s", name, where)
			}
		}
	}
}

func headers(h http.Header) string {
	var b strings.Builder
	if err := h.Write(&b); err != nil {
		panic(err)
	}
	return b.String()
}
