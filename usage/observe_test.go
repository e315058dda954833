package usage_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/usage"
)

// TestWhichDecisionsProveAUse: a rotation goes on when its new credential is in use, and
// nothing that anybody could send may say so.
func TestWhichDecisionsProveAUse(t *testing.T) {
	token := authz.Evidence{Token: "eyJ"}
	claimed := authz.Evidence{Claims: []byte(`{"sub":"mu:a"}`)}
	secret := authz.Evidence{ClientID: "mu:a", ClientSecret: "s"}
	reasons := func(status ...int) (all []authz.Reason) {
		for _, s := range status {
			all = append(all, authz.Reason{Code: "SOME", Status: s})
		}
		return all
	}
	tests := map[string]struct {
		evidence           authz.Evidence
		credential         string
		denied, wouldDeny  []authz.Reason
		from, recordedFrom string
		proves             bool
	}{
		"an allowed token":                           {evidence: token, credential: "c", proves: true},
		"a token denied by a policy":                 {evidence: token, credential: "c", denied: reasons(http.StatusForbidden), proves: true},
		"a token that proves nothing":                {evidence: token, credential: "c", denied: reasons(http.StatusUnauthorized)},
		"one that would prove nothing in force":      {evidence: token, credential: "c", wouldDeny: reasons(http.StatusForbidden, http.StatusUnauthorized)},
		"claims that prove nothing":                  {evidence: claimed, credential: "c", denied: reasons(http.StatusForbidden, http.StatusUnauthorized)},
		"claims":                                     {evidence: claimed, credential: "c", proves: true},
		"a right secret of a credential that is not": {evidence: secret, credential: "c", denied: reasons(http.StatusUnauthorized), proves: true},
		"a token of no credential":                   {evidence: token},
		"from an address":                            {evidence: secret, credential: "c", from: "10.4.2.19", recordedFrom: "10.4.2.19", proves: true},
		"from something else":                        {evidence: secret, credential: "c", from: "<b>", proves: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			r := authz.Request{Evidence: test.evidence}
			if test.from != "" {
				r.Context = map[string]any{"source_ip": test.from}
			}
			s.Observe(t.Context(), r, authz.Decision{Credential: test.credential, Reasons: test.denied, WouldDeny: test.wouldDeny})
			use, seen := s.Last("c")
			if seen != test.proves {
				t.Fatalf("a use was noted: %t, want %t", seen, test.proves)
			}
			if want := (usage.Use{Credential: "c", At: start, From: test.recordedFrom}); seen {
				if diff := cmp.Diff(want, use); diff != "" {
					t.Errorf("the use noted (-want +got):\n%s", diff)
				}
			}
		})
	}
}
