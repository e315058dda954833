package pdptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/token"
)

// Clock is a clock that stands still until a test moves it.
type Clock struct {
	mu     sync.Mutex
	now    time.Time // guarded by mu
	timers []timer   // guarded by mu; those that have not fired
}

type timer struct {
	at    time.Time
	fired chan time.Time
}

// Now reads the clock.
func (c *Clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

// Set moves the clock.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
	c.timers = slices.DeleteFunc(c.timers, func(waiting timer) bool {
		if waiting.at.After(t) {
			return false
		}
		waiting.fired <- t
		return true
	})
}

// After is time.After on this clock.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	fired := make(chan time.Time, 1)
	if d <= 0 {
		fired <- c.now
		return fired
	}
	c.timers = append(c.timers, timer{c.now.Add(d), fired})
	return fired
}

// Settings are what a test may want otherwise. The zero Settings start an empty
// Verdict with the base policies in a directory of its own.
type Settings struct {
	Demo     bool
	Dir      string    // data directory; empty means one of the test's own
	At       time.Time // what the clock shows at first; zero means now
	Policies fs.FS
	Change   func(*config.Config)
	// TLS serves decisions over TLS; the clients of the PDP trust its certificate.
	TLS bool
	// Log takes everything the daemon logs; nil means the test's log.
	Log io.Writer
}

// PDP is a running Verdict.
type PDP struct {
	*daemon.Daemon
	T     testing.TB
	Dir   string
	Clock *Clock

	operator, pep string // API keys
	asserting     string // an API key that may assert certificates, once made
	client        *http.Client
	serverCA      *CA // nil without TLS
	signer        *token.Signer
	stop          context.CancelFunc
	ended         chan error
}

