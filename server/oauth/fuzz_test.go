package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// FuzzTokenRequest holds that no body makes a 5xx answer unless what the room depends
// on failed, and none a token without an allow.
func FuzzTokenRequest(f *testing.F) {
	const allow, denies = 0, 1 // and 2 fails
	post := asking + "&client_id=mu:user-svc&client_secret=x"
	for _, body := range []string{
		post, asking + "&" + asserted, asking, asking + "&" + strings.Replace(asserted, ".an.", ".eyJzdWIiOiJtdTp1c2VyLXN2YyJ9.", 1), post + "&subject=user:u-ana", post + "&subject=tenant:", post + "&scope=a",
		post + "&grant_type=x", "resource=svc:email&" + post, post + "&token=eyJ.e.s", "%", "a=%zz", ";", "&&&", "\x00", strings.Repeat("a&", 100),
	} {
		for outcome := range uint8(3) {
			f.Add([]byte(body), "", outcome)
		}
	}
	f.Add([]byte(asking), basic(clientID, secret), uint8(allow))
	f.Add([]byte(asking), "Basic OjpA", uint8(allow))
	f.Add([]byte(asking), "Bearer x", uint8(allow))

	n := start(f)
	f.Fuzz(func(t *testing.T, body []byte, authorization string, outcome uint8) {
		n.asked, n.failed = nil, false
		n.decide = func(context.Context, authz.Request) (authz.Decision, error) {
			switch outcome % 3 {
			case allow:
				return allowed, nil
			case denies:
				return authz.Decision{Reasons: []authz.Reason{{Code: "EDGE_NOT_DECLARED", Status: 403}}}, nil
			}
			n.failed = true
			return authz.Decision{}, errors.New("closed")
		}
		for _, path := range []string{api.PathToken, api.PathRevokeOwn} {
			n.asked, n.failed = nil, false
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Content-Type", api.TypeForm)
			if authorization != "" {
				r.Header["Authorization"] = []string{authorization}
			}
			response := httptest.NewRecorder()
			n.ServeHTTP(response, r)

			if (response.Code >= 500) != n.failed {
				t.Errorf("%s answered %d, a dependency failed: %v: %s", path, response.Code, n.failed, response.Body)
			}
			permitted := len(n.asked) == 1 && outcome%3 == allow
			if response.Code == http.StatusOK && !permitted || strings.Contains(response.Body.String(), "access_token") && (!permitted || path != api.PathToken) {
				t.Errorf("%s answered %d %s, asked %d times", path, response.Code, response.Body, len(n.asked))
			}
			for _, asked := range n.asked {
				if err := asked.Validate(); err != nil {
					t.Errorf("asked what no surface may let through: %v", err)
				}
			}
		}
	})
}
