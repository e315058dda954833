package pdp_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/pdp"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// view is an empty view that counts its closing.
type view struct {
	authz.Directory // the verifier's; the pipeline only hands it on
	revision        uint64
	closed          *int
}

func (v view) Revision() uint64 { return v.revision }
func (v view) Fact(authz.Collection, string) (authz.Fact, bool, error) {
	return authz.Fact{}, false, nil
}
func (v view) Under(authz.Collection, string, int) ([]authz.Fact, bool, error) {
	return nil, false, nil
}
func (v view) Close() { *v.closed++ }

// stage is a PDP whose neighbours are staged.
type stage struct {
	t         *testing.T
	revision  uint64
	viewErr   error
	principal authz.Principal
	judgement authz.Judgement
	policy    authz.Evaluator

	opened, closed int
	presented      []authz.Presentation
	evaluating     func() // called by each evaluation, when set
	asked          []authz.Question
	recorded       []authz.Entry
	observed       []authz.Decision
	recordErr      error
	durability     authz.Durability
	waited         []uint64
	log            *slog.Logger
}

func newStage(t *testing.T) *stage {
	s := &stage{
		t:         t,
		revision:  7,
		principal: authz.Principal{Subject: "mu:a", Evidence: authz.EvidenceJWT, Token: &authz.Token{}, Level: 3, Freshness: authz.Fresh},
		judgement: authz.Judgement{Allow: true, CacheableForS: 5, Obligations: []authz.Duty{{"id": "use_address"}}},
	}
	s.policy = s
	return s
}

func (s *stage) View() (pdp.View, error) {
	if s.viewErr != nil {
		return nil, s.viewErr
	}
	s.opened++
	return view{revision: s.revision, closed: &s.closed}, nil
}

func (s *stage) WaitFor(ctx context.Context, revision uint64) error {
	s.waited = append(s.waited, revision)
	if revision <= s.revision {
		return nil
	}
	<-ctx.Done()
	return authz.Errorf(authz.CodeBehind, "the data is at revision %d", s.revision)
}

func (s *stage) Verify(_ context.Context, p authz.Presentation) authz.Principal {
	s.presented = append(s.presented, p)
	return s.principal
}

func (s *stage) Policy() authz.PolicyRef {
	return authz.PolicyRef{Generation: 3, Digest: "sha256:aa"}
}

func (s *stage) Evaluate(_ context.Context, q authz.Question, _ authz.Facts) authz.Judgement {
	s.asked = append(s.asked, q)
	if s.evaluating != nil {
		s.evaluating()
	}
	return s.judgement
}

func (s *stage) Record(_ context.Context, entries []authz.Entry) error {
	if s.recordErr != nil {
		return s.recordErr
	}
	s.recorded = append(s.recorded, entries...)
	return nil
}

func (*stage) clock() time.Time    { return now }
func (*stage) id(time.Time) string { return "id" }

