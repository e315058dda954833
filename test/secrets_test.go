package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/store"
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
	t.Parallel()
	var log sink
	lines := filepath.Join(t.TempDir(), "decisions.ndjson")
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: &log, Change: func(c *config.Config) { c.DecisionLog.Lines = lines }})
	good := p.Token("mu:user-svc")
	bad := tampered(p.Token("mu:user-svc"))

	created := p.Call(http.MethodPost, p.AdminURL()+api.PathKeys, p.Operator(), []byte(`{"name":"ci","roles":["decide"]}`))
	var key api.Key
	if err := json.Unmarshal(created.Body, &key); err != nil || created.Status != http.StatusCreated {
		t.Fatalf("got status %d, body %s; want no error, status 201", created.Status, created.Body)
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
	careless := invoiceToAna(good) // an enforcement point that sends what it must not
	careless["context"].(map[string]any)["headers"] = map[string]any{"Authorization": "Bearer " + good, "x": []any{good, p.PEP()}}
	careless["resource"].(map[string]any)["properties"].(map[string]any)["note"] = "the token is " + good
	careless["explain"] = "full"
	hear("careless decision", p.Call(http.MethodPost, p.DecisionsURL()+api.PathDecide, p.PEP(), marshal(t, careless)))
	var decided api.Decision
	if err := json.NewDecoder(strings.NewReader(said["careless decision"])).Decode(&decided); err != nil || decided.Explanation == nil {
		t.Fatalf(`%v: got said["careless decision"] %.300s; want no error, decided.Explanation`, err, said["careless decision"])
	}
	ask("wrong API key", p.PEP()[:len(p.PEP())-2]+"xx", good)
	ask("no API key", "", good)
	for _, path := range []string{
		api.PathMetrics, api.PathExport, api.PathChanges, api.PathKeys, api.PathStatus, "/v1/issuers", "/v1/api_keys", "/v1/issuers/demo",
		api.PathDecisions, api.PathDecisionsExport, api.PathDecisions + "/" + decided.ID + "?explain=full", api.PathGuards, api.PathGenerations, api.PathPolicyStatus,
	} {
		hear(path, p.Call(http.MethodGet, p.AdminURL()+path, p.Operator(), nil))
	}
	p.Await("the careless decision in the file of lines", func() bool {
		text, err := os.ReadFile(lines)
		said["lines of the decision log"] = string(text)
		return err == nil && strings.Contains(string(text), decided.ID)
	})
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

// The secret Verdict authenticates with at the authority of these tests, and the
// file it lies in.
const (
	oursAtAuthority = "our-own-secret-at-the-authority-5d1e"
	oursFile        = "authority-client"
)

// hidden is a Verdict of which nothing secret may be seen, and what was used and
// said so far.
type hidden struct {
	operator
	log     sink
	secrets map[string]string // :: what it is -> the text that must be nowhere
	said    map[string]string // :: where -> what was said there
}

func newHidden(t *testing.T) *hidden {
	t.Helper()
	h := &hidden{secrets: map[string]string{}, said: map[string]string{}}
	h.operator = operator{pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: &h.log, Change: func(c *config.Config) {
		keepExpired(c)
		c.TokenService.Issuer, c.TokenService.Service = "https://verdict.brightfold.example", "svc:ours"
	}})}
	level := 1
	for _, id := range []string{"svc:parcel", "svc:ours"} {
		h.Put(&authz.Service{Header: authz.Header{ID: id}, Tier: 2, Env: "prod", RequiredLevel: authz.RequiredLevel{Internal: &level}})
	}
	h.Put(job())
	h.Put(&authz.Edge{From: jobID, To: "svc:parcel", Actions: []string{"parcel.send"}})
	h.Put(&authz.Edge{From: jobID, To: "svc:ours", Actions: []string{"token.issue"}})
	h.keep("operator's API key", h.Operator())
	h.keep("PEP's API key", h.PEP())
	h.keep("asserting API key", h.Asserting())
	return h
}

