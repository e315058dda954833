package events_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	surface "github.com/verdict-pdp/verdict/server/events"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// inbox records what it received and answers with err.
type inbox struct {
	texts []string
	err   error
}

func (i *inbox) Receive(_ context.Context, text string) error {
	i.texts = append(i.texts, text)
	return i.err
}

// serve runs the handler behind an Echo that treats every caller as one with roles,
// and errors as the server does.
func serve(t *testing.T, h *surface.Handler, roles ...authz.Role) string {
	t.Helper()
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if failed := wire.WriteProblem(c.Response(), c.Request(), err); failed != nil {
			t.Error(failed)
		}
	}
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := &reqctx.Request{ID: "r1", Caller: authz.Caller{ID: "k1", Roles: roles}}
			c.SetRequest(c.Request().WithContext(reqctx.With(c.Request().Context(), r)))
			return next(c)
		}
	})
	h.Mount(e)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL + api.PathEvents
}

const token = "eyJ0eXAi.eyJpc3Mi.c2ln"

// answer is what came back of a push.
type answer struct {
	Status         int
	Type, Language string
	RetryAfter     string
	Body           string
}

func push(t *testing.T, url string, body io.Reader, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	h := response.Header
	return answer{response.StatusCode, h.Get("Content-Type"), h.Get("Content-Language"), h.Get("Retry-After"), string(data)}
}

func typed(value string) http.Header { return http.Header{"Content-Type": {value}} }

func TestPush(t *testing.T) {
	refusal := &authz.EventRefusal{Err: "invalid_issuer", Description: "the issuer is not known"}
	for _, c := range []struct {
		name string
		err  error
		want answer
	}{
		{"taken", nil, answer{Status: http.StatusAccepted}},
		{"refused", refusal, answer{
			Status: http.StatusBadRequest, Type: api.TypeJSON, Language: "en",
			Body: `{"err":"invalid_issuer","description":"the issuer is not known"}`,
		}},
		{"refused, wrapped", errors.Join(errors.New("beside"), refusal), answer{
			Status: http.StatusBadRequest, Type: api.TypeJSON, Language: "en",
			Body: `{"err":"invalid_issuer","description":"the issuer is not known"}`,
		}},
		{"come again", authz.Errorf(authz.CodeUnavailable, "shutting down"), answer{
			Status: http.StatusServiceUnavailable, Type: api.TypeProblem, RetryAfter: "1",
			Body: `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"shutting down","instance":"/v1/events","code":"unavailable","request_id":"r1"}`,
		}},
	} {
		i := &inbox{err: c.err}
		url := serve(t, &surface.Handler{Receiver: i}, authz.RoleTransmit)
		header := typed(api.TypeEvent)
		header.Set("Accept", "application/json")
		if diff := cmp.Diff(c.want, push(t, url, strings.NewReader(token+"\r\n"), header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if diff := cmp.Diff([]string{token}, i.texts); diff != "" {
			t.Errorf("%s: received (-want +got):\n%s", c.name, diff)
		}
	}
}

// A fault of ours shows nothing of its cause.
func TestPushFailsQuietly(t *testing.T) {
	url := serve(t, &surface.Handler{Receiver: &inbox{err: errors.New("reading " + token)}}, authz.RoleTransmit)
	got := push(t, url, strings.NewReader(token), typed(api.TypeEvent))
	if got.Status != http.StatusInternalServerError || strings.Contains(got.Body, token) {
		t.Errorf(`got %+v; want status 500, body without "eyJ0eXAi.eyJpc3Mi.c2ln"`, got)
	}
}

// Nothing but a token of a transmitter is received.
func TestPushIsNotReceived(t *testing.T) {
	large := strings.NewReader(strings.Repeat("a", surface.DefaultBodyLimit+1))
	for _, c := range []struct {
		name   string
		roles  []authz.Role
		body   io.Reader
		header http.Header
		limit  int64
		want   int
	}{
		{"nobody", nil, strings.NewReader(token), typed(api.TypeEvent), 0, http.StatusForbidden},
		{"every other role", []authz.Role{authz.RoleDecide, authz.RoleOperate, authz.RoleAuthor, authz.RoleReview, authz.RoleSimulate, authz.RoleAssertClaims, authz.RoleAssertCertificates}, strings.NewReader(token), typed(api.TypeEvent), 0, http.StatusForbidden},
		{"JSON", []authz.Role{authz.RoleTransmit}, strings.NewReader(token), typed(api.TypeJSON), 0, http.StatusUnsupportedMediaType},
		{"no type", []authz.Role{authz.RoleTransmit}, strings.NewReader(token), http.Header{}, 0, http.StatusUnsupportedMediaType},
		{"compressed", []authz.Role{authz.RoleTransmit}, strings.NewReader(token), http.Header{"Content-Type": {api.TypeEvent}, "Content-Encoding": {"gzip"}}, 0, http.StatusUnsupportedMediaType},
		{"too large", []authz.Role{authz.RoleTransmit}, large, typed(api.TypeEvent), 0, http.StatusRequestEntityTooLarge},
		{"larger than configured", []authz.Role{authz.RoleTransmit}, bytes.NewBufferString(token), typed(api.TypeEvent), int64(len(token) - 1), http.StatusRequestEntityTooLarge},
	} {
		i := &inbox{}
		url := serve(t, &surface.Handler{Receiver: i, BodyLimit: c.limit}, c.roles...)
		if got := push(t, url, c.body, c.header); got.Status != c.want || got.Type != api.TypeProblem || strings.Contains(got.Body, token) {
			t.Errorf(`%s: got %+v; want status %d, Type "application/problem+json", body without "eyJ0eXAi.eyJpc3Mi.c2ln"`, c.name, got, c.want)
		}
		if len(i.texts) > 0 {
			t.Errorf("%s: received %q", c.name, i.texts)
		}
	}
}

// A body of the largest size is received whole.
func TestPushTheLargest(t *testing.T) {
	i := &inbox{}
	url := serve(t, &surface.Handler{Receiver: i}, authz.RoleTransmit)
	largest := strings.Repeat("a", surface.DefaultBodyLimit)
	if got := push(t, url, strings.NewReader(largest), typed("Application/SecEvent+JWT; charset=UTF-8")); got.Status != http.StatusAccepted {
		t.Errorf("got %+v; want status 202", got)
	}
	if len(i.texts) != 1 || i.texts[0] != largest {
		t.Error("not received whole")
	}
}
