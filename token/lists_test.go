package token_test

import (
	"bytes"
	"compress/zlib"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// lister is an authority that also publishes a status list, at /list.
type lister struct {
	*authority
	url    string
	signed atomic.Pointer[string]
	down   atomic.Bool
	hits   atomic.Int64
	accept atomic.Pointer[string]
}

func newLister(t *testing.T) *lister {
	l := &lister{authority: newAuthority(t)}
	l.url = l.server.URL + "/list"
	l.issuer.StatusLists = []string{l.url}
	keys := publicSet(t, l.signer)
	l.jwks.serve(func(w http.ResponseWriter, r *http.Request) {
		if l.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/list" {
			l.hits.Add(1)
			accept := r.Header.Get("Accept")
			l.accept.Store(&accept)
			fmt.Fprintln(w, *l.signed.Load())
			return
		}
		w.Write(keys)
	})
	l.publish(nil, nil)
	return l
}

// compressed is the lst member of a list with the statuses of one byte, the first of them in
// its lowest bits.
func compressed(t *testing.T, statuses byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write([]byte{statuses}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// publish makes the list of the first four tokens: valid, invalid, suspended, 3.
func (l *lister) publish(header, claims map[string]any) {
	l.T.Helper()
	lst := compressed(l.T, 0b11_10_01_00)
	said := map[string]any{"sub": l.url, "iat": l.clock.Now().Unix(), "status_list": map[string]any{"bits": 2, "lst": lst}}
	for name, value := range claims {
		said[name] = value
	}
	typed := map[string]any{"typ": "statuslist+jwt"}
	for name, value := range header {
		typed[name] = value
	}
	text := sign(l.T, l.signer, typed, said)
	l.signed.Store(&text)
}

// at is a token whose status is at a place of the list.
func (l *lister) at(index int) string {
	return sign(l.T, l.signer, nil, with(map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": index, "uri": l.url}}}))
}

func (l *lister) listStatus() authz.IssuerStatus { return l.status().StatusLists[l.url] }

// ready waits for keys and list.
func (l *lister) ready() {
	l.Helper()
	l.clock.until(l.T, "keys and status list", func() bool {
		keys, list := l.status(), l.listStatus()
		return keys.State == authz.Fresh && list.State == authz.Fresh && !keys.NextRefresh.IsZero() && !list.NextRefresh.IsZero()
	})
}

func TestTokenStatus(t *testing.T) {
	l := newLister(t)
	l.start()
	l.ready()
	if accept := *l.accept.Load(); accept != "application/statuslist+jwt" {
		t.Errorf("accepts %q", accept)
	}
	for index, status := range []string{"valid", "invalid", "suspended", "application_specific"} {
		text := l.at(index)
		for range 2 { // verified, then remembered
			if p := l.verify(text); p.Fault != nil || p.Token.Status != status || p.Freshness != authz.Fresh {
				t.Errorf("place %d: token %+v, fault %+v; want its status, fresh", index, p.Token, p.Fault)
			}
		}
	}
	wantFault(t, l.verify(l.at(4)), authz.TokenInvalid, "status_out_of_range")
	if p := l.verify(sign(t, l.signer, nil, good())); p.Fault != nil || p.Token.Status != "" {
		t.Errorf("a token on no list: %+v %+v", p.Token, p.Fault)
	}
	hits := l.hits.Load()
	// A new list is seen by remembered tokens.
	text := l.at(0)
	l.proves(text, authz.Fresh)
	lst := compressed(t, 0b0001)
	l.publish(nil, map[string]any{"status_list": map[string]any{"bits": 1, "lst": lst}})
	l.v.Refresh("demo")
	l.clock.until(t, "the new list", func() bool { return l.verify(text).Token.Status == "invalid" })
	if got := l.hits.Load(); got != hits+1 {
		t.Errorf("%d fetches, want one", got-hits)
	}
}

// The list ages by itself: fresh for its ttl, of use for usable_for_s, and never
// past its exp.
func TestStatusListAges(t *testing.T) {
	l := newLister(t)
	l.publish(nil, map[string]any{"ttl": 60, "exp": now.Add(30 * time.Minute).Unix()})
	l.issuer.UsableForSByTier = map[string]int{"0": 120}
	l.start()
	l.ready()
	if s := l.listStatus(); !s.FreshUntil.Equal(now.Add(time.Minute)) || !s.UsableUntil.Equal(now.Add(30*time.Minute)) || !s.NextRefresh.Equal(now.Add(48*time.Second)) ||
		!s.UsableUntilByTier["0"].Equal(now.Add(2*time.Minute)) || s.ChangesInS != nil {
		t.Errorf("status %+v, want it fresh for a minute, usable for 30, refreshed after 48 s", s)
	}
	text := l.at(0)
	l.down.Store(true)
	l.clock.advance(time.Minute)
	l.proves(text, authz.Fresh)
	l.clock.advance(time.Second)
	p := l.verify(text)
	if p.Fault != nil || p.Freshness != authz.Stale || p.Age != 61*time.Second || p.UsableFor[0] != 2*time.Minute || p.UsableFor[3] != time.Hour {
		t.Errorf("principal %+v, fault %+v; want it stale, 61 s old", p, p.Fault)
	}
	if s := l.status(); s.ChangesInS == nil || *s.ChangesInS != 59 || *s.StatusLists[l.url].ChangesInS != 59 {
		t.Errorf("status %+v, want a change in 59 s", s)
	}
	l.clock.advance(29*time.Minute - 2*time.Second)
	l.proves(text, authz.Stale)
	l.clock.advance(time.Second) // exp
	wantFault(t, l.verify(text), authz.IssuerUnavailable, "status_list_unavailable")
	if s := l.listStatus(); s.State != authz.TooStale || *s.ChangesInS != 0 {
		t.Errorf("status %+v, want it too stale, and changed already", s)
	}
	l.proves(sign(t, l.signer, nil, good()), authz.Stale) // on no list

	l.down.Store(false)
	l.publish(nil, map[string]any{"ttl": 60})
	l.v.Refresh("demo")
	l.ready()
	l.proves(text, authz.Fresh)
}

func TestStatusListsThatAreRefused(t *testing.T) {
	other := newSigner(t, "ES256")
	tests := map[string]struct {
		publish func(*lister)
		says    string
	}{
		"typ of access tokens": {func(l *lister) { l.publish(map[string]any{"typ": "at+jwt"}, nil) }, "statuslist+jwt"},
		"another sub":          {func(l *lister) { l.publish(nil, map[string]any{"sub": l.url + "2"}) }, "sub"},
		"another issuer":       {func(l *lister) { l.publish(nil, map[string]any{"iss": "https://evil.example"}) }, "another issuer"},
		"over":                 {func(l *lister) { l.publish(nil, map[string]any{"exp": now.Unix()}) }, "exp"},
		"no list":              {func(l *lister) { l.publish(nil, map[string]any{"status_list": nil}) }, "status list token"},
		"another key": {func(l *lister) {
			mine := l.signer
			l.signer = other
			l.publish(nil, nil)
			l.signer = mine
		}, "unknown_key"},
		"forged": {func(l *lister) {
			f := forgerOf(l.T, other)
			f.kid = l.signer.KeyID()
			parts := strings.Split(*l.signed.Load(), ".")
			text := f.signed(parts[0] + "." + parts[1])
			l.signed.Store(&text)
		}, "bad_signature"},
		"larger than 2 MiB": {func(l *lister) {
			text := strings.Repeat("a", 2<<20+1)
			l.signed.Store(&text)
		}, "larger than 2048 kB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLister(t)
			test.publish(l)
			l.start()
			l.clock.until(t, "the refusal", func() bool { return l.listStatus().LastError != "" })
			if s := l.listStatus(); !strings.Contains(s.LastError, test.says) || s.State != authz.Missing {
				t.Errorf("%+v; want an error saying %q", s, test.says)
			}
			wantFault(t, l.verify(l.at(0)), authz.IssuerUnavailable, "status_list_unavailable")
		})
	}
}

// A bad answer never replaces a good list.
func TestBadStatusListKeepsTheLastGoodOne(t *testing.T) {
	l := newLister(t)
	l.start()
	l.ready()
	l.publish(nil, map[string]any{"sub": "https://evil.example"})
	l.v.Refresh("demo")
	l.clock.until(t, "the refusal", func() bool { return l.listStatus().LastError != "" })
	l.proves(l.at(0), authz.Fresh)
}

// revokes publishes a list, issued at a time, in which the first token is invalid.
func (l *lister) revokes(issued time.Time) {
	l.Helper()
	lst := compressed(l.T, 0b11_10_01_01)
	l.publish(nil, map[string]any{"iat": issued.Unix(), "status_list": map[string]any{"bits": 2, "lst": lst}})
}

// refreshed waits until a list that was asked for is there, or was refused.
func (l *lister) refreshed(refused bool) {
	l.Helper()
	hits := l.hits.Load()
	l.v.Refresh("demo")
	l.clock.until(l.T, "the list", func() bool {
		s := l.listStatus()
		return l.hits.Load() > hits && !s.NextRefresh.IsZero() && (s.LastError != "") == refused
	})
}

// An older list, sent again, brings no token back to life while the newer one is of
// use; nor does a restart.
func TestStatusListIsNotRolledBack(t *testing.T) {
	l := newLister(t)
	old := *l.signed.Load()
	l.start()
	l.ready()
	l.clock.advance(time.Minute)
	l.revokes(l.clock.Now())
	l.refreshed(false)
	dead := func(when string) {
		t.Helper()
		if p := l.verify(l.at(0)); p.Fault != nil || p.Token.Status != "invalid" {
			t.Errorf("%s: token %+v, fault %+v; want it invalid", when, p.Token, p.Fault)
		}
	}
	dead("published")
	l.signed.Store(&old)
	l.refreshed(true)
	dead("rolled back")
	if s := l.listStatus(); !strings.Contains(s.LastError, "older status list") {
		t.Errorf("status %+v, want an older status list as its last error", s)
	}
	l.stop()
	l.start()
	l.refreshed(true)
	dead("restarted")
	// What is too old to be used stands in nobody's way.
	l.clock.advance(2 * time.Hour)
	l.clock.until(t, "the keys", func() bool { return l.status().State == authz.Fresh })
	l.refreshed(false)
	if p := l.verify(l.at(0)); p.Fault != nil || p.Token.Status != "valid" {
		t.Errorf("token %+v, fault %+v; want it valid", p.Token, p.Fault)
	}
}

// A list dated ahead of its time keeps no later one out.
func TestStatusListDatedAhead(t *testing.T) {
	l := newLister(t)
	l.publish(nil, map[string]any{"iat": l.clock.Now().Add(1000 * time.Hour).Unix()})
	l.start()
	l.ready()
	l.clock.advance(time.Minute)
	l.revokes(l.clock.Now())
	l.refreshed(false)
	if p := l.verify(l.at(0)); p.Fault != nil || p.Token.Status != "invalid" {
		t.Errorf("token %+v, fault %+v; want it invalid", p.Token, p.Fault)
	}
}

// Nor does one that was signed with a key the issuer has dropped since.
func TestStatusListOfADroppedKey(t *testing.T) {
	l := newLister(t)
	l.revokes(l.clock.Now())
	l.start()
	l.ready()
	next := newSigner(t, "ES256")
	changed := *l.issuer
	changed.Keys, changed.JWKSURL, changed.Revision = publicSet(t, next), "", 8
	l.issuer, l.signer = &changed, next
	l.list(&changed)
	l.publish(nil, map[string]any{"iat": l.clock.Now().Add(-time.Hour).Unix()})
	l.refreshed(false)
	if p := l.verify(l.at(0)); p.Fault != nil || p.Token.Status != "valid" {
		t.Errorf("token %+v, fault %+v; want it valid", p.Token, p.Fault)
	}
}

// The last good list survives a restart, and is verified again: one signed by a key
// the issuer has dropped since counts no more.
func TestStatusListSurvivesARestart(t *testing.T) {
	l := newLister(t)
	l.start()
	l.ready()
	text := l.at(1)
	l.stop()
	l.down.Store(true)
	l.clock.advance(20 * time.Minute)
	l.start()
	if p := l.verify(text); p.Fault != nil || p.Token.Status != "invalid" || p.Freshness != authz.Stale || p.Age != 20*time.Minute {
		t.Errorf("principal %+v, fault %+v; want an invalid token by a list that is stale, 20 min old", p, p.Fault)
	}
	next := newSigner(t, "ES256")
	changed := *l.issuer
	changed.Keys, changed.JWKSURL, changed.Revision = publicSet(t, next), "", 8
	l.issuer, l.signer = &changed, next
	wantFault(t, l.verify(l.at(1)), authz.IssuerUnavailable, "status_list_unavailable")
}

// A list an issuer no longer registers is forgotten, and its tokens are refused.
func TestUnregisteredStatusList(t *testing.T) {
	l := newLister(t)
	l.start()
	l.ready()
	text := l.at(0)
	l.proves(text, authz.Fresh)
	changed := *l.issuer
	changed.Revision, changed.StatusLists = 8, []string{l.url + "2"}
	l.issuer = &changed
	l.list(l.issuer)
	wantFault(t, l.verify(text), authz.TokenInvalid, "status_list_unknown")
	removed := changed
	removed.Revision, removed.StatusLists = 9, nil
	l.issuer = &removed
	wantFault(t, l.verify(text), authz.TokenInvalid, "status_unchecked")
}

// Claims a PEP asserts have a status too.
func TestStatusOfAssertedClaims(t *testing.T) {
	l := newLister(t)
	l.start()
	l.ready()
	claims := mustJSON(t, with(map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": 2, "uri": l.url}}}))
	p := present(l.v, registry{demoURL: l.issuer}, authz.Evidence{Claims: []byte(claims)})
	if p.Fault != nil || p.Token.Status != "suspended" {
		t.Errorf("token %+v, fault %+v; want it suspended", p.Token, p.Fault)
	}
}

// Row 17: buildhub, fresh for 10 minutes, of use for 2 hours and for tier 1 for 30
// minutes, is unreachable.
func TestAuthorityOutage(t *testing.T) {
	a := newAuthority(t)
	a.issuer.UsableForS, a.issuer.UsableForSByTier = 7200, map[string]int{"0": 1800, "1": 1800}
	a.start()
	a.fetched(1)
	text := sign(t, a.signer, nil, good())
	a.jwks.down()
	a.clock.advance(time.Hour)
	p := a.verify(text)
	if p.Fault != nil || p.Freshness != authz.Stale || p.Age != time.Hour || p.UsableFor != [authz.Tiers]time.Duration{30 * time.Minute, 30 * time.Minute, 2 * time.Hour, 2 * time.Hour} {
		t.Errorf("principal %+v, fault %+v; want it stale, an hour old, usable by the limits of its tiers", p, p.Fault) // template (T3) allows, audit (T1) denies
	}
	next := newSigner(t, "ES256")
	unknown := sign(t, next, nil, good())
	wantFault(t, a.verify(unknown), authz.IssuerUnavailable, "keys_unavailable")
	if s := a.status(); s.State != authz.Stale || s.ChangesInS == nil || *s.ChangesInS != 0 || !s.UsableUntilByTier["1"].Equal(now.Add(30*time.Minute)) || !s.UsableUntilByTier["3"].Equal(now.Add(2*time.Hour)) {
		t.Errorf("status %+v, want it stale, changed already, usable for 30 min and 2 h by tier", s)
	}
	a.clock.advance(2 * time.Hour)
	wantFault(t, a.verify(text), authz.IssuerUnavailable, "keys_unavailable")
	wantFault(t, a.verify(unknown), authz.IssuerUnavailable, "keys_unavailable")
	a.jwks.body(publicSet(t, a.signer))
	a.v.Refresh("demo")
	a.clock.until(t, "recovery", func() bool { return a.status().State == authz.Fresh })
	wantFault(t, a.verify(unknown), authz.TokenInvalid, "unknown_key")
	a.proves(text, authz.Fresh)
}

// The board counts down from the first failure on.
func TestStatusCountsDown(t *testing.T) {
	a := newAuthority(t)
	a.issuer.UsableForSByTier = map[string]int{"0": 900}
	a.start()
	if s := a.v.Status(&authz.Issuer{Header: authz.Header{ID: "never"}, JWKSURL: "https://never.example/keys"}); s.State != authz.Missing || s.ChangesInS == nil || *s.ChangesInS != 0 {
		t.Errorf("status %+v, want it missing, and changed already", s)
	}
	a.fetched(1)
	if s := a.status(); s.ChangesInS != nil {
		t.Errorf("well, yet %+v", s)
	}
	a.jwks.down()
	a.clock.advance(8 * time.Minute)
	a.clock.until(t, "the failure", func() bool { return a.status().LastError != "" })
	if s := a.status(); s.State != authz.Fresh || s.ChangesInS == nil || *s.ChangesInS != 420 {
		t.Errorf("status %+v, want it fresh, with a change in 420 s", s)
	}
}

// A SPIFFE bundle says itself how often it is fetched, and never goes back.
func TestBundleRefreshes(t *testing.T) {
	a := newAuthority(t)
	domain := trustDomainOf(t, a.signer)
	bundle := func(hint string, sequence int, keys ...any) []byte {
		return fmt.Appendf(nil, `{"keys":%s,"spiffe_refresh_hint":%s,"spiffe_sequence":%d}`, mustJSON(t, append([]any{}, keys...)), hint, sequence)
	}
	key := jwk(t, a.signer, map[string]any{"use": "jwt-svid", "alg": ""})
	domain.ID, domain.Keys, domain.JWKSURL, domain.FreshForS, domain.UsableForS = "demo", nil, a.issuer.JWKSURL, 600, 3600
	a.issuer = domain
	a.list(domain)
	a.jwks.body(bundle("60", 7, key))
	a.start()
	a.fetched(1)
	if s := a.status(); !s.FreshUntil.Equal(now.Add(time.Minute)) || !s.NextRefresh.Equal(now.Add(48*time.Second)) || s.Keys != 1 {
		t.Errorf("status %+v, want it fresh for a minute, refreshed after 48 s, with 1 key", s)
	}
	for name, body := range map[string][]byte{"older": bundle("60", 6), "no hint": bundle(`"x"`, 8), "fraction": bundle("1.5", 8)} {
		a.jwks.body(body)
		a.v.Refresh("demo")
		want := map[string]string{"older": "spiffe_sequence", "no hint": "spiffe_refresh_hint", "fraction": "spiffe_refresh_hint"}[name]
		a.clock.until(t, "the refusal", func() bool { return strings.Contains(a.status().LastError, want) })
		if s := a.status(); s.Keys != 1 {
			t.Errorf("%s: status %+v, want the 1 key of the last bundle", name, s)
		}
	}
	a.jwks.body(bundle("999999", 8)) // everything is revoked
	a.v.Refresh("demo")
	a.clock.until(t, "the empty bundle", func() bool { return a.status().Keys == 0 })
	if s := a.status(); !s.FreshUntil.Equal(now.Add(10 * time.Minute)) {
		t.Errorf("a hint makes nothing fresh for longer: %+v", s)
	}
}

// A client certificate stands on a bundle as a token stands on keys. Beside a token
// it supports nothing while its own bundle is stale.
func TestCertificateOfAStaleBundle(t *testing.T) {
	a := newAuthority(t)
	authority := newCA(t, nil, "prod", nil)
	domain := trustDomainOf(t, a.signer, authority)
	a.jwks.body(domain.Keys)
	domain.ID, domain.Keys, domain.JWKSURL, domain.FreshForS, domain.UsableForS = "demo", nil, a.issuer.JWKSURL, 600, 3600
	static := demoIssuer(t, a.signer)
	static.ID = "static"
	a.issuer = domain
	a.list(domain, static)
	a.start()
	a.fetched(1)
	leaf := issue(t, &authority, ecKey(t, elliptic.P256()), svidTemplate(userSVID, nil))
	d := &directory{registry: registry{prodDomain: domain, demoURL: static}}
	d.add(authz.Credential{Header: authz.Header{ID: "crt"}, MachineUser: "mu:user-svc", Kind: authz.KindCertificate, Issuer: "demo", Names: []string{userSVID}})
	at := func(e authz.Evidence) authz.Principal {
		return a.v.Verify(t.Context(), authz.Presentation{Evidence: e, Directory: d, Now: a.clock.Now()})
	}
	alone := authz.Evidence{Certificate: evidenceOf(leaf)}
	beside := authz.Evidence{Token: sign(t, a.signer, nil, good()), Certificate: alone.Certificate}
	if p := at(alone); p.Fault != nil || p.Freshness != authz.Fresh || p.UsableFor[0] != time.Hour {
		t.Errorf("principal %+v, fault %+v; want it fresh, usable for an hour", p, p.Fault)
	}
	if p := at(beside); p.Fault != nil || p.Level != 4 || p.UsableFor[0] != 0 {
		t.Errorf("principal %+v, fault %+v; want level 4, by keys that do not age", p, p.Fault)
	}
	a.jwks.down()
	a.clock.advance(11 * time.Minute)
	if p := at(alone); p.Fault != nil || p.Freshness != authz.Stale || p.Age != 11*time.Minute || p.Level != 4 {
		t.Errorf("principal %+v, fault %+v; want it stale, 11 min old, at level 4", p, p.Fault)
	}
	if p := at(beside); p.Fault != nil || p.Level != 3 || p.Supports != nil || p.Certificate == nil || p.Freshness != authz.Fresh {
		t.Errorf("principal %+v, fault %+v; want it fresh, at level 3: a stale certificate supports nothing", p, p.Fault)
	}
	a.clock.advance(time.Hour)
	wantFault(t, at(alone), authz.IssuerUnavailable, "authorities_unavailable")
}