// keep names a text that must be nowhere. Short ones would be found by chance.
func (h *hidden) keep(what, text string) {
	h.T.Helper()
	if len(text) < 20 {
		h.T.Fatalf("%s is too short to be looked for: %d bytes", what, len(text))
	}
	h.secrets[what] = text
}

// keepJWT keeps what of a JWT is its own; the header is everybody's.
func (h *hidden) keepJWT(what, text string) {
	h.T.Helper()
	parts := strings.Split(text, ".")
	h.keep(what+", payload", parts[1])
	h.keep(what+", signature", parts[2])
}

// keepPrivate keeps the private part of a key as JWK.
func (h *hidden) keepPrivate(what string, key []byte) {
	h.T.Helper()
	var jwk struct{ D string }
	if err := json.Unmarshal(key, &jwk); err != nil {
		h.T.Fatal(err)
	}
	h.keep(what, jwk.D)
}

// hear remembers an answer.
func (h *hidden) hear(where string, a pdptest.Answer) pdptest.Answer {
	h.said[where] += string(a.Body) + headers(a.Header)
	return a
}

// ask presents a credential rightly and in bodies that are refused, and wants the
// code of the decision, "" for an allow.
func (h *hidden) ask(what string, credential map[string]any, code string) {
	h.T.Helper()
	question := call("parcel.send", "svc:parcel", "")
	question["credential"] = credential
	body := string(marshalFor(h.T, question))
	post := func(where, key, body string) pdptest.Answer {
		return h.hear(what+", "+where, h.Call(http.MethodPost, h.DecisionsURL()+api.PathDecide, key, []byte(body)))
	}
	for where, refused := range map[string]string{
		"cut short":        body[:len(body)-2],
		"with a duplicate": strings.Replace(body, `{"action"`, `{"credential":{},"action"`, 1),
		"misspelt":         strings.Replace(body, `"credential":{`, `"credential":{"secrit":1,`, 1),
		"of another type":  strings.Replace(body, `"credential":{`, `"credential":[{`, 1),
		"with two proofs":  strings.Replace(body, `"credential":{`, `"credential":{"claims":{},`, 1),
	} {
		if a := post(where, h.Asserting(), refused); a.Status < 400 || a.Status > 499 {
			h.T.Errorf("%s %s: got status %d; want status 4xx", what, where, a.Status)
		}
	}
	post("with a wrong API key", h.PEP()[:len(h.PEP())-2]+"xx", body)
	var d api.Decision
	a := post("decided", h.Asserting(), body)
	if err := json.Unmarshal(a.Body, &d); err != nil || strings.Join(pdptest.Codes(d.Reasons), " ") != code {
		h.T.Errorf("%s: %d %s, want %q", what, a.Status, a.Body, code)
	}
}

// admin calls the admin API and remembers what it says.
func (h *hidden) admin(status int, method, path string, body any) []byte {
	h.T.Helper()
	a := h.hear(method+" "+path, h.send(method, path, body))
	if a.Status != status {
		h.T.Errorf("%s %s: got status %d, body %s; want status %d", method, path, a.Status, a.Body, status)
	}
	return a.Body
}

// form posts a form to the token service.
func (h *hidden) form(where string, status int, path string, form url.Values) []byte {
	h.T.Helper()
	a := h.Call(http.MethodPost, h.DecisionsURL()+path, "", []byte(form.Encode()), "Content-Type", api.TypeForm)
	if a.Status != status {
		h.T.Errorf("%s: got status %d, body %s; want status %d", where, a.Status, a.Body, status)
	}
	if path != api.PathToken || status != http.StatusOK { // the one answer that has the token
		h.hear(where, a)
	}
	return a.Body
}

