package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	wireapi "github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/api"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// FuzzDecideBody holds that no body whatever makes a 5xx answer or a panic, and
// that a body with a duplicate member is never decided.
func FuzzDecideBody(f *testing.F) {
	for _, seed := range []string{
		question,
		`{"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`,
		`{"action":{"name":"a"},"action":{"name":"b"},"resource":{"type":"service","id":"s"}}`,
		`{"action":{"name":"a"},"\u0061ction":{"name":"b"},"resource":{"type":"service","id":"s"}}`,
		`{"credential":{"claims":{"a":1,"a":2}},"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`,
		`{"context":{"time":"2026-11-22T10:00:00Z"},"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`,
		`{"items":[{},{"context":{"a":{"b":1,"b":1}}}],"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`,
		`[]`, `null`, ``, `{"at_least":1e3}`, "\xff", `{"context":{"a":"\ud800"}}`,
	} {
		f.Add([]byte(seed))
	}
	decided := false
	handler := &api.Handler{
		Decide: func(context.Context, authz.Request) (authz.Decision, error) {
			decided = true
			return authz.Decision{}, nil
		},
		Batch: func(context.Context, authz.Batch) ([]authz.Decision, error) {
			decided = true
			return nil, nil
		},
	}
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		if err := wire.WriteProblem(c.Response(), c.Request(), err); err != nil {
			f.Error(err)
		}
	}
	handler.Mount(e)
	caller := &reqctx.Request{ID: "fuzz", Caller: authz.Caller{ID: "k", Roles: authz.Roles()}}

	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{wireapi.PathDecide, wireapi.PathBatch, wireapi.PathSimulate} {
			decided = false
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Content-Type", wireapi.TypeJSON)
			answer := httptest.NewRecorder()
			e.ServeHTTP(answer, r.WithContext(reqctx.With(r.Context(), caller)))

			if answer.Code >= 500 {
				t.Errorf("%s answered %d: %s", path, answer.Code, answer.Body)
			}
			if decided != (answer.Code == http.StatusOK) {
				t.Errorf("%s decided: %v, answered %d", path, decided, answer.Code)
			}
			if decided && repeatsAMember(body) {
				t.Errorf("%s decided a body with a duplicate member", path)
			}
		}
	})
}

// repeatsAMember is a second opinion, by another JSON reader than the server's.
func repeatsAMember(body []byte) bool {
	repeated := false
	d := json.NewDecoder(bytes.NewReader(body))
	var value func() error
	value = func() error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		delim, ok := token.(json.Delim)
		if !ok {
			return nil
		}
		names := map[string]bool{}
		for d.More() {
			if delim == '{' {
				name, err := d.Token()
				if err != nil {
					return err
				}
				repeated = repeated || names[name.(string)]
				names[name.(string)] = true
			}
			if err := value(); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	}
	if err := value(); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return repeated
}
