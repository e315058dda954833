package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

type body struct {
	Name string `json:"name"`
}

// stage is a table of one row for a test, and what it came to.
type stage struct {
	echo    *echo.Echo
	refused []authz.AuditedChange
	reached bool
}

func staged(row route.Row) *stage {
	s := &stage{echo: echo.New()}
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) {
		if failed := wire.WriteProblem(c.Response(), c.Request(), err); failed != nil {
			panic(failed)
		}
	}
	route.Table{Rows: []route.Row{row}, BodyLimit: 100, Refused: func(_ context.Context, by authz.Author, c authz.AuditedChange, err error) error {
		c.By = by
		s.refused = append(s.refused, c)
		return err
	}}.Mount(s.echo)
	return s
}

// ask sends a request by a caller with roles.
func (s *stage) ask(method, target, content string, roles ...authz.Role) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(content))
	r.Header.Set("Content-Type", api.TypeJSON)
	caller := authz.Caller{ID: "k", Roles: roles}
	r = r.WithContext(reqctx.With(r.Context(), &reqctx.Request{ID: "r-1", Peer: "10.0.0.7:1", Caller: caller}))
	w := httptest.NewRecorder()
	s.echo.ServeHTTP(w, r)
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder) (p api.Problem) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %s: got error %v; want no error", w.Code, w.Body, err)
	}
	return p
}

// A request is looked at in one order: role, query, path, body, handler. What it is
// refused for first is what is told, and is recorded once.
func TestOrder(t *testing.T) {
	var s *stage
	s = staged(route.Row{
		Method: "PUT", Path: "/v1/guards/:name/mode", ID: "set", Change: authz.ChangeMode,
		Of:     func(path func(string) string) authz.AuditedChange { return authz.AuditedChange{Guard: path("name")} },
		Params: []route.Param{{Name: "dry", Kind: route.Flag}},
		Handler: route.Post(func(c *route.Call, b *body) (reply route.Reply[body], err error) {
			if b.Name == "" {
				return reply, authz.Invalid("name", "is required")
			}
			s.reached = true
			if _, by := c.Ask(); b.Name == "late" {
				return reply, authz.Errorf(authz.CodeConflict, "%s comes too late", by.Key)
			}
			return route.Show(*b), nil
		}),
	})
	tests := []struct {
		name, target, content string
		role                  authz.Role
		code, field           string // of the refusal
		guard                 string // recorded
		recorded, reached     bool
	}{
		{"role", "/v1/guards/-/mode?wet=1", "x", authz.RoleAuthor, "forbidden", "", "", true, false},
		{"unknown parameter", "/v1/guards/-/mode?wet=1", "x", authz.RoleOperate, "invalid_request", "wet", "", true, false},
		{"parameter", "/v1/guards/-/mode?dry=1", "x", authz.RoleOperate, "invalid_request", "dry", "", true, false},
		{"path", "/v1/guards/-/mode?dry=true", "x", authz.RoleOperate, "invalid_request", "name", "", true, false},
		{"body", "/v1/guards/edge/mode", `{"nom":"x"}`, authz.RoleOperate, "invalid_request", "nom", "edge", true, false},
		{"size", "/v1/guards/edge/mode", `{"name":"` + strings.Repeat("x", 100) + `"}`, authz.RoleOperate, "too_large", "", "edge", true, false},
		{"handler", "/v1/guards/edge/mode", `{}`, authz.RoleOperate, "invalid_request", "name", "edge", true, false},
		{"after it was asked", "/v1/guards/edge/mode", `{"name":"late"}`, authz.RoleOperate, "conflict", "", "", false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s.refused, s.reached = nil, false
			p := problem(t, s.ask("PUT", test.target, test.content, test.role))
			if p.Code != test.code || p.Field != test.field {
				t.Errorf("refused with %s of %q, want %s of %q", p.Code, p.Field, test.code, test.field)
			}
			if s.reached != test.reached {
				t.Errorf("the change was asked for: %v, want %v", s.reached, test.reached)
			}
			var want []authz.AuditedChange
			if test.recorded {
				by := authz.Author{Key: "k", From: "10.0.0.7", RequestID: "r-1", Roles: []authz.Role{test.role}}
				want = []authz.AuditedChange{{Kind: authz.ChangeMode, Guard: test.guard, By: by}}
			}
			if diff := cmp.Diff(want, s.refused); diff != "" {
				t.Errorf("to be recorded (-) and recorded (+):\n%s", diff)
			}
		})
	}
	s.refused = nil
	if w := s.ask("PUT", "/v1/guards/edge/mode", `{"name":"x"}`, authz.RoleOperate); w.Code != http.StatusOK || w.Body.String() != `{"name":"x"}` || s.refused != nil {
		t.Errorf("%d %s, recorded %v; want the body back, and nothing recorded", w.Code, w.Body, s.refused)
	}
}