// search wants no secret anywhere in text, those aside that belong there.
func (h *hidden) search(where, text string, belong ...string) {
	h.T.Helper()
	for what, secret := range h.secrets {
		switch found, belongs := strings.Contains(text, secret), slices.Contains(belong, what); {
		case found && !belongs:
			h.T.Errorf("%s is in: %s", what, where)
		case !found && belongs:
			h.T.Errorf("%s is not in %s, where it belongs", what, where)
		}
	}
}

// authority starts an authority that wants our secret, and says of one token that
// it is the job's and of every other that it is not active.
func (h *hidden) authority(opaque string) {
	h.T.Helper()
	var asked sync.Map // whether our secret reached it
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); secret == oursAtAuthority {
			asked.Store("with our secret", true)
		}
		w.Header().Set("Content-Type", api.TypeJSON)
		answer := map[string]any{"active": false}
		if r.PostFormValue("token") == opaque {
			answer = map[string]any{"active": true, "sub": jobID, "exp": sunday.Unix() + 600}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			h.T.Error(err)
		}
	}))
	h.T.Cleanup(func() {
		server.Close()
		if _, ok := asked.Load("with our secret"); !ok {
			h.T.Error("our secret never reached the authority, so nothing was checked")
		}
	})
	dir := filepath.Join(h.Dir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.T.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, oursFile), []byte(oursAtAuthority+"\n"), 0o600); err != nil {
		h.T.Fatal(err)
	}
	h.Put(&authz.Issuer{
		Header: authz.Header{ID: "asked"}, Kind: authz.IssuerIntrospection, URL: "https://asked.example", Own: true,
		Introspection: &authz.Introspection{URL: server.URL + "/introspect", ClientID: "verdict", Secret: oursFile},
	})
	h.keep("our secret at the authority", oursAtAuthority)
	h.keep("our secret at the authority, as sent", base64.StdEncoding.EncodeToString([]byte("verdict:"+oursAtAuthority)))
}

// TestSecretsAppearOnce: each secret is in the answer that made it, and each token
// where it was sent, and nowhere else: not in the log at debug level, in answers,
// problems, reads, the change feed, metrics, exports, backups, or the files of the
// data directory other than those that are there to hold it. Exports and backups
// have hashes of client secrets.
func TestSecretsAppearOnce(t *testing.T) {
	t.Parallel()
	h := newHidden(t)
	h.useEveryProof()
	h.operate()
	export := h.readEverything()
	h.search("the export", string(export))
	hashes := secretHashes(t, export)
	if len(hashes) != 4 {
		t.Errorf("the export has %d hashes of client secrets, want those of 4", len(hashes))
	}
	backup := h.send(http.MethodGet, api.PathBackup, nil).Body
	h.search("the backup", string(backup))
	if !bytes.Contains(backup, []byte("argon2id")) {
		t.Error("the backup has no hash that can be seen, so that no secret would be either")
	}
	h.Stop()
	h.said["log"] = h.log.String()
	for where, text := range h.said {
		h.search(where, text)
		for _, hash := range hashes {
			if strings.Contains(text, hash) {
				t.Errorf("the hash of a secret is in %s", where)
			}
		}
	}
	if !strings.Contains(h.said["log"], "level=DEBUG msg=decision") || !strings.Contains(h.said["GET "+api.PathMetrics], "verdict_decisions_total") {
		t.Error("nothing was said, so nothing was checked")
	}
	h.searchFiles()
	same(t, "hashes after a restore", hashes, secretHashes(t, h.restored(backup)))
	t.Logf("%d secrets and tokens, in %d places and the files of the data directory", len(h.secrets), len(h.said)+2)
}