func (s *stage) pdp() *pdp.PDP {
	p, err := pdp.New(pdp.Config{
		Data:     s,
		Verifier: s,
		Active:   func() authz.Evaluator { return s.policy },
		Recorder: s,
		Observe: func(_ context.Context, _ authz.Request, d authz.Decision) {
			s.observed = append(s.observed, d)
		},
		Durability:  s.durability,
		Log:         s.log,
		Now:         s.clock,
		NewID:       s.id,
		AtLeastWait: time.Millisecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func request() authz.Request {
	return authz.Request{
		Caller:   authz.Caller{ID: "pep", Roles: []authz.Role{authz.RoleDecide}},
		Evidence: authz.Evidence{Token: "t"},
		Action:   authz.Action{Name: "email.send"},
		Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"},
	}
}

func codes(reasons []authz.Reason) []authz.ReasonCode {
	out := []authz.ReasonCode{}
	for _, r := range reasons {
		out = append(out, r.Code)
	}
	return out
}

func TestDecideAllows(t *testing.T) {
	s := newStage(t)
	d, err := s.pdp().Decide(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	want := authz.Decision{
		ID: "id", Outcome: authz.Allow, Obligations: []authz.Duty{{"id": "use_address"}},
		Trust: authz.Trust{Level: 3, Freshness: "fresh"}, Policy: authz.PolicyRef{Generation: 3, Digest: "sha256:aa"},
		DataRevision: 7, CacheableForS: 5, IfPDPUnreachable: authz.Deny, Subject: "mu:a",
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]authz.Decision{want}, s.observed); diff != "" {
		t.Errorf("recorded: %s", diff)
	}
	if s.opened != 1 || s.closed != 1 {
		t.Errorf("opened %d views, closed %d", s.opened, s.closed)
	}
	if !s.asked[0].Time.Equal(now) || s.asked[0].Subject.ID != "mu:a" {
		t.Errorf("asked %+v", s.asked[0])
	}
}

// TestDecideCloses is invariant 1 of docs/design.md section 8: each row is a
// path that must not allow although everything else says allow.
func TestDecideCloses(t *testing.T) {
	tests := map[string]struct {
		stage   func(*stage)
		request func(*authz.Request)
		want    authz.ReasonCode
		asks    int // how often the policy may be consulted
	}{
		"no evidence": {request: func(r *authz.Request) { r.Evidence = authz.Evidence{} }, want: authz.CredentialMissing},
		"evidence at fault": {stage: func(s *stage) {
			s.principal = authz.Principal{Subject: "mu:a", Fault: &authz.Fault{Code: authz.TokenInvalid}}
		}, want: authz.TokenInvalid},
		"evidence names nobody":     {stage: func(s *stage) { s.principal = authz.Principal{} }, want: authz.TokenInvalid},
		"another subject":           {request: func(r *authz.Request) { r.Subject = &authz.Subject{Type: "machine_user", ID: "mu:b"} }, want: authz.SubjectMismatch},
		"no policy":                 {stage: func(s *stage) { s.policy = nil }, want: authz.PolicyMissing},
		"zero judgement":            {stage: func(s *stage) { s.judgement = authz.Judgement{} }, want: authz.DefaultDeny, asks: 1},
		"allow beside a reason":     {stage: func(s *stage) { s.judgement.Reasons = []authz.Reason{{Code: "X"}} }, want: "X", asks: 1},
		"deny keeps its own reason": {stage: func(s *stage) { s.judgement = authz.Judgement{Reasons: []authz.Reason{{Code: "Y"}}} }, want: "Y", asks: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, r := newStage(t), request()
			if test.stage != nil {
				test.stage(s)
			}
			if test.request != nil {
				test.request(&r)
			}
			d, err := s.pdp().Decide(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if d.Outcome != authz.Deny {
				t.Error("allowed")
			}
			if diff := cmp.Diff([]authz.ReasonCode{test.want}, codes(d.Reasons)); diff != "" {
				t.Error(diff)
			}
			if d.Obligations != nil || d.CacheableForS != 0 {
				t.Errorf("a deny has obligations %v and is cacheable for %d s", d.Obligations, d.CacheableForS)
			}
			if len(s.asked) != test.asks {
				t.Errorf("the policy was asked %d times, want %d", len(s.asked), test.asks)
			}
			if len(s.recorded) != 1 {
				t.Errorf("recorded %d times", len(s.recorded))
			}
		})
	}
}

func TestIssuerOutageIsNotABadToken(t *testing.T) {
	s := newStage(t)
	s.principal = authz.Principal{Fault: &authz.Fault{Code: authz.IssuerUnavailable}}
	d, err := s.pdp().Decide(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Reasons[0].Status; got != 503 {
		t.Errorf("status %d, want 503", got)
	}
}

func TestDecideRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*authz.Request)
		want   authz.ErrorCode
	}{
		"own time":        {func(r *authz.Request) { r.At = now }, authz.CodeInvalid},
		"bad id":          {func(r *authz.Request) { r.Resource.ID = "a/b" }, authz.CodeInvalid},
		"future revision": {func(r *authz.Request) { r.AtLeast = 8 }, authz.CodeBehind},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, r := newStage(t), request()
			test.change(&r)
			_, err := s.pdp().Decide(t.Context(), r)
			if got := authz.CodeOf(err); got != test.want {
				t.Errorf("error %v has code %q, want %q", err, got, test.want)
			}
			if len(s.recorded) != 0 {
				t.Error("recorded although nothing was decided")
			}
		})
	}
}

