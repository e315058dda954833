package pdptest

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token"
)

// What Verdict is to an Authority that it asks about tokens. IntrospectionSecret is
// also the name of the file that holds the secret.
const (
	IntrospectionClient = "verdict"
	IntrospectionSecret = "at-the-authority"
)

const (
	pathJWKS       = "/jwks"
	pathIntrospect = "/introspect"
	pathList       = "/statuslists/1"
)

// Authority is an issuer that a test holds: a server on a loopback port with a JWK
// Set, an introspection endpoint (RFC 7662) and a status list, and the keys to sign
// with. It is safe for concurrent use.
type Authority struct {
	// ID is what it is registered as, URL the iss of its tokens.
	ID, URL string

	t    testing.TB
	addr string

	mu      sync.Mutex // guards what follows
	server  *httptest.Server
	keys    []*token.Signer           // published, oldest first; the last one signs
	answers map[string]map[string]any // :: opaque token -> what introspection says
	list    string                    // the status list token, "" for none
	held    chan struct{}             // closed to release what hangs; nil while nothing does
	asked   map[string]int            // :: path -> requests so far
}

// NewAuthority starts an authority with one ES256 key.
func NewAuthority(t testing.TB, id string) *Authority {
	t.Helper()
	a := &Authority{ID: id, URL: "https://" + id + ".example", t: t, answers: map[string]map[string]any{}, asked: map[string]int{}}
	a.AddKey("ES256")
	a.Start()
	t.Cleanup(a.Stop)
	return a
}

// Start serves again, at the address it served at before.
func (a *Authority) Start() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		return
	}
	address := a.addr
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.addr = l.Addr().String()
	a.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: a}}
	a.server.Start()
}

// Stop closes the port and every connection. Nothing answers there until Start.
func (a *Authority) Stop() {
	a.Release()
	a.mu.Lock()
	server := a.server
	a.server = nil
	a.mu.Unlock()
	if server != nil {
		server.CloseClientConnections()
		server.Close()
	}
}

// Hang makes it take questions and answer none until Release.
func (a *Authority) Hang() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		a.held = make(chan struct{})
	}
}

// Release ends Hang; what was waiting is answered.
func (a *Authority) Release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held != nil {
		close(a.held)
		a.held = nil
	}
}

// Issuer is the authority as a JWT issuer that publishes its keys.
func (a *Authority) Issuer() *authz.Issuer {
	return &authz.Issuer{
		Header:     authz.Header{ID: a.ID},
		Kind:       authz.IssuerJWT,
		URL:        a.URL,
		JWKSURL:    a.at(pathJWKS),
		Algorithms: []string{"ES256", "RS256"},
		Audiences:  []string{"brightfold"},
	}
}

// Introspected is the authority as an issuer that is asked about its tokens. The
// Verdict it is registered with needs the secret, see PDP.KeepSecret.
func (a *Authority) Introspected() *authz.Issuer {
	return &authz.Issuer{
		Header:    authz.Header{ID: a.ID},
		Kind:      authz.IssuerIntrospection,
		URL:       a.URL,
		Audiences: []string{"brightfold"},
		Introspection: &authz.Introspection{
			URL: a.at(pathIntrospect), ClientID: IntrospectionClient, Secret: IntrospectionSecret,
		},
	}
}

// ListURL is where it publishes its status list.
func (a *Authority) ListURL() string { return a.at(pathList) }

func (a *Authority) at(path string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return "http://" + a.addr + path
}

// AddKey makes a key, publishes it beside the others and signs with it from now on.
// The result is its kid.
func (a *Authority) AddKey(alg string) string {
	a.t.Helper()
	signer, err := token.NewSigner(alg)
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, signer)
	return signer.KeyID()
}

// Withdraw stops publishing a key and signing with it.
func (a *Authority) Withdraw(kid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = slices.DeleteFunc(a.keys, func(s *token.Signer) bool { return s.KeyID() == kid })
}

// KeyID is the kid of the key it signs with.
func (a *Authority) KeyID() string { return a.signer().KeyID() }

