package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/oauth"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
	"github.com/verdict-pdp/verdict/tokenservice"
)

const (
	clientID = "mu:user-svc"
	secret   = "vs_s3cret:+/%"
	asking   = "grant_type=client_credentials&audience=svc:email"
	asserted = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ.an.assertion"
)

// node serves the room alone, with a real token service over a staged decision.
type node struct {
	t       testing.TB
	echo    *echo.Echo
	service *tokenservice.Service
	decide  authz.DecideFunc // nil allows clientID
	caller  authz.Caller     // who the API key of a request is of

	asked   []authz.Request // but for simulations
	revoked []*authz.Revocation
	failed  bool // a dependency did
}

var allowed = authz.Decision{ID: "01J", Outcome: authz.Allow, Subject: clientID}

func start(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, echo: echo.New()}
	var err error
	n.service, err = tokenservice.New(t.Context(), tokenservice.Config{
		Issuer:  "https://verdict.example",
		Service: "svc:token",

		Lifetime:    5 * time.Minute,
		KeyLifetime: 30 * 24 * time.Hour,

		Dir: t.TempDir(),
		Log: slog.New(slog.DiscardHandler),
		Decide: func(ctx context.Context, r authz.Request) (authz.Decision, error) {
			if !r.Simulated {
				n.asked = append(n.asked, r)
			}
			if n.decide != nil {
				return n.decide(ctx, r)
			}
			return allowed, nil
		},
		Services: func(id string) (bool, error) { return id == "svc:email", nil },
		Publish:  func(context.Context, *authz.Issuer) error { return nil },
		Revoke: func(_ context.Context, r *authz.Revocation) error {
			n.revoked = append(n.revoked, r)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.echo.HTTPErrorHandler = func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		if err := wire.WriteProblem(c.Response(), c.Request(), err); err != nil {
			t.Error(err)
		}
	}
	(&oauth.Handler{Service: n.service}).Mount(n.echo)
	return n
}

// ServeHTTP puts the caller where the server's authentication would.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.echo.ServeHTTP(w, r.WithContext(reqctx.With(r.Context(), &reqctx.Request{ID: "r", Caller: n.caller})))
}

// post sends a form; headers are name, value, name, value.
func (n *node) post(path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = "[::ffff:10.4.2.19]:4711"
	r.Header.Set("Content-Type", api.TypeForm)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	n.ServeHTTP(answer, r)
	return answer
}

func (n *node) get(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	n.ServeHTTP(answer, r)
	return answer
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

type answer struct {
	Token   string   `json:"access_token"`
	Type    string   `json:"token_type"`
	Expires int      `json:"expires_in"`
	Error   string   `json:"error"`
	Said    string   `json:"error_description"`
	Reasons []string `json:"reasons"`
}

func read(t testing.TB, r *httptest.ResponseRecorder) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil {
		t.Fatalf("%d %q: got error %v; want no error", r.Code, r.Body, err)
	}
	return a
}