// What a caller's roles do not let it ask is refused in the words that a surface shows:
// with the member at fault, and in a batch the item.
func TestRolesAreHeldAgainstQuestions(t *testing.T) {
	claims := authz.Evidence{Claims: json.RawMessage(`{}`)}
	asserted := authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{{1}}, Asserted: true}}
	tests := map[string]struct {
		roles     []authz.Role
		evidence  authz.Evidence
		simulated bool
		want      *authz.Error // nil: it is decided
	}{
		"decide":                    {[]authz.Role{authz.RoleDecide}, authz.Evidence{Token: "t"}, false, nil},
		"no role":                   {nil, authz.Evidence{Token: "t"}, false, &authz.Error{Message: "this needs the role decide, which API key pep does not have"}},
		"every role but decide":     {slices.DeleteFunc(authz.Roles(), func(r authz.Role) bool { return r == authz.RoleDecide }), claims, false, &authz.Error{Message: "this needs the role decide, which API key pep does not have"}},
		"simulate alone":            {[]authz.Role{authz.RoleSimulate}, claims, true, nil},
		"simulate a certificate":    {[]authz.Role{authz.RoleSimulate}, asserted, true, nil},
		"simulate without":          {[]authz.Role{authz.RoleDecide, authz.RoleAssertClaims}, claims, true, &authz.Error{Message: "this needs the role simulate, which API key pep does not have"}},
		"claims":                    {[]authz.Role{authz.RoleDecide, authz.RoleAssertClaims}, claims, false, nil},
		"claims without":            {[]authz.Role{authz.RoleDecide, authz.RoleAssertCertificates}, claims, false, &authz.Error{Field: "credential.claims", Message: "needs the role assert-claims, which API key pep does not have; send the token"}},
		"a certificate":             {[]authz.Role{authz.RoleDecide, authz.RoleAssertCertificates}, asserted, false, nil},
		"a certificate without":     {[]authz.Role{authz.RoleDecide, authz.RoleAssertClaims}, asserted, false, &authz.Error{Field: "credential.certificate", Message: "needs the role assert-certificates, which API key pep does not have; ask with a key that has it"}},
		"certificate of connection": {[]authz.Role{authz.RoleDecide}, authz.Evidence{Certificate: &authz.Certificate{Chain: [][]byte{{1}}}}, false, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, r := newStage(t), request()
			r.Caller.Roles, r.Evidence, r.Simulated = test.roles, test.evidence, test.simulated
			_, err := s.pdp().Decide(t.Context(), r)
			refused(t, "alone", err, test.want, "")

			good := r // of the same kind, by a caller that may
			good.Caller.Roles = authz.Roles()
			_, err = s.pdp().DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{good, r}})
			refused(t, "in a batch", err, test.want, "items[1]")
		})
	}
}

// refused holds err to want, whose field lies within place.
func refused(t *testing.T, how string, err error, want *authz.Error, place string) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("%s: %v, want a decision", how, err)
		}
		return
	}
	located := authz.Error{Code: authz.CodeForbidden, Field: want.Field, Message: want.Message}
	if place != "" {
		located.Field = strings.TrimSuffix(place+"."+want.Field, ".")
	}
	var got *authz.Error
	if !errors.As(err, &got) {
		t.Errorf("%s: %v, want %v", how, err, &located)
		return
	}
	if diff := cmp.Diff(located, *got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", how, diff)
	}
}

