package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

func answered(t *testing.T, w *httptest.ResponseRecorder, r *http.Request, err error) api.Problem {
	t.Helper()
	if err := wire.WriteProblem(w, r, err); err != nil {
		t.Fatal(err)
	}
	var problem api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	return problem
}

// A problem about files names each of them; one of ours names nothing.
func TestProblemsAboutFiles(t *testing.T) {
	problems := []authz.Problem{
		{File: "guards/acme/acme.rego", Line: 7, Message: "rego_type_error: undefined ref", Fix: "name a rule that is there"},
		{File: ".manifest", Message: "has no roots"},
	}
	refused := &authz.Error{Code: authz.CodeInvalid, Field: "bundle", Message: "must change", Problems: problems}
	r := httptest.NewRequest(http.MethodPut, "/v1/bundles/acme", nil)
	r = r.WithContext(reqctx.With(r.Context(), &reqctx.Request{ID: "r1"}))

	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", "10000")
	got := answered(t, w, r, fmt.Errorf("pushing: %w", refused))
	want := api.Problem{
		Type: "about:blank", Title: "Bad Request", Status: 400, Detail: "bundle must change", Instance: "/v1/bundles/acme",
		Code: "invalid_request", Field: "bundle", RequestID: "r1",
		Errors: []api.FileError{
			{File: "guards/acme/acme.rego", Line: 7, Message: "rego_type_error: undefined ref", Fix: "name a rule that is there"},
			{File: ".manifest", Message: "has no roots"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w.Header().Get("ETag") != "" || w.Header().Get("Content-Length") != "" {
		t.Errorf("the problem has headers of another answer: %v", w.Header())
	}
	if diff := cmp.Diff(want, wire.ProblemOf(r, refused)); diff != "" {
		t.Error(diff)
	}

	ours := answered(t, httptest.NewRecorder(), r, &authz.Error{Code: authz.CodeInternal, Message: "s3cr3t", Problems: problems})
	if ours.Errors != nil || ours.Status != 500 || strings.Contains(ours.Detail, "s3cr3t") {
		t.Errorf(`got %+v; want Errors nil, Status 500, Detail without "s3cr3t"`, ours)
	}
}

func TestWriteLine(t *testing.T) {
	var text strings.Builder
	for _, v := range []any{map[string]any{"a": "x\ny"}, []int{1}} {
		if err := wire.WriteLine(&text, v); err != nil {
			t.Fatal(err)
		}
	}
	if want := "{\"a\":\"x\\ny\"}\n[1]\n"; text.String() != want {
		t.Errorf("got text %q; want text %q", text.String(), want)
	}
	if err := wire.WriteLine(&text, func() {}); err == nil {
		t.Error("what is no JSON was written")
	}
	broken := errors.New("gone")
	if err := wire.WriteLine(writerFunc(func([]byte) (int, error) { return 0, broken }), 1); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestRequireTypeOfSeveral(t *testing.T) {
	for sent, want := range map[string]authz.ErrorCode{
		"application/gzip":                  "",
		"application/octet-stream":          "",
		"Application/GZIP; charset=utf-8":   "",
		"application/json":                  authz.CodeUnsupportedMedia,
		"application/gzip; charset=latin-1": authz.CodeUnsupportedMedia,
		"":                                  authz.CodeUnsupportedMedia,
	} {
		h := http.Header{"Content-Type": {sent}}
		err := wire.RequireType(h, "application/gzip", "application/octet-stream")
		if authz.CodeOf(err) != want {
			t.Errorf("%q: got error %v; want code %q", sent, err, want)
		}
		if err != nil && sent != "application/gzip; charset=latin-1" && !strings.Contains(err.Error(), "application/gzip or application/octet-stream") {
			t.Errorf("%q: %v does not say what to send", sent, err)
		}
	}
}

func TestReadJSONPart(t *testing.T) {
	tests := map[string]struct {
		part io.Reader
		code authz.ErrorCode
	}{
		"whole":     {strings.NewReader(`{"message":"m"}`), ""},
		"too large": {strings.NewReader(`{"message":"` + strings.Repeat("m", 100) + `"}`), authz.CodeTooLarge},
		"unknown":   {strings.NewReader(`{"massage":"m"}`), authz.CodeInvalid},
		"cut":       {io.MultiReader(strings.NewReader(`{"message":`), errorReader{io.ErrUnexpectedEOF}), authz.CodeInvalid},
		"told":      {errorReader{authz.Errorf(authz.CodeUnavailable, "too slow")}, authz.CodeUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var body api.ActivateRequest
			err := wire.ReadJSONPart(httptest.NewRecorder(), test.part, 50, &body)
			if authz.CodeOf(err) != test.code {
				t.Error(err)
			}
			if err == nil && body.Message != "m" {
				t.Errorf(`got %+v; want an error or Message "m"`, body)
			}
		})
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