func TestEveryWayToAuthenticate(t *testing.T) {
	subject := &authz.Subject{Type: "machine_user", ID: clientID}
	bySecret := authz.Evidence{ClientID: clientID, ClientSecret: secret}
	post := "&client_id=" + clientID + "&client_secret=" + url.QueryEscape(secret)
	for name, test := range map[string]struct {
		body     string
		headers  []string
		evidence authz.Evidence
		subject  *authz.Subject
	}{
		"client_secret_basic":                     {asking, []string{"Authorization", basic(clientID, secret)}, bySecret, subject},
		"client_secret_basic, scheme as it likes": {asking, []string{"Authorization", "bASIC" + basic(clientID, secret)[5:]}, bySecret, subject},
		"client_secret_basic with client_id":      {asking + "&client_id=" + clientID, []string{"Authorization", basic(clientID, secret)}, bySecret, subject},
		"client_secret_post":                      {asking + post, nil, bySecret, subject},
		"private_key_jwt":                         {asking + "&" + asserted, nil, authz.Evidence{Assertion: "eyJ.an.assertion"}, nil},
		"private_key_jwt with client_id":          {asking + "&" + asserted + "&client_id=" + clientID, nil, authz.Evidence{ClientID: clientID, Assertion: "eyJ.an.assertion"}, subject},
		"empty parameters are absent":             {asking + post + "&client_assertion=&scope=&subject=&resource=", nil, bySecret, subject},
		"unknown parameters are ignored":          {asking + post + "&colour=red", nil, bySecret, subject},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			response := n.post(api.PathToken, test.body, test.headers...)
			a := read(t, response)
			if response.Code != http.StatusOK || a.Type != "Bearer" || a.Expires < 299 || strings.Count(a.Token, ".") != 2 {
				t.Errorf(`got status %d, body %s; want status 200, a.Type "Bearer", a.Expires at least 299, strings.Count(a.Token, ".") 2`, response.Code, response.Body)
			}
			if h := response.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", h)
			}
			want := []authz.Request{{
				Caller:   authz.Caller{ID: "token-service", Roles: []authz.Role{authz.RoleDecide}},
				Evidence: test.evidence,
				Subject:  test.subject,
				Action:   authz.Action{Name: "token.issue", Properties: map[string]any{"audience": "svc:email"}},
				Resource: authz.Resource{Type: "service", ID: "svc:token"},
				Context:  map[string]any{"source_ip": "10.4.2.19"},
			}}
			if diff := cmp.Diff(want, n.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// certify makes a client certificate.
func certify(t *testing.T) tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

func TestTheCertificateOfTheConnection(t *testing.T) {
	n := start(t)
	server := httptest.NewUnstartedServer(n)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	presented := certify(t)
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{presented}

	ask := func(body string) (int, answer) {
		t.Helper()
		n.asked = nil
		response, err := client.Post(server.URL+api.PathToken, api.TypeForm, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if err := json.Unmarshal(data, &a); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, a
	}

	status, a := ask(asking + "&client_id=" + clientID)
	if status != http.StatusOK || len(n.asked) != 1 {
		t.Fatalf("got status %d, a %+v; want status 200, len(n.asked) 1", status, a)
	}
	want := authz.Evidence{Certificate: &authz.Certificate{Chain: presented.Certificate}}
	if !n.asked[0].Evidence.Equal(want) || n.asked[0].Subject.ID != clientID || n.asked[0].Context["source_ip"] != "127.0.0.1" {
		t.Errorf("asked %+v", n.asked[0])
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(a.Token, ".")[1])
	if err != nil || !strings.Contains(string(payload), `"cnf":{"x5t#S256":"`) {
		t.Errorf("got payload %s, error %v; want no error, payload with `\"cnf\":{\"x5t#S256\":\"`", payload, err)
	}

	if status, a := ask(asking); status != http.StatusUnauthorized || a.Error != "invalid_client" {
		t.Errorf("without client_id: %d %+v", status, a)
	}
	if status, a := ask(asking + "&" + asserted); status != http.StatusOK || n.asked[0].Evidence.Certificate != nil {
		t.Errorf("beside an assertion: %d %+v, asked %+v", status, a, n.asked)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	ok := []string{"Authorization", basic(clientID, secret)}
	post := asking + "&client_id=" + clientID + "&client_secret=x"
	for name, test := range map[string]struct {
		path    string
		body    string
		headers []string
		code    string
		status  int
	}{
		"repeated grant":          {body: asking + "&grant_type=client_credentials", headers: ok, code: "invalid_request"},
		"repeated secret":         {body: post + "&client_secret=x", code: "invalid_request"},
		"repeated unknown":        {body: asking + "&a=1&a=2", headers: ok, code: "invalid_request"},
		"repeated empty":          {body: asking + "&a=&a=", headers: ok, code: "invalid_request"},
		"repeated audience":       {body: asking + "&audience=svc:email", headers: ok, code: "invalid_target"},
		"repeated resource":       {body: "grant_type=client_credentials&resource=svc:email&resource=svc:email", headers: ok, code: "invalid_target"},
		"resource and audience":   {body: asking + "&resource=svc:email", headers: ok, code: "invalid_target"},
		"no audience":             {body: "grant_type=client_credentials", headers: ok, code: "invalid_target"},
		"unknown audience":        {body: "grant_type=client_credentials&audience=svc:none", headers: ok, code: "invalid_target"},
		"no grant":                {body: "audience=svc:email", headers: ok, code: "invalid_request"},
		"another grant":           {body: "grant_type=authorization_code&audience=svc:email", headers: ok, code: "unsupported_grant_type"},
		"a scope":                 {body: asking + "&scope=a", headers: ok, code: "invalid_scope"},
		"a subject of no kind":    {body: asking + "&subject=ana", headers: ok, code: "invalid_request"},
		"basic and post":          {body: post, headers: ok, code: "invalid_request"},
		"basic and assertion":     {body: asking + "&" + asserted, headers: ok, code: "invalid_request"},
		"post and assertion":      {body: post + "&" + asserted, code: "invalid_request"},
		"basic of another client": {body: asking + "&client_id=mu:other", headers: ok, code: "invalid_request"},
		"two headers":             {body: asking, headers: append(ok, ok...), code: "invalid_client", status: 401},
		"a bearer token":          {body: asking, headers: []string{"Authorization", "Bearer x"}, code: "invalid_client", status: 401},
		"basic without colon":     {body: asking, headers: []string{"Authorization", "Basic YQ=="}, code: "invalid_client", status: 401},
		"basic not base64":        {body: asking, headers: []string{"Authorization", "Basic ???"}, code: "invalid_client", status: 401},
		"basic badly escaped":     {body: asking, headers: []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:%zz"))}, code: "invalid_client", status: 401},
		"basic without secret":    {body: asking, headers: []string{"Authorization", basic(clientID, "")}, code: "invalid_client", status: 401},
		"nobody":                  {body: asking, code: "invalid_client", status: 401},
		"client_id alone":         {body: asking + "&client_id=" + clientID, code: "invalid_client", status: 401},
		"secret of nobody":        {body: asking + "&client_secret=x", code: "invalid_request"},
		"client_id is no id":      {body: asking + "&client_id=a%00b&client_secret=x", code: "invalid_request"},
		"assertion of no type":    {body: asking + "&client_assertion=a.b.c", code: "invalid_request"},
		"assertion of a type":     {body: asking + "&client_assertion=a.b.c&client_assertion_type=saml", code: "invalid_request"},
		"type of no assertion":    {body: asking + "&client_assertion_type=saml", code: "invalid_request"},
		"parameters in the URL":   {path: api.PathToken + "?client_secret=x", body: asking, headers: ok, code: "invalid_request"},
		"JSON":                    {body: "{}", headers: append(ok, "Content-Type", "application/json"), code: "invalid_request"},
		"not form-encoded":        {body: asking + "&a=%zz", headers: ok, code: "invalid_request"},
		"semicolons":              {body: asking + ";a=b", headers: ok, code: "invalid_request"},
		"too large":               {body: asking + "&a=" + strings.Repeat("x", 32<<10), headers: ok, code: "invalid_request"},
		"empty":                   {headers: ok, code: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			if test.path == "" {
				test.path = api.PathToken
			}
			if test.status == 0 {
				test.status = http.StatusBadRequest
			}
			response := n.post(test.path, test.body, test.headers...)
			a := read(t, response)
			if response.Code != test.status || a.Error != test.code || a.Said == "" || a.Token != "" {
				t.Errorf(`got status %d, body %s; want status %d, a.Error %q, a.Said other than "", a.Token ""`, response.Code, response.Body, test.status, test.code)
			}
			if (response.Header().Get("WWW-Authenticate") != "") != (test.status == 401) || response.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", response.Header())
			}
			if strings.Contains(response.Body.String(), secret) {
				t.Error("the secret comes back")
			}
		})
	}
}

func TestDenialsOverHTTP(t *testing.T) {
	reason := func(code authz.ReasonCode, status int) authz.DecideFunc {
		return func(context.Context, authz.Request) (authz.Decision, error) {
			return authz.Decision{Reasons: []authz.Reason{{Code: code, Status: status, Message: "Because.", Fix: "Do this."}}}, nil
		}
	}
	for name, test := range map[string]struct {
		decide authz.DecideFunc
		status int
		retry  string
		body   string
	}{
		"unknown":      {reason(authz.CredentialUnknown, 401), 401, "", `{"error":"invalid_client","error_description":"Because. Do this.","reasons":["CREDENTIAL_UNKNOWN"]}`},
		"not declared": {reason("EDGE_NOT_DECLARED", 403), 400, "", `{"error":"unauthorized_client","error_description":"Because. Do this.","reasons":["EDGE_NOT_DECLARED"]}`},
		"too often":    {reason(authz.RateLimited, 429), 429, "10", `{"error":"rate_limited","error_description":"Because. Do this.","reasons":["RATE_LIMITED"]}`},
		"out of reach": {reason(authz.IssuerUnavailable, 503), 503, "1", `{"error":"temporarily_unavailable","error_description":"Because. Do this.","reasons":["ISSUER_UNAVAILABLE"]}`},
		"no decision": {func(context.Context, authz.Request) (authz.Decision, error) {
			return authz.Decision{}, errors.New("the cause is for the log")
		}, 503, "1", `{"error":"temporarily_unavailable","error_description":"This cannot be decided now; try again shortly."}`},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			n.decide = test.decide
			for _, path := range []string{api.PathToken, api.PathRevokeOwn} {
				response := n.post(path, asking+"&token=x", "Authorization", basic(clientID, secret))
				if response.Code != test.status || response.Header().Get("Retry-After") != test.retry {
					t.Errorf(`%s: got status %d, response.Header() %v; want status %d, response.Header().Get("Retry-After") %q`, path, response.Code, response.Header(), test.status, test.retry)
				}
				if diff := cmp.Diff(test.body, response.Body.String()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

func (n *node) issue() string {
	n.t.Helper()
	return read(n.t, n.post(api.PathToken, asking, "Authorization", basic(clientID, secret))).Token
}

func TestRevoke(t *testing.T) {
	n := start(t)
	text := n.issue()
	for name, token := range map[string]string{"unknown": "vs_x", "ours": text} {
		response := n.post(api.PathRevokeOwn, "token_type_hint=access_token&token="+token, "Authorization", basic(clientID, secret))
		if response.Code != http.StatusOK || response.Body.Len() > 0 {
			t.Errorf("%s: got status %d, body %s; want status 200, response.Body.Len() 0", name, response.Code, response.Body)
		}
	}
	if len(n.revoked) != 1 || n.revoked[0].By != authz.ByToken {
		t.Errorf("revoked %+v", n.revoked)
	}
	if response := n.post(api.PathRevokeOwn, "", "Authorization", basic(clientID, secret)); response.Code != http.StatusBadRequest {
		t.Errorf("without token: %d", response.Code)
	}
	if response := n.post(api.PathRevokeOwn, "token="+text); response.Code != http.StatusUnauthorized {
		t.Errorf("nobody: %d", response.Code)
	}
}

func TestIntrospect(t *testing.T) {
	n := start(t)
	text := n.issue()
	if response := n.post(api.PathIntrospect, "token="+text); response.Code != http.StatusForbidden || response.Header().Get("Content-Type") != api.TypeProblem {
		t.Errorf("without a role: %d %s", response.Code, response.Body)
	}
	n.caller = authz.Caller{ID: "pep", Roles: []authz.Role{authz.RoleDecide}}
	response := n.post(api.PathIntrospect, "token="+text)
	var said map[string]any
	if err := json.Unmarshal(response.Body.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	for _, varies := range []string{"exp", "iat", "jti"} {
		if said[varies] == nil {
			t.Errorf("lacks %s", varies)
		}
		delete(said, varies)
	}
	want := map[string]any{"active": true, "client_id": clientID, "sub": clientID, "iss": "https://verdict.example", "aud": []any{"svc:email"}, "token_type": "Bearer"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	if response := n.post(api.PathIntrospect, "token=vs_x"); response.Code != http.StatusOK || response.Body.String() != `{"active":false}` {
		t.Errorf("got status %d, body %s; want status 200, body `{\"active\":false}`", response.Code, response.Body)
	}
	if response := n.post(api.PathIntrospect, "token_type_hint=x"); response.Code != http.StatusBadRequest {
		t.Errorf("without token: %d", response.Code)
	}
	if response := n.post(api.PathIntrospect, "token=a&token=b"); response.Code != http.StatusBadRequest {
		t.Errorf("two tokens: %d", response.Code)
	}
	n.decide = func(context.Context, authz.Request) (authz.Decision, error) {
		return authz.Decision{}, errors.New("closed")
	}
	if response := n.post(api.PathIntrospect, "token="+text); response.Code != http.StatusServiceUnavailable || response.Header().Get("Retry-After") == "" {
		t.Errorf("no decision: %d", response.Code)
	}
}

func TestKeySetIsKeptForAWhile(t *testing.T) {
	n := start(t)
	response := n.get(api.PathJWKS)
	document, _ := n.service.KeySet()
	if response.Code != http.StatusOK || response.Body.String() != string(document) || response.Header().Get("Cache-Control") != "public, max-age=300" || response.Header().Get("Content-Type") != "application/json" {
		t.Errorf(`got status %d, response.Header() %v, body %s; want status 200, body %q, response.Header().Get("Cache-Control") "public, max-age=300", response.Header().Get("Content-Type") "application/json"`, response.Code, response.Header(), response.Body, string(document))
	}
	tag := response.Header().Get("ETag")
	for condition, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"a", ` + tag: 304, "*": 304, `"a"`: 200, strings.Trim(tag, `"`): 200, "": 200,
	} {
		if response := n.get(api.PathJWKS, "If-None-Match", condition); response.Code != status || (status == 304) != (response.Body.Len() == 0) || response.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %s", condition, response.Code, response.Body)
		}
	}
	if err := n.service.RotateNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if response := n.get(api.PathJWKS, "If-None-Match", tag); response.Code != http.StatusOK || response.Body.String() == string(document) {
		t.Errorf("after a rotation: %d", response.Code)
	}
}

func TestMetadata(t *testing.T) {
	n := start(t)
	response := n.get(api.PathMetadata)
	var got map[string]any
	if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	methods := []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"}
	var algorithms []any
	for _, alg := range authz.Algorithms() {
		algorithms = append(algorithms, alg)
	}
	want := map[string]any{
		"issuer":                                                "https://verdict.example",
		"token_endpoint":                                        "https://verdict.example/oauth2/token",
		"jwks_uri":                                              "https://verdict.example/oauth2/jwks",
		"revocation_endpoint":                                   "https://verdict.example/oauth2/revoke",
		"introspection_endpoint":                                "https://verdict.example/oauth2/introspect",
		"response_types_supported":                              []any{},
		"grant_types_supported":                                 []any{"client_credentials"},
		"token_endpoint_auth_methods_supported":                 methods,
		"revocation_endpoint_auth_methods_supported":            methods,
		"introspection_endpoint_auth_methods_supported":         []any{"Bearer"},
		"token_endpoint_auth_signing_alg_values_supported":      algorithms,
		"revocation_endpoint_auth_signing_alg_values_supported": algorithms,
		"tls_client_certificate_bound_access_tokens":            true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"https://verdict.example", "https://verdict.example/oauth2/token"}, oauth.AssertionAudiences(n.service.Issuer())); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyIntrospectionNeedsAKey(t *testing.T) {
	n := start(t)
	public := new(oauth.Handler).PublicPaths()
	for _, route := range n.echo.Routes() {
		if got, want := slices.Contains(public, route.Path), route.Path != api.PathIntrospect; got != want {
			t.Errorf("%s is public: %v, want %v", route.Path, got, want)
		}
	}
	if len(public) != len(n.echo.Routes())-1 {
		t.Errorf("public are %v, want the routes but %s", public, api.PathIntrospect)
	}
}