// A question that is malformed names its item too.
func TestABatchNamesTheItemAtFault(t *testing.T) {
	bad := request()
	bad.Resource.ID = "a/b"
	_, err := newStage(t).pdp().DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{request(), request(), bad}})
	var got *authz.Error
	if !errors.As(err, &got) || got.Field != "items[2].resource.id" {
		t.Errorf("error %v, want one of items[2].resource.id", err)
	}
}

func TestSimulationIsNotRecorded(t *testing.T) {
	s, r := newStage(t), request()
	r.Caller.Roles = []authz.Role{authz.RoleSimulate}
	r.Simulated, r.At = true, now.Add(time.Hour)
	if _, err := s.pdp().Decide(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if len(s.recorded) != 0 {
		t.Error("recorded")
	}
	if got := s.asked[0].Time; !got.Equal(r.At) {
		t.Errorf("judged at %v, want %v", got, r.At)
	}
}

func TestUnreadableDataDecidesNothing(t *testing.T) {
	s := newStage(t)
	s.viewErr = errors.New("closed")
	_, err := s.pdp().Decide(t.Context(), request())
	if got := authz.CodeOf(err); got != authz.CodeUnavailable {
		t.Errorf("code %q, want %q", got, authz.CodeUnavailable)
	}
}

// TestAnEndedRequestDecidesNothing: what was judged under a context that ended is
// not an answer, and is neither given nor recorded.
func TestAnEndedRequestDecidesNothing(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.evaluating = cancel
	_, err := s.pdp().Decide(ctx, request())
	if got := authz.CodeOf(err); got != authz.CodeUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want unavailable because the context was cancelled", err)
	}
	if len(s.asked) != 1 || len(s.recorded) != 0 || s.closed != s.opened {
		t.Errorf("asked %d, recorded %d, opened %d, closed %d", len(s.asked), len(s.recorded), s.opened, s.closed)
	}
}

func TestBatch(t *testing.T) {
	tests := map[string]struct {
		semantics authz.Semantics
		deny      int // index of the item denied, -1 for none
		want      int // decisions in the answer
	}{
		"all":                  {"", 1, 3},
		"execute_all":          {authz.ExecuteAll, 1, 3},
		"deny stops":           {authz.DenyOnFirstDeny, 1, 2},
		"no deny, no stop":     {authz.DenyOnFirstDeny, -1, 3},
		"permit stops":         {authz.PermitOnFirstPermit, 0, 2},
		"permit stops at once": {authz.PermitOnFirstPermit, 2, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			b := authz.Batch{Semantics: test.semantics, AtLeast: 5}
			for i := range 3 {
				r := request()
				r.AtLeast = uint64(i)
				if i == test.deny {
					r.Subject = &authz.Subject{Type: "machine_user", ID: "mu:other"}
				}
				b.Items = append(b.Items, r)
			}
			got, err := s.pdp().DecideBatch(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != test.want || len(s.recorded) != test.want {
				t.Errorf("%d decisions, %d recorded, want %d", len(got), len(s.recorded), test.want)
			}
			if s.opened != 1 || s.closed != 1 || len(s.presented) != 1 {
				t.Errorf("opened %d, closed %d, verified %d; one batch is one view and one verification", s.opened, s.closed, len(s.presented))
			}
			if diff := cmp.Diff([]uint64{5}, s.waited); diff != "" {
				t.Errorf("waited: %s", diff)
			}
		})
	}
}