// useEveryProof presents every kind of credential there is, good and bad.
func (h *hidden) useEveryProof() {
	h.T.Helper()
	// Secrets: one that is used, one that is guessed.
	_, secret := h.NewSecret(jobID, "")
	h.keep("client secret", secret)
	h.keep("client secret, as sent", base64.StdEncoding.EncodeToString([]byte(jobID+":"+secret)))
	guess := "vs_" + strings.Repeat("guess", 9)
	h.keep("guessed secret", guess)
	h.ask("client secret", map[string]any{"client_id": jobID, "client_secret": secret}, "")
	h.ask("guessed secret", map[string]any{"client_id": jobID, "client_secret": guess}, "CREDENTIAL_UNKNOWN")

	// Tokens: JWTs, one bound to a key, and an opaque one.
	prover := pdptest.NewProver(h.T)
	claims := h.Claims(jobID)
	claims["cnf"] = map[string]any{"jkt": prover.Thumbprint()}
	bound, loose := h.Sign(claims), h.Token(jobID)
	proof := prover.Proof(bound, h.Clock.Now())
	forged := tampered(h.Token("mu:user-svc"))
	for what, text := range map[string]string{"token": loose, "bound token": bound, "DPoP proof": proof.JWT, "forged token": forged} {
		h.keepJWT(what, text)
	}
	h.ask("token", map[string]any{"token": loose}, "")
	h.ask("forged token", map[string]any{"token": forged}, "TOKEN_INVALID")
	h.ask("token without its proof", map[string]any{"token": bound}, "TOKEN_BINDING_MISMATCH")
	h.ask("bound token", pdptest.Wire(h.T, authz.Evidence{Token: bound, Proof: proof}), "")
	h.ask("DPoP proof, again", pdptest.Wire(h.T, authz.Evidence{Token: bound, Proof: proof}), "TOKEN_BINDING_MISMATCH")
	const opaque, never = "opaque-token-of-the-job-93ad", "opaque-token-of-nobody-77fe"
	h.keep("opaque token", opaque)
	h.keep("inactive token", never)
	h.authority(opaque)
	h.ask("opaque token", map[string]any{"token": opaque}, "")
	h.ask("inactive token", map[string]any{"token": never}, "TOKEN_INVALID")

	// Keys: an assertion, and the same again.
	client := pdptest.NewClient(h.T, jobID)
	h.Put(client.Credential("cred-key", 1))
	private, err := client.Signer.MarshalPrivate()
	if err != nil {
		h.T.Fatal(err)
	}
	h.keepPrivate("client's private key", private)
	assertion := client.Assertion(h.Clock.Now())
	h.keepJWT("assertion", assertion)
	h.ask("assertion", map[string]any{"client_assertion": assertion}, "")
	h.ask("assertion, again", map[string]any{"client_assertion": assertion}, "TOKEN_INVALID")

	// The token service.
	good := url.Values{"grant_type": {"client_credentials"}, "audience": {"svc:parcel"}, "client_id": {jobID}, "client_secret": {secret}}
	var issued struct {
		AccessToken string `json:"access_token"`
	}
	pdptest.Decode(h.T, h.form("token service", http.StatusOK, api.PathToken, good), &issued)
	h.keepJWT("token of the token service", issued.AccessToken)
	h.ask("token of the token service", map[string]any{"token": issued.AccessToken}, "")
	bad := maps.Clone(good)
	bad["client_secret"] = []string{guess}
	h.form("token service, guess", http.StatusUnauthorized, api.PathToken, bad)
	bad["client_secret"] = []string{secret, guess}
	h.form("token service, twice", http.StatusBadRequest, api.PathToken, bad)
	h.form("token service, no audience", http.StatusBadRequest, api.PathToken, url.Values{"grant_type": {"client_credentials"}, "client_id": {jobID}, "client_secret": {secret}})
	h.form("token service, revoke", http.StatusOK, api.PathRevokeOwn, url.Values{"client_id": {jobID}, "client_secret": {secret}, "token": {issued.AccessToken}})
	h.ask("token of the token service, revoked", map[string]any{"token": issued.AccessToken}, "TOKEN_REVOKED")
	h.hear("introspection of our own", h.Call(http.MethodPost, h.DecisionsURL()+api.PathIntrospect, h.PEP(), []byte(url.Values{"token": {issued.AccessToken}}.Encode()), "Content-Type", api.TypeForm))
	for _, path := range []string{api.PathJWKS, api.PathMetadata} {
		h.hear(path, h.Call(http.MethodGet, h.DecisionsURL()+path, "", nil))
	}

	// Security events.
	transmitter := h.NewKey(authz.RoleTransmit)
	h.keep("transmitter's API key", transmitter)
	event := h.Sign(map[string]any{"iss": "https://nobody.example", "jti": "event", "iat": sunday.Unix(), "events": map[string]any{}})
	h.keepJWT("security event", event)
	for where, body := range map[string]string{"refused": event, "broken": event[:len(event)-3]} {
		if a := h.hear("security event, "+where, h.Call(http.MethodPost, h.DecisionsURL()+api.PathEvents, transmitter, []byte(body), "Content-Type", api.TypeEvent)); a.Status != http.StatusBadRequest {
			h.T.Errorf("security event, %s: %d %s", where, a.Status, a.Body)
		}
	}
}

