package test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// outage is a Verdict with the demo data and two issuers beside the demo's own:
// buildhub, a third party that will fail, and deliveries, which will not.
type outage struct {
	operator
	sick, well *pdptest.Authority
}

func newOutage(t testing.TB, log io.Writer) *outage {
	t.Helper()
	o := &outage{
		operator: operator{pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: log})},
		sick:     pdptest.NewAuthority(t, "buildhub"),
		well:     pdptest.NewAuthority(t, "deliveries"),
	}
	buildhub := o.sick.Issuer()
	buildhub.FreshForS, buildhub.UsableForS = 600, 7200
	buildhub.UsableForSByTier = map[string]int{"0": 1800, "1": 1800}
	o.Register(buildhub)
	o.Register(o.well.Issuer())
	o.Put(&authz.MachineUser{Header: authz.Header{ID: "mu:ci-deploy"}, Kind: "ci", Origin: authz.OriginInternal, Env: "prod", Owner: "platform", Tier: 2, Issuers: []string{"buildhub"}})
	o.Put(&authz.MachineUser{Header: authz.Header{ID: "mu:courier"}, Kind: "service", Origin: authz.OriginInternal, Env: "prod", Owner: "messaging", Tier: 2, Issuers: []string{"deliveries"}})
	o.Put(&authz.Edge{From: "mu:courier", To: "svc:audit", Actions: []string{"audit.write"}})
	return o
}

func call(action, service, token string) map[string]any {
	return map[string]any{
		"credential": map[string]any{"token": token},
		"action":     map[string]any{"name": action},
		"resource":   map[string]any{"type": "service", "id": service},
		"context":    map[string]any{"source_ip": "10.4.1.1", "env": "prod"},
	}
}

// template and audit are the two calls of the build pipeline, to services of tier 3
// and 1; unknownKey is the first with a token of a key nobody has seen.
func (o *outage) template() map[string]any {
	return call("template.publish", "svc:template", o.sick.Sign(nil, o.sick.Claims("mu:ci-deploy", o.Clock.Now())))
}

func (o *outage) audit() map[string]any {
	return call("audit.write", "svc:audit", o.sick.Sign(nil, o.sick.Claims("mu:ci-deploy", o.Clock.Now())))
}

func (o *outage) unknownKey() map[string]any {
	return call("template.publish", "svc:template", o.sick.Sign(map[string]any{"kid": "never-seen"}, o.sick.Claims("mu:ci-deploy", o.Clock.Now())))
}

// courier is a call by a token of the issuer that stays well, for a service of tier 1.
func (o *outage) courier() map[string]any {
	return call("audit.write", "svc:audit", o.well.Sign(nil, o.well.Claims("mu:courier", o.Clock.Now())))
}

// load has machine users of healthy issuers ask all the while.
func (o *outage) load() *pdptest.Load {
	return o.StartLoad(time.Second/min(50, perSecond),
		pdptest.Asker{Name: "mu:courier", Question: o.courier},
		pdptest.Asker{Name: "mu:user-svc", Question: func() map[string]any { return invoiceToAna(o.Token("mu:user-svc")) }},
	)
}

// jump moves the clock between two questions of a load.
func (o *outage) jump(load *pdptest.Load, to time.Time) { load.Between(func() { o.Clock.Set(to) }) }

// spared wants that a load was never denied anything.
func spared(t *testing.T, load *pdptest.Load) {
	t.Helper()
	tally := load.Stop()
	t.Log("others meanwhile:", tally)
	if tally.Decisions == 0 || tally.Denied() > 0 || len(tally.Failures) > 0 {
		t.Errorf("got tally.Denials %v, tally.Failures %v; want tally.Decisions other than 0, tally.Denied() 0, no tally.Failures", tally.Denials, tally.Failures)
	}
}

// answer is what a test compares of a decision: what it is, how fresh, and the one
// status of its reasons.
type answer struct {
	Decision  api.Outcome
	Freshness string
	Codes     []string
	Status    int
	Advice    []string
}