func TestBatchRefuses(t *testing.T) {
	s := newStage(t)
	for name, b := range map[string]authz.Batch{
		"empty":     {},
		"semantics": {Items: []authz.Request{request()}, Semantics: "some"},
		"too many":  {Items: make([]authz.Request, authz.MaxBatch+1)},
		"one bad":   {Items: []authz.Request{request(), {}}},
	} {
		if _, err := s.pdp().DecideBatch(t.Context(), b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if s.opened != 0 {
		t.Error("opened a view for a batch that is refused")
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := pdp.New(pdp.Config{}); err == nil {
		t.Error("accepted an empty Config")
	}
}

// TestEvidenceIsPresentedOnce: a proof that may be used once would fail from the
// second item of a batch on.
func TestEvidenceIsPresentedOnce(t *testing.T) {
	from := func(e authz.Evidence, source string) authz.Request {
		r := request()
		r.Evidence, r.Context = e, map[string]any{"source_ip": source}
		return r
	}
	token, other := authz.Evidence{Token: "a"}, authz.Evidence{Token: "b"}
	proved := authz.Evidence{Token: "a", Proof: &authz.Proof{JWT: "p", Method: "GET", URL: "https://a"}}
	again := authz.Evidence{Token: "a", Proof: &authz.Proof{JWT: "p", Method: "GET", URL: "https://a"}}
	tests := map[string]struct {
		items []authz.Request
		want  []string // sources it was presented with
	}{
		"the same":         {[]authz.Request{from(token, "1"), from(token, "1")}, []string{"1"}},
		"another":          {[]authz.Request{from(token, "1"), from(other, "1"), from(token, "1")}, []string{"1", "1", "1"}},
		"from elsewhere":   {[]authz.Request{from(token, "1"), from(token, "2")}, []string{"1", "2"}},
		"a proof":          {[]authz.Request{from(proved, "1"), from(again, "2")}, []string{"1"}},
		"a proof, again":   {[]authz.Request{from(proved, "1"), from(other, "1"), from(again, "1")}, []string{"1", "1"}},
		"with and without": {[]authz.Request{from(token, "1"), from(proved, "1")}, []string{"1", "1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			if _, err := s.pdp().DecideBatch(t.Context(), authz.Batch{Items: test.items}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range s.presented {
				got = append(got, p.Source)
				if p.Caller != "pep" || p.Rehearsal || !p.Now.Equal(now) {
					t.Errorf("presented as %+v", p)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestASharedProofHasNoSupportFromElsewhere: what was presented once is not presented
// again, but that it came from a known source holds for that source only.
func TestASharedProofHasNoSupportFromElsewhere(t *testing.T) {
	s := newStage(t)
	s.principal.Supports = []string{authz.SupportCertificate, authz.SupportKnownSource}
	from := func(source string) authz.Request {
		r := request()
		r.Evidence, r.Context = authz.Evidence{Assertion: "a"}, map[string]any{"source_ip": source}
		return r
	}
	if _, err := s.pdp().DecideBatch(t.Context(), authz.Batch{Items: []authz.Request{from("1"), from("2"), from("1")}}); err != nil {
		t.Fatal(err)
	}
	both, one := []string{authz.SupportCertificate, authz.SupportKnownSource}, []string{authz.SupportCertificate}
	for i, want := range [][]string{both, one, both} {
		if diff := cmp.Diff(want, s.asked[i].Principal.Supports); diff != "" {
			t.Errorf("item %d: %s", i, diff)
		}
	}
}

// explaining is a policy that can explain.
type explaining struct{ *stage }

func (e explaining) Explain(ctx context.Context, q authz.Question, f authz.Facts) (authz.Judgement, *authz.Explanation) {
	return e.Evaluate(ctx, q, f), &authz.Explanation{Facts: []authz.FactRead{{Collection: authz.Services, Key: "svc:email", Revision: 2}}}
}

func TestExplainFull(t *testing.T) {
	for explain, want := range map[authz.Explain]bool{authz.ExplainFull: true, authz.ExplainReasons: false, "": false} {
		s := newStage(t)
		s.policy = explaining{s}
		r := request()
		r.Explain = explain
		d, err := s.pdp().Decide(t.Context(), r)
		if err != nil || (d.Explanation != nil) != want || len(s.asked) != 1 {
			t.Errorf("explain %q: explanation %+v, evaluated %d times, error %v; want an explanation: %v, and one evaluation", explain, d.Explanation, len(s.asked), err, want)
		}
	}
}