// Start runs a Verdict until the test ends.
func Start(t testing.TB, s Settings) *PDP {
	t.Helper()
	p := &PDP{T: t, Dir: s.Dir, Clock: &Clock{now: s.At}, ended: make(chan error, 1)}
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	day := demo.Day // with a clock of the test's, the data has the dates it is written with
	if s.At.IsZero() {
		p.Clock.now = time.Now()
		day = p.Clock.now
	}
	if s.Log == nil {
		s.Log = t.Output()
	}
	c := config.Default()
	c.Data, c.Demo = p.Dir, s.Demo
	c.Engine.Timeout = 5 * time.Second // the race detector and a busy machine are slow
	p.client = http.DefaultClient
	if s.TLS {
		c.TLS = p.makeTLS()
		p.client = p.Over(nil)
	}
	if s.Change != nil {
		s.Change(&c)
	}
	d, err := daemon.Open(t.Context(), daemon.Config{
		Config:            c,
		Logger:            slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version:           "test",
		Now:               p.Clock.Now,
		After:             p.Clock.After,
		DemoDay:           day,
		PolicyFiles:       s.Policies,
		DecisionsListener: listen(t),
		AdminListener:     listen(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Daemon = d
	p.operator, p.pep = readKey(t, p.Dir, "operator"), readKey(t, p.Dir, "pep")

	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.ended <- d.Run(ctx) }()
	t.Cleanup(p.Stop)
	return p
}

// Stop ends the Verdict as an interrupt would and waits for it. Stopping twice
// is allowed.
func (p *PDP) Stop() {
	p.T.Helper()
	if p.stop == nil {
		return
	}
	p.stop()
	p.stop = nil
	if err := <-p.ended; err != nil {
		p.T.Errorf("the daemon ended with %v", err)
	}
	if err := p.Close(); err != nil {
		p.T.Errorf("closing: %v", err)
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readKey(t testing.TB, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "keys", name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Operator and PEP are the API keys of the two listeners.
func (p *PDP) Operator() string { return p.operator }

// PEP is the API key that may ask for decisions.
func (p *PDP) PEP() string { return p.pep }

// Signer signs as the demo issuer does.
func (p *PDP) Signer() *token.Signer {
	p.T.Helper()
	if p.signer == nil {
		text, err := os.ReadFile(demo.KeyFile(p.Dir))
		if err != nil {
			p.T.Fatal(err)
		}
		if p.signer, err = token.ParseSigner(text); err != nil {
			p.T.Fatal(err)
		}
	}
	return p.signer
}

// Claims are those of a fresh token of the demo issuer, for a test to change.
func (p *PDP) Claims(subject string) map[string]any {
	now := p.Clock.Now()
	return map[string]any{
		"iss": demo.IssuerURL, "aud": []string{demo.Audience}, "sub": subject, "client_id": subject,
		"env": "prod", "jti": rid(), "iat": now.Add(-30 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

var serial struct {
	sync.Mutex
	n int
}

// rid is an id no other token of the process has.
func rid() string {
	serial.Lock()
	defer serial.Unlock()
	serial.n++
	return "jti-" + strconv.Itoa(serial.n)
}

// Token is a fresh token of the demo issuer for subject.
func (p *PDP) Token(subject string) string { return p.Sign(p.Claims(subject)) }

// Sign signs claims as the demo issuer does.
func (p *PDP) Sign(claims map[string]any) string {
	p.T.Helper()
	text, err := p.Signer().Sign(nil, claims)
	if err != nil {
		p.T.Fatal(err)
	}
	return text
}

// Answer is one HTTP answer, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call makes one HTTP request with an API key and reads the answer.
func (p *PDP) Call(method, url, key string, body []byte, headers ...string) Answer {
	p.T.Helper()
	return p.CallOver(p.client, method, url, key, body, headers...)
}

// CallOver is Call over another client, see Over.
func (p *PDP) CallOver(client *http.Client, method, url, key string, body []byte, headers ...string) Answer {
	p.T.Helper()
	r, err := http.NewRequestWithContext(p.T.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		p.T.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		p.T.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.T.Fatal(err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: content}
}

// Ask posts a question as the PEP and wants a decision.
func (p *PDP) Ask(question map[string]any) api.Decision {
	p.T.Helper()
	return p.askAs(p.pep, question)
}

// AskAsserting is Ask with an API key that may also assert certificates.
func (p *PDP) AskAsserting(question map[string]any) api.Decision {
	p.T.Helper()
	return p.askAs(p.Asserting(), question)
}

func (p *PDP) askAs(key string, question map[string]any) api.Decision {
	p.T.Helper()
	answer := p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, key, encode(p.T, question))
	if answer.Status != http.StatusOK {
		p.T.Fatalf("no decision: %d %s", answer.Status, answer.Body)
	}
	var d api.Decision
	Decode(p.T, answer.Body, &d)
	return d
}

// NewKey makes an API key with these roles.
func (p *PDP) NewKey(roles ...authz.Role) string {
	p.T.Helper()
	request := api.KeyRequest{Name: "made by a test"}
	for _, role := range roles {
		request.Roles = append(request.Roles, string(role))
	}
	answer := p.Call(http.MethodPost, p.AdminURL()+api.PathKeys, p.operator, encode(p.T, request))
	if answer.Status != http.StatusCreated {
		p.T.Fatalf("no key: %d %s", answer.Status, answer.Body)
	}
	var key api.Key
	Decode(p.T, answer.Body, &key)
	return key.Key
}

// Asserting is an API key that may ask and assert certificates, the same every
// time.
func (p *PDP) Asserting() string {
	p.T.Helper()
	if p.asserting == "" {
		p.asserting = p.NewKey(authz.RoleDecide, authz.RoleAssertCertificates)
	}
	return p.asserting
}

// NewSecret makes a new generation of a machine user's secret, and an id for it
// when id is empty. It returns the credential and the secret, which is not shown
// again.
func (p *PDP) NewSecret(machineUser, id string) (*authz.Credential, string) {
	p.T.Helper()
	answer := p.Call(http.MethodPost, p.AdminURL()+api.PathSecrets, p.operator, encode(p.T, api.SecretRequest{MachineUser: machineUser, ID: id}))
	if answer.Status != http.StatusCreated {
		p.T.Fatalf("no secret: %d %s", answer.Status, answer.Body)
	}
	var made api.NewSecret[*authz.Credential]
	Decode(p.T, answer.Body, &made)
	return made.Credential, made.Secret
}

// KeepSecret puts the secret in place that authorities want of Verdict.
func (p *PDP) KeepSecret() {
	p.T.Helper()
	dir := filepath.Join(p.Dir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, IntrospectionSecret), []byte(IntrospectionSecret+"\n"), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// IssuerStatus is how an issuer stands, as an operator sees it.
func (p *PDP) IssuerStatus(id string) authz.IssuerStatus {
	p.T.Helper()
	answer := p.Call(http.MethodGet, p.AdminURL()+api.PathV1+string(authz.Issuers)+"/"+id, p.operator, nil)
	var issuer authz.Issuer
	Decode(p.T, answer.Body, &issuer)
	if issuer.Status == nil {
		p.T.Fatalf("no status: %d %s", answer.Status, answer.Body)
	}
	return *issuer.Status
}

// Register writes an issuer and waits until what it publishes has been fetched.
func (p *PDP) Register(issuer *authz.Issuer) {
	p.T.Helper()
	p.Put(issuer)
	fetched := func(s authz.IssuerStatus) bool { return !s.FetchedAt.Before(p.Clock.Now()) }
	if issuer.JWKSURL != "" {
		p.Await("the keys of "+issuer.ID, func() bool { return fetched(p.IssuerStatus(issuer.ID)) })
	}
	for _, list := range issuer.StatusLists {
		p.Await("a status list of "+issuer.ID, func() bool { return fetched(p.IssuerStatus(issuer.ID).StatusLists[list]) })
	}
}

// awaitLimit is for how long Await waits: many times what it takes on a busy machine.
const awaitLimit = 2 * time.Minute

// Await waits until something is so, for what runs on a clock of its own.
func (p *PDP) Await(what string, so func() bool) {
	p.T.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.After(awaitLimit)
	for !so() {
		select {
		case <-look.C:
		case <-late:
			p.T.Fatalf("waited too long for %s", what)
		}
	}
}

// Put writes an entity as the operator and returns the data revision.
func (p *PDP) Put(e authz.Entity) uint64 {
	p.T.Helper()
	e.Normalize()
	return p.PutRaw(e.Collection(), e.Head().ID, encode(p.T, e))
}

// PutRaw writes an entity's JSON as the operator and returns the data revision.
func (p *PDP) PutRaw(c authz.Collection, key string, body []byte) uint64 {
	p.T.Helper()
	return p.write(p.Call(http.MethodPut, p.AdminURL()+api.PathV1+string(c)+"/"+key, p.operator, body))
}

// Delete removes an entity as the operator and returns the data revision.
func (p *PDP) Delete(c authz.Collection, key string) uint64 {
	p.T.Helper()
	return p.write(p.Call(http.MethodDelete, p.AdminURL()+api.PathV1+string(c)+"/"+key, p.operator, nil))
}

func (p *PDP) write(answer Answer) uint64 {
	p.T.Helper()
	if answer.Status >= 300 {
		p.T.Fatalf("not written: %d %s", answer.Status, answer.Body)
	}
	revision, err := strconv.ParseUint(answer.Header.Get(api.HeaderRevision), 10, 64)
	if err != nil {
		p.T.Fatal(err)
	}
	return revision
}

// Codes are the codes of reasons, in order.
func Codes(reasons []api.Reason) []string {
	codes := []string{}
	for _, r := range reasons {
		codes = append(codes, string(r.Code))
	}
	return codes
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Decode reads JSON, or ends the test.
func Decode(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: got error %v; want no error", data, err)
	}
}