func (a *Authority) signer() *token.Signer {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys) == 0 {
		a.t.Fatal("the authority has withdrawn all its keys")
	}
	return a.keys[len(a.keys)-1]
}

// Claims are those of a fresh token for subject, for a test to change.
func (a *Authority) Claims(subject string, now time.Time) map[string]any {
	return map[string]any{
		"iss": a.URL, "aud": []string{"brightfold"}, "sub": subject, "jti": rid(),
		"iat": now.Add(-30 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

// Sign signs claims; header adds to or replaces the header's members.
func (a *Authority) Sign(header, claims map[string]any) string {
	a.t.Helper()
	text, err := a.signer().Sign(header, claims)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// Opaque makes an opaque token that introspection says this of, and active beside
// it. A nil answer is one that is not active.
func (a *Authority) Opaque(answer map[string]any) string {
	text := "at_" + a.ID + "_" + rid()
	a.Answer(text, answer)
	return text
}

// Answer changes what introspection says of a token.
func (a *Authority) Answer(text string, answer map[string]any) {
	said := map[string]any{"active": answer != nil}
	maps.Copy(said, answer)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[text] = said
}

// List publishes a status list of two bits a token (0 valid, 1 invalid, 2
// suspended), made now and good for an hour.
func (a *Authority) List(now time.Time, statuses ...byte) {
	a.t.Helper()
	packed := make([]byte, (len(statuses)+3)/4)
	for i, status := range statuses {
		packed[i/4] |= status << (2 * (i % 4))
	}
	var lst bytes.Buffer
	w := zlib.NewWriter(&lst)
	if _, err := w.Write(packed); err != nil {
		a.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		a.t.Fatal(err)
	}
	text := a.Sign(map[string]any{"typ": "statuslist+jwt"}, map[string]any{
		"iss": a.URL, "sub": a.ListURL(), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "ttl": 600,
		"status_list": map[string]any{"bits": 2, "lst": base64.RawURLEncoding.EncodeToString(lst.Bytes())},
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = text
}

// Questions counts what introspection was asked, KeyFetches how often the keys were
// fetched.
func (a *Authority) Questions() int { return a.count(pathIntrospect) }

// KeyFetches counts how often the keys were fetched.
func (a *Authority) KeyFetches() int { return a.count(pathJWKS) }

func (a *Authority) count(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[path]
}

// ServeHTTP answers as the authority.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked[r.URL.Path]++
	held := a.held
	a.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	switch r.URL.Path {
	case pathJWKS:
		a.serveJSON(w, a.published())
	case pathIntrospect:
		a.introspect(w, r)
	case pathList:
		a.serveList(w)
	default:
		http.NotFound(w, r)
	}
}

// published is the JWK Set.
func (a *Authority) published() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := map[string][]json.RawMessage{"keys": {}}
	for _, key := range a.keys {
		data, err := key.PublicSet()
		var one struct{ Keys []json.RawMessage }
		if err == nil {
			err = json.Unmarshal(data, &one)
		}
		if err != nil {
			a.t.Error(err)
		}
		set["keys"] = append(set["keys"], one.Keys...)
	}
	return set
}

func (a *Authority) introspect(w http.ResponseWriter, r *http.Request) {
	if client, secret, ok := r.BasicAuth(); !ok || client != IntrospectionClient || secret != IntrospectionSecret {
		http.Error(w, "who asks?", http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	answer, ok := a.answers[r.PostFormValue("token")]
	a.mu.Unlock()
	if !ok {
		answer = map[string]any{"active": false}
	}
	a.serveJSON(w, answer)
}

func (a *Authority) serveList(w http.ResponseWriter) {
	a.mu.Lock()
	list := a.list
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/statuslist+jwt")
	if _, err := w.Write([]byte(list)); err != nil {
		a.t.Logf("the status list was not read to its end: %v", err)
	}
}

func (a *Authority) serveJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.t.Logf("an answer was not read to its end: %v", err)
	}
}