// operate rotates, revokes and renews, naming tokens by sending them whole.
func (h *hidden) operate() {
	h.T.Helper()
	h.admin(http.StatusCreated, http.MethodPut, "/v1/rotation_sets/pair", &authz.RotationSet{Members: []string{jobID, "mu:courier-2"}, Kind: authz.KindSharedSecret, QuietS: 60})
	second := job()
	second.ID = "mu:courier-2"
	h.Put(second)
	_, old := h.NewSecret(second.ID, "")
	h.keep("secret of the second", old)
	codes := map[string]string{jobID: "", second.ID: "EDGE_NOT_DECLARED"}
	for member, secret := range h.startRotation("pair", authz.AdvanceManual) {
		h.keep("rotated secret of "+member, secret)
		h.ask("rotated secret of "+member, map[string]any{"client_id": member, "client_secret": secret}, codes[member])
	}
	status := api.PathRotationSets + "pair/"
	h.admin(http.StatusOK, http.MethodGet, status+"status", nil)
	h.admin(http.StatusOK, http.MethodPost, status+authz.RotationAdvance, nil)
	h.admin(http.StatusConflict, http.MethodPost, status+authz.RotationAdvance, nil)

	leaked, forged := h.Token(jobID), tampered(h.Token("mu:user-svc"))
	h.keepJWT("leaked token", leaked)
	h.keepJWT("token that does not verify", forged)
	for _, path := range []string{api.PathRevoke, api.PathRenew} {
		named := func(body map[string]any) map[string]any {
			body["by"] = authz.ByToken
			if path == api.PathRenew {
				body["within_s"] = 60
			}
			return body
		}
		h.admin(http.StatusOK, http.MethodPost, path, named(map[string]any{"token": leaked}))
		h.admin(http.StatusBadRequest, http.MethodPost, path, named(map[string]any{"token": forged}))
		h.admin(http.StatusBadRequest, http.MethodPost, path, named(map[string]any{"token": leaked, "of": leaked}))
		h.admin(http.StatusBadRequest, http.MethodPost, path, named(map[string]any{"tokens": leaked}))
		h.admin(http.StatusBadRequest, http.MethodPost, path, named(map[string]any{"of": leaked})) // where an id belongs
	}
	h.ask("leaked token", map[string]any{"token": leaked}, "TOKEN_REVOKED")
	h.admin(http.StatusBadRequest, http.MethodPost, api.PathSecrets, map[string]any{"machine_user": jobID, "secret": old})
}

