package introspection_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/verdict-pdp/verdict/introspection"
)

// roundTrip is an authority without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(body []byte) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// FuzzAnswer holds what is made of an answer to what encoding/json, which is laxer,
// reads in it: nothing is taken that it refuses, active is what it says, exp too.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		active, `{"active":false}`, `{"active":true,"exp":1793707200}`, `{"active":true,"exp":1e10}`, `{"active":true,"exp":-0.5}`,
		`{"active":true,"exp":null}`, `{"active":null}`, `{"active":false,"active":true}`, `{"Active":true}`, `[]`, `null`, ``, "\xff",
	} {
		f.Add([]byte(seed))
	}
	now := newClock().now()
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		active, passed, err := introspection.ReadAnswer(body)
		if !bytes.Equal(body, given) {
			t.Fatalf("%q was changed to %q", given, body)
		}
		if err != nil {
			if active || passed(now) {
				t.Fatalf("%q is refused and yet says something: %v", body, err)
			}
			return
		}
		var members map[string]any
		if failed := json.Unmarshal(body, &members); failed != nil {
			t.Fatalf("%q was taken: %v", body, failed)
		}
		said, boolean := members["active"].(bool)
		exp, dated := members["exp"].(float64)
		if _, has := members["exp"]; !boolean || has && (!dated || exp < 0 || exp > 1<<53) {
			t.Fatalf("%q was taken", body)
		}
		if active != said || passed(now) != (dated && int64(exp) <= now.Unix()) {
			t.Fatalf("%q is active %v, past %v", body, active, passed(now))
		}
	})
}
