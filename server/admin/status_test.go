package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/servertest"
)

func TestStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := start(t, func(c *servertest.Config) {
		c.Admin.Now = func() time.Time { return now }
		c.Admin.IssuerStatus = func(*authz.Issuer) authz.IssuerStatus {
			return authz.IssuerStatus{State: authz.Missing, LastError: "refused"}
		}
		c.Admin.Node = admin.Node{
			StartedAt: now.Add(-time.Hour), SchemaVersion: 7,
			Writable: func() error { return errors.New("no room") },
			Log:      func(context.Context) authz.LogStatus { return authz.LogStatus{Records: 3, Queue: 10} },
			Sinks:    func() []authz.SinkStatus { return []authz.SinkStatus{{Name: "lines", LagRecords: 2}} },
			Certificates: func() []authz.CertificateStatus {
				return []authz.CertificateStatus{{Listener: "admin", NotBefore: now.Add(-time.Hour), NotAfter: now}}
			},
		}
	})
	expect(t, o.send("PUT", "/v1/users/a", `{}`), http.StatusCreated, "")
	expect(t, o.send("PUT", "/v1/issuers/partner", `{"url":"https://partner.example","jwks_url":"https://partner.example/jwks","algorithms":["ES256"],"audiences":["a"]}`), http.StatusCreated, "")
	want := `{"problems":[` +
		`{"what":"nothing can be granted or revoked: no room","fix":"Make room on the disk of the data directory; after a failed commit mend the disk and restart."},` +
		`{"what":"the certificate of the listener admin expired at 2026-01-02T03:04:05Z","fix":"Put a new certificate and its key into the files; no restart is needed."},` +
		`{"what":"the keys of issuer partner are missing: refused","fix":"` + "`verdict issuer get partner`" + ` says since when, and what decisions become of it."}],` +
		`"version":"test","role":"single","started_at":"2026-01-02T02:04:05Z","now":"2026-01-02T03:04:05Z",` +
		`"policy":{"generation":3,"digest":"sha256:ab"},"failures":[],"sources":[],` +
		`"data_revision":3,"schema_version":7,"collections":{` + counts(authz.APIKeys, authz.Issuers, authz.Users) + `},` +
		`"issuers":[{"id":"partner","state":"missing","last_error":"refused"}],` +
		`"decision_log":{"records":3,"waiting":0,"queue":10,"lost":0,"refused":0,"bytes":0,"free_bytes":0},` +
		`"sinks":[{"name":"lines","lag_records":2,"lag_s":0}],` +
		`"certificates":[{"listener":"admin","not_before":"2026-01-02T02:04:05Z","not_after":"2026-01-02T03:04:05Z"}]}`
	if diff := gocmp.Diff(want, o.send("GET", api.PathStatus, "").Body); diff != "" {
		t.Errorf("the status (-want +got):\n%s", diff)
	}
}

// counts are the members of a count of every collection, with one entity in some.
func counts(one ...authz.Collection) string {
	var all []string // in the order of their names
	for _, c := range slices.Sorted(slices.Values(authz.AllCollections())) {
		count := 0
		if slices.Contains(one, c) {
			count = 1
		}
		all = append(all, fmt.Sprintf("%q:%d", c, count))
	}
	return strings.Join(all, ",")
}

func TestProblems(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	certificate := func(life, left time.Duration) []authz.CertificateStatus {
		return []authz.CertificateStatus{{Listener: "decisions", NotBefore: now.Add(left - life), NotAfter: now.Add(left)}}
	}
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		change     func(*api.Status)
		unwritable error
		want       []string // what is wrong
	}{
		"well":                   {func(*api.Status) {}, nil, nil},
		"no policy":              {func(s *api.Status) { s.Policy = authz.PolicyRef{} }, nil, []string{"no policy is active: every decision is a deny"}},
		"log":                    {func(s *api.Status) { s.DecisionLog.Error = "its disk is full" }, nil, []string{"decisions cannot be recorded, and those that have to be are not answered: its disk is full"}},
		"queue":                  {func(s *api.Status) { s.DecisionLog.Waiting = 81 }, nil, []string{"81 records wait to be written, of 100 that may"}},
		"queue that is not full": {func(s *api.Status) { s.DecisionLog.Waiting = 80 }, nil, nil},
		"store":                  {func(*api.Status) {}, errors.New("no room"), []string{"nothing can be granted or revoked: no room"}},
		"issuer": {func(s *api.Status) {
			s.Issuers = []api.IssuerState{{ID: "a", State: authz.Stale}, {ID: "b", State: authz.Fresh}}
		}, nil, []string{"the keys of issuer a are stale"}},
		"bundle": {func(s *api.Status) { s.Failures = []authz.PolicyFailure{{Name: "acme", Step: "compile"}} }, nil, []string{"bundle acme did not get through at compile"}},
		"bundle that was pushed": {func(s *api.Status) {
			s.Failures = []authz.PolicyFailure{{Name: "acme", Step: "compile", Source: authz.SourcePush}}
		}, nil, nil},
		"source": {func(s *api.Status) {
			s.Sources = []authz.SourceStatus{{Name: "acme", Source: "https://b", Error: "refused"}}
		}, nil, []string{"bundle acme cannot be pulled from https://b: refused"}},
		"sink":                    {func(s *api.Status) { s.Sinks = []authz.SinkStatus{{Name: "opa", LagRecords: 4, LastError: "503"}} }, nil, []string{"sink opa takes no records, 4 behind: 503"}},
		"certificate expired":     {func(s *api.Status) { s.Certificates = certificate(90*day, -time.Second) }, nil, []string{"the certificate of the listener decisions expired at 2026-01-02T03:04:04Z"}},
		"certificate soon":        {func(s *api.Status) { s.Certificates = certificate(90*day, 13*day) }, nil, []string{"the certificate of the listener decisions expires at 2026-01-15T03:04:05Z"}},
		"certificate later":       {func(s *api.Status) { s.Certificates = certificate(90*day, 15*day) }, nil, nil},
		"certificate of six days": {func(s *api.Status) { s.Certificates = certificate(6*day, 3*day) }, nil, nil},
		"the worst is told first": {func(s *api.Status) { s.Policy = authz.PolicyRef{}; s.Certificates = certificate(90*day, day) }, errors.New("no room"), []string{"no policy is active: every decision is a deny", "nothing can be granted or revoked: no room", "the certificate of the listener decisions expires at 2026-01-03T03:04:05Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := api.Status{Now: now, Policy: authz.PolicyRef{Generation: 1, Digest: "sha256:ab"}, DecisionLog: authz.LogStatus{Queue: 100}}
			test.change(&s)
			var got []string
			for _, p := range admin.Problems(s, test.unwritable) {
				if p.Fix == "" {
					t.Errorf("%q comes without what to do", p.What)
				}
				got = append(got, p.What)
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("what is wrong (-want +got):\n%s", diff)
			}
		})
	}
}