// A read that is refused is not recorded.
func TestReadsAreNotRecorded(t *testing.T) {
	s := staged(route.Row{Method: "GET", Path: "/v1/status", ID: "status", Roles: []authz.Role{authz.RoleReview}, Handler: route.Get(func(*route.Call) (reply route.Reply[body], err error) {
		return reply, errors.New("never reached")
	})})
	if p := problem(t, s.ask("GET", "/v1/status", "", authz.RoleDecide)); p.Code != "forbidden" || s.refused != nil {
		t.Errorf("%s, recorded %v; want forbidden, and nothing recorded", p.Code, s.refused)
	}
}

func TestParameters(t *testing.T) {
	type values struct {
		Text   string
		Texts  []string
		Number uint64
		Flag   bool
		Moment time.Time
		ID     string
		Given  bool
	}
	s := staged(route.Row{
		Method: "GET", Path: "/v1/things/:id", ID: "things",
		Params: []route.Param{
			{Name: "text", Enum: []string{"a", "b"}}, {Name: "many", Kind: route.Many}, {Name: "number", Kind: route.Number, Low: 2, High: 5, Default: 3},
			{Name: "flag", Kind: route.Flag}, {Name: "moment", Kind: route.Moment}, {Name: "id", Kind: route.ID}, {Name: "loose", Kind: route.Number, Loose: true}, {Name: "X-Header", In: route.InHeader},
		},
		Handler: route.Get(func(c *route.Call) (route.Reply[values], error) {
			return route.Show(values{c.Text("text"), c.Texts("many"), c.Number("number"), c.Flag("flag"), c.Moment("moment"), c.ID("id"), c.Given("text")}), nil
		}),
	})
	for query, want := range map[string]string{
		"": `{"Text":"","Texts":[],"Number":3,"Flag":false,"Moment":"0001-01-01T00:00:00Z","ID":"x","Given":false}`,
		"?text=a&many=1&many=&number=5&flag=true&moment=2026-11-22T11:00:00%2B01:00&id=other&loose=many": `{"Text":"a","Texts":["1",""],"Number":5,"Flag":true,"Moment":"2026-11-22T10:00:00Z","ID":"x","Given":true}`,
	} {
		if w := s.ask("GET", "/v1/things/x"+query, ""); w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%q: %d %s, want %s", query, w.Code, w.Body, want)
		}
	}
	for query, field := range map[string]string{
		"text=c": "text", "text=": "text", "text=a&text=b": "text", "number=1": "number", "number=6": "number", "number=x": "number", "flag=1": "flag",
		"moment=now": "moment", "id=-": "id", "loose=": "loose", "X-Header=1": "X-Header", "tekst=a": "tekst",
	} {
		if p := problem(t, s.ask("GET", "/v1/things/x?"+query, "")); p.Code != "invalid_request" || p.Field != field {
			t.Errorf("%q: %s of %q, want invalid_request of %q", query, p.Code, p.Field, field)
		}
	}
	if p := problem(t, s.ask("GET", "/v1/things/x?text=%zz", "")); p.Code != "invalid_request" {
		t.Errorf("a query string that is not well formed: %s, want invalid_request", p.Code)
	}
}

func TestReply(t *testing.T) {
	tests := map[string]struct {
		handler route.Handler
		status  int
		header  map[string]string
		body    string
	}{
		"body": {route.Get(func(*route.Call) (route.Reply[body], error) { return route.Show(body{"x"}), nil }), 200, map[string]string{"Content-Type": api.TypeJSON, "ETag": ""}, `{"name":"x"}`},
		"none": {route.Get(func(*route.Call) (route.Reply[route.None], error) { return route.Reply[route.None]{Revision: 7}, nil }), 204, map[string]string{api.HeaderRevision: "7"}, ""},
		"created": {route.Get(func(*route.Call) (route.Reply[body], error) {
			return route.Reply[body]{Status: 201, Body: body{"x"}, Location: "/x", ETag: `"7"`}, nil
		}), 201, map[string]string{"Location": "/x", "ETag": `"7"`}, `{"name":"x"}`},
		"unchanged": {route.Get(func(*route.Call) (route.Reply[body], error) {
			return route.Reply[body]{Status: 304, Body: body{"x"}, ETag: `"7"`}, nil
		}), 304, map[string]string{"ETag": `"7"`}, ""},
		"no content": {route.Get(func(*route.Call) (route.Reply[body], error) { return route.Reply[body]{HeadersOnly: true}, nil }), 200, map[string]string{"Content-Type": api.TypeJSON}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := staged(route.Row{Method: "GET", Path: "/v1/x", ID: "x", Handler: test.handler}).ask("GET", "/v1/x", "")
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, test.status, test.body)
			}
			for header, want := range test.header {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

// Types of handlers are what the document is made of.
func TestHandlersTellTheirTypes(t *testing.T) {
	post := route.Post(func(*route.Call, *body) (reply route.Reply[[]body], err error) { return reply, nil })
	if got := post.Body().String() + " " + post.Reply().String(); got != "*route_test.body []route_test.body" {
		t.Errorf("the types are %s", got)
	}
	if none := route.Get(func(*route.Call) (reply route.Reply[route.None], err error) { return reply, nil }); none.Body() != nil || none.Reply() != nil {
		t.Errorf("the types are %v and %v, want none", none.Body(), none.Reply())
	}
}