// advised are the ids of a decision's advice, but for the exception that the demo's
// vendor has.
func advised(d api.Decision) (ids []string) {
	for _, duty := range d.Advice {
		if id := duty["id"].(string); id != "exception_in_use" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (o *outage) answer(question map[string]any) answer {
	o.T.Helper()
	d := o.Ask(question)
	a := answer{Decision: d.Outcome, Freshness: d.Trust.Freshness, Codes: pdptest.Codes(d.Reasons), Advice: advised(d)}
	for _, reason := range d.Reasons {
		a.Status = reason.Status
	}
	return a
}

var (
	allowedFresh = answer{Decision: api.Allow, Freshness: authz.Fresh, Codes: []string{}}
	allowedStale = answer{Decision: api.Allow, Freshness: authz.Stale, Codes: []string{}, Advice: []string{"issuer_stale"}}
)

// unavailable is the answer of an outage, which never looks like a bad token.
func unavailable(freshness string) answer {
	return answer{Decision: api.Deny, Freshness: freshness, Codes: []string{"ISSUER_UNAVAILABLE"}, Status: http.StatusServiceUnavailable}
}

// TestAnIssuerStopped is row 17 of the demo: the JWKS server is killed while
// decisions run, a restart of Verdict comes in between, and the server comes back.
func TestAnIssuerStopped(t *testing.T) {
	o := newOutage(t, nil)
	load := o.load()
	load.Await(20)
	o.sick.Stop()
	want := func(when string, template, audit, unknown answer) {
		t.Helper()
		got := map[string]answer{"template, tier 3": o.answer(o.template()), "audit, tier 1": o.answer(o.audit()), "unknown key": o.answer(o.unknownKey())}
		if diff := cmp.Diff(map[string]answer{"template, tier 3": template, "audit, tier 1": audit, "unknown key": unknown}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	stands := func(when, state string, left time.Duration) {
		t.Helper()
		status := o.IssuerStatus("buildhub")
		if status.State != state || status.ChangesInS == nil || *status.ChangesInS != int(left/time.Second) || status.Keys != 1 {
			t.Errorf("%s: %+v, changes in %v s; want %s and %s", when, status, status.ChangesInS, state, left)
		}
	}

	o.jump(load, sunday.Add(5*time.Minute))
	same(t, "while what was fetched is fresh", allowedFresh, o.answer(o.audit()))

	o.jump(load, sunday.Add(time.Hour))
	want("after an hour", allowedStale, unavailable(authz.Stale), unavailable(""))
	stands("after an hour", authz.Stale, 0) // for tier 1 they have changed
	o.Await("the failure to show", func() bool { return o.IssuerStatus("buildhub").LastError != "" })
	load.Await(20)
	spared(t, load)

	o.Stop()
	o.operator = operator{pdptest.Start(t, pdptest.Settings{Demo: true, Dir: o.Dir, At: sunday.Add(time.Hour)})}
	load = o.load()
	load.Await(20)
	want("after a restart in the middle", allowedStale, unavailable(authz.Stale), unavailable(""))

	o.jump(load, sunday.Add(3*time.Hour))
	want("after three hours", unavailable(""), unavailable(""), unavailable(""))
	stands("after three hours", "too_stale", 0)
	load.Await(20)

	o.sick.Start()
	o.jump(load, sunday.Add(3*time.Hour+10*time.Minute))
	same(t, "a token of an unknown key, which has the keys fetched", unavailable(""), o.answer(o.unknownKey()))
	o.Await("the keys to be fetched, and the fetching to be well", func() bool {
		status := o.IssuerStatus("buildhub")
		return status.State == authz.Fresh && status.ChangesInS == nil && status.LastError == ""
	})
	want("once it is back", allowedFresh, allowedFresh, answer{Decision: api.Deny, Codes: []string{"TOKEN_INVALID"}, Status: http.StatusUnauthorized})
	spared(t, load)
}

// TestTiersChangeOneAfterTheOther: the time that an issuer's status says is left is
// when the next decisions change.
func TestTiersChangeOneAfterTheOther(t *testing.T) {
	o := newOutage(t, nil)
	o.sick.Stop()
	fetched := o.IssuerStatus("buildhub").FetchedAt
	for _, step := range []struct {
		after           time.Duration
		template, audit api.Outcome
	}{
		{10*time.Minute - time.Second, api.Allow, api.Allow},
		{30 * time.Minute, api.Allow, api.Allow},
		{30*time.Minute + time.Second, api.Allow, api.Deny},
		{2 * time.Hour, api.Allow, api.Deny},
		{2*time.Hour + time.Second, api.Deny, api.Deny},
	} {
		o.Clock.Set(fetched.Add(step.after))
		if got := o.Ask(o.template()).Outcome; got != step.template {
			t.Errorf("template after %s: %s", step.after, got)
		}
		if got := o.Ask(o.audit()).Outcome; got != step.audit {
			t.Errorf("audit after %s: %s", step.after, got)
		}
	}
	o.Clock.Set(fetched.Add(20 * time.Minute))
	status := o.IssuerStatus("buildhub")
	if status.ChangesInS == nil || *status.ChangesInS != 600 || !status.UsableUntilByTier["1"].Equal(fetched.Add(30*time.Minute)) || !status.UsableUntil.Equal(fetched.Add(2*time.Hour)) {
		t.Errorf("%+v, changes in %v s", status, status.ChangesInS)
	}
}

// ledgerlink is the demo's issuer of opaque tokens.
func (o *outage) ledgerlink(deadline time.Duration) *pdptest.Authority {
	o.T.Helper()
	authority := pdptest.NewAuthority(o.T, "ledgerlink")
	o.KeepSecret()
	issuer := authority.Introspected()
	issuer.FreshForS, issuer.UsableForS = 60, 600
	issuer.Introspection.DeadlineMS = int(deadline / time.Millisecond)
	o.Register(issuer)
	var partner authz.MachineUser
	o.must(http.StatusOK, http.MethodGet, "/v1/machine_users/mx:ledgerlink", nil, &partner)
	partner.Issuers = []string{"ledgerlink"}
	o.Put(&partner)
	return authority
}

// export is the call of the demo's vendor with an opaque token.
func export(token string) map[string]any {
	question := call("billing.export", "svc:partner-gw", token)
	question["resource"].(map[string]any)["properties"] = map[string]any{"tenant": "acme-logistics"}
	question["context"].(map[string]any)["source_ip"] = "192.0.2.65"
	return question
}

// TestIntrospectionThatHangs is row 18 of the demo: the endpoint takes every
// question and answers none.
func TestIntrospectionThatHangs(t *testing.T) {
	o := newOutage(t, nil)
	authority := o.ledgerlink(50 * time.Millisecond)
	now := o.Clock.Now()
	token := authority.Opaque(map[string]any{"sub": "mx:ledgerlink", "exp": now.Add(time.Hour).Unix(), "aud": "brightfold"})
	same(t, "while it answers", allowedFresh, o.answer(export(token)))
	load := o.load()
	defer spared(t, load)
	authority.Hang()

	o.jump(load, now.Add(40*time.Second))
	asked := authority.Questions()
	same(t, "after 40 s", allowedFresh, o.answer(export(token)))
	if authority.Questions() != asked {
		t.Error("a fresh answer was asked for again")
	}
	o.jump(load, now.Add(4*time.Minute))
	for range 5 { // as many failures as open the breaker
		same(t, "after 4 min", allowedStale, o.answer(export(token)))
	}
	status := o.IssuerStatus("ledgerlink")
	if status.Breaker != "open" || status.LastError == "" || status.LastErrorAt.IsZero() {
		t.Errorf("the breaker is %q after %d questions: %+v", status.Breaker, authority.Questions(), status)
	}
	asked = authority.Questions()
	same(t, "with an open breaker", allowedStale, o.answer(export(token)))
	if authority.Questions() != asked {
		t.Error("an authority that fails was asked although its breaker is open")
	}
	same(t, "a token never seen", unavailable(""), o.answer(export("never-seen")))

	o.jump(load, now.Add(20*time.Minute))
	same(t, "after 20 min", unavailable(""), o.answer(export(token)))
	authority.Release()
	o.Await("the breaker to let a question through", func() bool { return o.IssuerStatus("ledgerlink").Breaker == "half_open" })
	same(t, "once it answers", allowedFresh, o.answer(export(token)))
	status = o.IssuerStatus("ledgerlink")
	if status.Breaker != "closed" {
		t.Errorf("it is back, and stands as %+v", status)
	}
	authority.Answer(token, nil)
	o.jump(load, now.Add(22*time.Minute))
	same(t, "revoked at the authority", answer{Decision: api.Deny, Codes: []string{"TOKEN_INVALID"}, Status: http.StatusUnauthorized}, o.answer(export(token)))
}

// TestTheBoardShowsAnAuthorityThatFails: an operator sees that decisions will change,
// and when, while they have not yet.
func TestTheBoardShowsAnAuthorityThatFails(t *testing.T) {
	o := newOutage(t, nil)
	authority := o.ledgerlink(50 * time.Millisecond)
	now := o.Clock.Now()
	token := authority.Opaque(map[string]any{"sub": "mx:ledgerlink", "exp": now.Add(time.Hour).Unix(), "aud": "brightfold"})
	same(t, "while it answers", allowedFresh, o.answer(export(token)))
	if status := o.IssuerStatus("ledgerlink"); status.State != authz.Fresh || status.ChangesInS != nil {
		t.Errorf("it is well, and stands as %+v", status)
	}
	authority.Hang()
	o.Clock.Set(now.Add(4 * time.Minute))
	same(t, "after 4 min", allowedStale, o.answer(export(token)))
	if status := o.IssuerStatus("ledgerlink"); status.State != authz.Stale || status.ChangesInS == nil || *status.ChangesInS > 6*60 {
		t.Errorf("it stands as %+v; want stale, and changes_in_s of 360 at most", status)
	}
}

// TestNobodyWaitsForASickIssuer: while questions to one authority and a fetch of
// another's keys hang, hundreds of decisions about others are made. That they hang
// all the while is known by their being unanswered at the end.
func TestNobodyWaitsForASickIssuer(t *testing.T) {
	o := newOutage(t, nil)
	authority := o.ledgerlink(10 * time.Second)
	now := o.Clock.Now()
	claims := map[string]any{"sub": "mx:ledgerlink", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "aud": "brightfold"}

	o.sick.Hang()
	fetches := o.sick.KeyFetches()
	o.Ask(o.unknownKey())
	o.Await("the keys to be asked for", func() bool { return o.sick.KeyFetches() > fetches })

	const hanging = 32 // what one authority may be asked at a time
	authority.Hang()
	var waiting sync.WaitGroup
	answered := make(chan answer, hanging)
	for range hanging {
		question := export(authority.Opaque(claims))
		waiting.Go(func() { answered <- o.answer(question) })
	}
	o.Await("the questions to be under way", func() bool { return authority.Questions() == hanging })
	same(t, "one question too many", unavailable(""), o.answer(export(authority.Opaque(claims))))

	for range 100 {
		same(t, "another issuer", allowedFresh, o.answer(o.courier()))
		if d := o.Ask(invoiceToAna(o.Token("mu:user-svc"))); d.Outcome != api.Allow {
			t.Fatalf("got d.Reasons %+v; want d.Outcome Allow", d.Reasons)
		}
		same(t, "keys known already", allowedFresh, o.answer(o.template()))
	}
	if len(answered) > 0 || o.IssuerStatus("buildhub").LastError != "" {
		t.Fatal("nothing hung any more, so nothing was shown")
	}
	authority.Release()
	waiting.Wait()
	close(answered)
	for a := range answered {
		same(t, "what hung", allowedFresh, a)
	}
}

// BenchmarkHealthyIssuerWhileAnotherHangs asks over HTTP with tokens of one issuer
// while another's introspection endpoint is asked 50 times a second: once it
// answers, once it hangs, and so does the JWKS server of a third.
func BenchmarkHealthyIssuerWhileAnotherHangs(b *testing.B) {
	for name, hang := range map[string]bool{"other answers": false, "other hangs": true} {
		b.Run(name, func(b *testing.B) {
			o := newOutage(b, io.Discard)
			authority := o.ledgerlink(200 * time.Millisecond)
			now := o.Clock.Now()
			claims := map[string]any{"sub": "mx:ledgerlink", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "aud": "brightfold"}
			if hang {
				authority.Hang()
				o.sick.Hang()
				o.Ask(o.unknownKey()) // has its keys asked for
			}
			load := o.StartLoad(time.Second/50, pdptest.Asker{Name: "mx:ledgerlink", Question: func() map[string]any {
				return export(authority.Opaque(claims))
			}})
			load.Await(5)
			question := o.courier()
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if d := o.Ask(question); d.Outcome != api.Allow {
					b.Fatalf("got d.Reasons %+v; want d.Outcome Allow", d.Reasons)
				}
				took = append(took, time.Since(began))
			}
			b.ReportMetric(float64(pdptest.Percentile(took, 50).Microseconds()), "p50-µs")
			b.ReportMetric(float64(pdptest.Percentile(took, 99).Microseconds()), "p99-µs")
			authority.Release()
			o.sick.Release()
			load.Stop()
		})
	}
}