// readEverything reads all there is to read, and gives the export.
func (h *hidden) readEverything() []byte {
	h.T.Helper()
	for _, c := range authz.AllCollections() {
		if c != authz.APIKeys {
			h.admin(http.StatusOK, http.MethodGet, api.PathV1+string(c)+"?limit=1000", nil)
		}
	}
	for _, path := range []string{
		api.PathChanges + "?limit=1000", api.PathKeys, api.PathStatus, api.PathMetrics, api.PathOpenAPI,
		"/v1/issuers/asked", "/v1/credentials/cred-key", "/v1/credentials/mu:courier.secret.1", "/v1/machine_users/" + jobID, "/v1/rotations/pair",
	} {
		h.admin(http.StatusOK, http.MethodGet, path, nil)
	}
	return h.send(http.MethodGet, api.PathExport, nil).Body
}

// secretHashes are the hashes of client secrets in an export, :: credential -> hash.
func secretHashes(t *testing.T, export []byte) map[string]string {
	t.Helper()
	hashes := map[string]string{}
	for line := range bytes.Lines(export) {
		var l api.Line[json.RawMessage]
		unmarshal(t, line, &l)
		if l.Collection != authz.Credentials {
			continue
		}
		var c authz.Credential
		unmarshal(t, l.Entity, &c)
		if c.SecretHash == "" {
			continue
		}
		if !strings.HasPrefix(c.SecretHash, "$argon2id$") {
			t.Errorf("%s has the hash %q", c.ID, c.SecretHash)
		}
		hashes[c.ID] = c.SecretHash
	}
	return hashes
}

// searchFiles looks through the data directory of the stopped Verdict. The files
// that hold secrets are these, each its own, readable by their owner alone.
func (h *hidden) searchFiles() {
	h.T.Helper()
	holders := map[string][]string{
		"keys/operator.key":             {"operator's API key"},
		"keys/pep.key":                  {"PEP's API key"},
		"demo/issuer.key":               {"demo issuer's private key"},
		"secrets/" + oursFile:           {"our secret at the authority"},
		"token-service/key-000001.json": {"token service's private key"},
	}
	h.keepPrivate("demo issuer's private key", h.file("demo/issuer.key"))
	var ring struct{ Key json.RawMessage }
	pdptest.Decode(h.T, h.file("token-service/key-000001.json"), &ring)
	h.keepPrivate("token service's private key", ring.Key)
	for where, text := range h.said { // again, now that the private keys are known
		h.search(where, text)
	}

	found := map[string][]string{}
	err := filepath.WalkDir(h.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(h.Dir, path)
		if err != nil {
			return err
		}
		h.search(name, string(h.file(name)), holders[name]...)
		info, err := entry.Info()
		if belong := holders[name]; err == nil && belong != nil {
			found[name] = belong
			if info.Mode().Perm() != 0o600 {
				h.T.Errorf("%s has the mode %s", name, info.Mode())
			}
		}
		return err
	})
	if err != nil {
		h.T.Fatal(err)
	}
	if diff := cmp.Diff(holders, found); diff != "" {
		h.T.Errorf("files that hold secrets: %s", diff)
	}
}

func (h *hidden) file(name string) []byte {
	h.T.Helper()
	content, err := os.ReadFile(filepath.Join(h.Dir, name))
	if err != nil {
		h.T.Fatal(err)
	}
	return content
}

// restored makes a second Verdict of a backup, searches its files, and gives its
// export. An operator brings the key files along.
func (h *hidden) restored(backup []byte) []byte {
	h.T.Helper()
	dir := h.T.TempDir()
	if err := store.Restore(daemon.StoreDir(dir), bytes.NewReader(backup)); err != nil {
		h.T.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(filepath.Join(h.Dir, "keys"))); err != nil {
		h.T.Fatal(err)
	}
	second := pdptest.Start(h.T, pdptest.Settings{Dir: dir, At: sunday, Change: keepExpired})
	export := second.Call(http.MethodGet, second.AdminURL()+api.PathExport, second.Operator(), nil).Body
	h.search("the export of what was restored", string(export))
	return export
}
