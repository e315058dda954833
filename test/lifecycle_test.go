package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/test/pdptest"
	"github.com/verdict-pdp/verdict/token"
)

// life is a Verdict with the demo data, in which a job proves itself by whatever a
// test gives it, to a service of tier 1 that anything is enough for.
type life struct{ operator }

const jobID = "mu:courier"

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{operator{pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: keepExpired})}}
	level := 1
	l.Put(&authz.Service{Header: authz.Header{ID: "svc:parcel"}, Tier: 1, Env: "prod", RequiredLevel: authz.RequiredLevel{Internal: &level}})
	l.Put(&authz.Edge{From: jobID, To: "svc:parcel", Actions: []string{"parcel.send"}})
	l.Put(job())
	return l
}

// job is the machine user, for a test to change.
func job(issuers ...string) *authz.MachineUser {
	return &authz.MachineUser{Header: authz.Header{ID: jobID}, Kind: "job", Origin: authz.OriginInternal, Env: "prod", Owner: "messaging", Tier: 2, Issuers: issuers}
}

// proof is a credential of the job. What is good only once is made at each call.
type proof func() map[string]any

func (l *life) ask(p proof) api.Decision {
	l.T.Helper()
	question := call("parcel.send", "svc:parcel", "")
	question["credential"] = p()
	d := l.AskAsserting(question)
	if (d.Outcome == api.Allow) != (len(d.Reasons) == 0) {
		l.T.Errorf("%s with %v", d.Outcome, d.Reasons)
	}
	return d
}

// wants compares the codes of a decision, none when it allows, and gives it.
func (l *life) wants(what string, p proof, codes ...string) api.Decision {
	l.T.Helper()
	d := l.ask(p)
	if diff := cmp.Diff(append([]string{}, codes...), pdptest.Codes(d.Reasons)); diff != "" {
		l.T.Errorf("%s (-want +got):\n%s", what, diff)
	}
	return d
}

// jwt is a fresh token of the demo's issuer for the job, perhaps with other claims.
func (l *life) jwt(changes map[string]any) proof {
	l.T.Helper()
	claims := l.Claims(jobID)
	for name, value := range changes {
		claims[name] = value
	}
	return bearer(l.Sign(claims))
}

func bearer(text string) proof { return func() map[string]any { return map[string]any{"token": text} } }

// secret is a new secret of the job, and the id of its credential.
func (l *life) secret() (string, proof) {
	l.T.Helper()
	made, text := l.NewSecret(jobID, "")
	return made.ID, func() map[string]any { return map[string]any{"client_id": jobID, "client_secret": text} }
}

// keyPair is a new key of the job.
func (l *life) keyPair(credential string, generation int) proof {
	l.T.Helper()
	client := pdptest.NewClient(l.T, jobID)
	l.Put(client.Credential(credential, generation))
	return func() map[string]any {
		return map[string]any{"client_assertion": client.Assertion(l.Clock.Now())}
	}
}

// authority is an issuer that may speak for the job beside the demo's.
func (l *life) authority() *pdptest.Authority {
	l.T.Helper()
	a := pdptest.NewAuthority(l.T, "deliveries")
	l.Register(a.Issuer())
	l.Put(job(demo.IssuerID, a.ID))
	return a
}

func (l *life) jwtOf(a *pdptest.Authority) proof {
	l.T.Helper()
	return bearer(a.Sign(nil, a.Claims(jobID, l.Clock.Now())))
}

func presenting(c *pdptest.Certificate) proof {
	return func() map[string]any { return map[string]any{"certificate": c.PEM()} }
}

// revoke puts an entry on the revocation list over the API.
func (l *life) revoke(request api.RevokeRequest) (*authz.Revocation, uint64) {
	l.T.Helper()
	var listing api.Listing[*authz.Revocation]
	l.must(http.StatusOK, http.MethodPost, api.PathRevoke, request, &listing)
	return listing.Entry, listing.DataRevision
}

// renew puts an entry on the renewal list over the API.
func (l *life) renew(request api.RenewRequest) *authz.Renewal {
	l.T.Helper()
	var listing api.Listing[*authz.Renewal]
	l.must(http.StatusOK, http.MethodPost, api.PathRenew, request, &listing)
	return listing.Entry
}

// revocation is one way to revoke: what is named, what it stops and what goes on.
type revocation struct {
	api.Naming
	before  time.Time // issued_before
	stopped proof
	codes   []string
	spared  proof // nil when nothing is
}

var (
	tokenRevoked      = []string{"TOKEN_REVOKED"}
	credentialRevoked = []string{"CREDENTIAL_REVOKED"}
	// A credential that is revoked is so twice: by its state and by the list.
	stateRevoked = []string{"CREDENTIAL_REVOKED", "CREDENTIAL_REVOKED"}
)

// TestRevokeEachWay: the decision after the write denies, by the write's revision
// or a later one, and what was not named goes on.
func TestRevokeEachWay(t *testing.T) {
	t.Parallel()
	justNow := sunday.Add(-10 * time.Second) // after the tokens were issued
	tests := map[string]func(l *life) revocation{
		"a token by its jti": func(l *life) revocation {
			return revocation{
				Naming:  api.Naming{By: authz.ByToken, Issuer: demo.IssuerURL, Name: "leaked"},
				stopped: l.jwt(map[string]any{"jti": "leaked"}), codes: tokenRevoked, spared: l.jwt(nil),
			}
		},
		"a token given whole": func(l *life) revocation {
			leaked := l.jwt(nil)
			return revocation{
				Naming:  api.Naming{By: authz.ByToken, Token: leaked()["token"].(string)},
				stopped: leaked, codes: tokenRevoked, spared: l.jwt(nil),
			}
		},
		"a bound token given whole, without the key it is bound to": func(l *life) revocation {
			thumbprint := token.Thumbprint([]byte("a certificate"))
			leaked := l.jwt(map[string]any{"cnf": map[string]any{"x5t#S256": thumbprint}})()["token"]
			return revocation{
				Naming:  api.Naming{By: authz.ByToken, Token: leaked.(string)},
				stopped: func() map[string]any { return map[string]any{"token": leaked, "certificate_thumbprint": thumbprint} },
				codes:   tokenRevoked, spared: l.jwt(nil),
			}
		},
		"a secret": func(l *life) revocation {
			id, leaked := l.secret()
			_, other := l.secret()
			return revocation{Naming: api.Naming{By: authz.ByCredential, Of: id}, stopped: leaked, codes: stateRevoked, spared: other}
		},
		"a key pair": func(l *life) revocation {
			return revocation{
				Naming:  api.Naming{By: authz.ByCredential, Of: "cred-key-1"},
				stopped: l.keyPair("cred-key-1", 1), codes: stateRevoked, spared: l.keyPair("cred-key-2", 2),
			}
		},
		"the credential a token was got with": func(l *life) revocation {
			id, _ := l.secret()
			return revocation{
				Naming:  api.Naming{By: authz.ByCredential, Of: id},
				stopped: l.jwt(map[string]any{"credential_id": id}), codes: []string{"CREDENTIAL_REVOKED", "TOKEN_REVOKED"}, spared: l.jwt(nil),
			}
		},
		"a machine user's tokens": func(l *life) revocation {
			return revocation{Naming: api.Naming{By: authz.BySubject, Of: jobID}, stopped: l.jwt(nil), codes: tokenRevoked}
		},
		"a machine user's secrets": func(l *life) revocation {
			_, secret := l.secret()
			return revocation{Naming: api.Naming{By: authz.BySubject, Of: jobID}, stopped: secret, codes: credentialRevoked}
		},
		"what a machine user was issued before": func(l *life) revocation {
			_, secret := l.secret()
			return revocation{
				Naming: api.Naming{By: authz.BySubject, Of: jobID}, before: justNow,
				stopped: l.jwt(nil), codes: tokenRevoked, spared: secret,
			}
		},
		"what it was issued before, and not after": func(l *life) revocation {
			return revocation{
				Naming: api.Naming{By: authz.BySubject, Of: jobID}, before: justNow,
				stopped: l.jwt(nil), codes: tokenRevoked, spared: l.jwt(map[string]any{"iat": sunday.Unix()}),
			}
		},
		"a tenant": func(l *life) revocation {
			its := job()
			its.Tenant = "helios-energy"
			l.Put(its)
			return revocation{Naming: api.Naming{By: authz.ByTenant, Of: "helios-energy"}, stopped: l.jwt(nil), codes: tokenRevoked}
		},
		"an issuer's key": func(l *life) revocation {
			a := l.authority()
			leaked, stopped := a.KeyID(), l.jwtOf(a)
			a.AddKey("ES256")
			l.Clock.Set(sunday.Add(time.Second)) // so that Register sees the new fetch
			l.Register(a.Issuer())
			return revocation{
				Naming:  api.Naming{By: authz.ByIssuerKey, Issuer: a.URL, Name: leaked},
				stopped: stopped, codes: tokenRevoked, spared: l.jwtOf(a),
			}
		},
		"an issuer": func(l *life) revocation {
			a := l.authority()
			return revocation{Naming: api.Naming{By: authz.ByIssuer, Of: a.ID}, stopped: l.jwtOf(a), codes: tokenRevoked, spared: l.jwt(nil)}
		},
		"a certificate": func(l *life) revocation {
			ca := pdptest.NewCA(l.T, "Brightfold CA", sunday)
			l.Register(ca.Issuer("brightfold-ca"))
			l.Put(&authz.Credential{Header: authz.Header{ID: "cred-courier-cert"}, MachineUser: jobID, Kind: authz.KindCertificate, Issuer: "brightfold-ca", Names: []string{"dns:courier.example"}})
			leaked, other := ca.Client("courier", "courier.example"), ca.Client("courier", "courier.example")
			return revocation{
				Naming:  api.Naming{By: authz.ByCertificate, Issuer: leaked.Leaf.Issuer.String(), Name: leaked.Leaf.SerialNumber.Text(16)},
				stopped: presenting(leaked), codes: credentialRevoked, spared: presenting(other),
			}
		},
		"everything issued before": func(l *life) revocation {
			return revocation{
				Naming: api.Naming{By: authz.ByEverything, Of: authz.Everything}, before: justNow,
				stopped: l.jwt(nil), codes: tokenRevoked, spared: l.jwt(map[string]any{"iat": sunday.Unix()}),
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			r := test(l)
			l.wants("before", r.stopped)
			_, revision := l.revoke(api.RevokeRequest{Naming: r.Naming, IssuedBefore: r.before})
			if d := l.wants("after", r.stopped, r.codes...); d.DataRevision < revision {
				t.Errorf("the write made revision %d, the decision is of %d", revision, d.DataRevision)
			}
			if r.spared != nil {
				l.wants("what was not named", r.spared)
			}
		})
	}
}

// TestListEntriesEndByThemselves: at until, and that of a token given whole when
// the token is over.
func TestListEntriesEndByThemselves(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	_, secret := l.secret()
	until := sunday.Add(10 * time.Minute)
	l.revoke(api.RevokeRequest{Naming: api.Naming{By: authz.BySubject, Of: jobID}, Until: until})
	l.wants("at once", secret, "CREDENTIAL_REVOKED")
	l.Clock.Set(until.Add(-time.Second))
	l.wants("a second before", secret, "CREDENTIAL_REVOKED")
	l.Clock.Set(until.Add(time.Second))
	l.wants("a second after", secret)

	leaked := l.jwt(nil)
	entry, _ := l.revoke(api.RevokeRequest{Naming: api.Naming{By: authz.ByToken, Token: leaked()["token"].(string)}})
	if want := l.Clock.Now().Add(5 * time.Minute); !entry.Until.Equal(want) {
		t.Errorf("the entry ends %s, the token %s", entry.Until, want)
	}
	if problem := l.refused(http.StatusBadRequest, http.MethodPost, api.PathRevoke, api.RevokeRequest{Naming: api.Naming{By: authz.BySubject, Of: jobID}, Until: sunday}); problem.Field != "until" {
		t.Errorf("an entry that had ended before it began: %+v", problem)
	}
}

// TestRenewBy is row 16 of the demo: allowed with advice until the deadline, then
// denied; a token issued since is neither.
func TestRenewBy(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	old := l.jwt(map[string]any{"exp": sunday.Add(10 * time.Minute).Unix()})
	entry := l.renew(api.RenewRequest{Naming: api.Naming{By: authz.BySubject, Of: jobID}, WithinS: 240})
	if !entry.IssuedBefore.Equal(sunday) || !entry.Deadline.Equal(sunday.Add(4*time.Minute)) {
		t.Errorf("got %+v; want IssuedBefore %v, Deadline sunday.Add(4*time.Minute)", entry, sunday)
	}
	advice := func(leftS float64) []api.Duty { return []api.Duty{{"id": "renew_token", "within_s": leftS}} }
	same(t, "advice at once", advice(240), l.wants("at once", old).Advice)
	l.Clock.Set(sunday.Add(3*time.Minute + 59*time.Second))
	same(t, "advice at the last second", advice(1), l.wants("at the last second", old).Advice)
	renewed := l.jwt(nil)
	same(t, "advice for a new token", nil, l.wants("renewed", renewed).Advice)
	l.Clock.Set(sunday.Add(4*time.Minute + time.Second))
	d := l.wants("after the deadline", old, "TOKEN_RENEWAL_REQUIRED")
	if d.Reasons[0].Status != http.StatusUnauthorized || d.Reasons[0].Details["by"] != authz.BySubject {
		t.Errorf(`got d.Reasons[0] %+v; want d.Reasons[0].Status 401, d.Reasons[0].Details["by"] "subject"`, d.Reasons[0])
	}
	same(t, "advice for a new token", nil, l.wants("renewed, after the deadline", renewed).Advice)
}

// TestReactivationRevivesNoToken is row 15 of the demo: a machine user that was
// suspended and is active again gets along with new tokens only, however it was
// written.
func TestReactivationRevivesNoToken(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(l *life, m *authz.MachineUser){
		"one by one": func(l *life, m *authz.MachineUser) { l.Put(m) },
		"imported":   func(l *life, m *authz.MachineUser) { l.importLines(m) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			old := l.jwt(map[string]any{"exp": sunday.Add(10 * time.Minute).Unix()})
			l.wants("active", old)
			suspended := job()
			suspended.State = authz.StateSuspended
			write(l, suspended)
			l.wants("suspended", old, "SUBJECT_SUSPENDED")
			l.Clock.Set(sunday.Add(time.Minute))
			active := job()
			active.State = authz.StateActive
			write(l, active)
			l.wants("active again", old, "TOKEN_REVOKED")
			l.Clock.Set(sunday.Add(2 * time.Minute)) // tokens of the harness are 30 s old
			l.wants("a new token", l.jwt(nil))
			l.wants("and the old one still", old, "TOKEN_REVOKED")

			active.TokensValidFrom = sunday.Add(-time.Hour)
			write(l, active)
			l.wants("after a write that sets tokens_valid_from back", old, "TOKEN_REVOKED")
		})
	}
}

// TestRetiredIsFinal: nothing makes a retired or revoked credential active again.
func TestRetiredIsFinal(t *testing.T) {
	t.Parallel()
	for state, code := range map[string]string{authz.CredentialRetired: "CREDENTIAL_RETIRED", authz.CredentialRevoked: "CREDENTIAL_REVOKED"} {
		t.Run(state, func(t *testing.T) {
			l := newLife(t)
			id, secret := l.secret()
			l.wants("active", secret)
			write := &authz.Credential{Header: authz.Header{ID: id}, MachineUser: jobID, Kind: authz.KindSharedSecret, Generation: 1, State: state}
			l.Put(write)
			l.wants(state, secret, code)

			write.State = authz.CredentialActive
			if problem := l.refused(http.StatusBadRequest, http.MethodPut, "/v1/credentials/"+id, write); problem.Field != "state" || !strings.Contains(problem.Detail, "final") {
				t.Errorf(`got %+v; want Field "state", Detail with "final"`, problem)
			}
			line := marshal(t, api.Line[authz.Entity]{Collection: authz.Credentials, Entity: write})
			var report api.ImportReport
			unmarshal(t, l.Call(http.MethodPost, l.AdminURL()+api.PathImport, l.Operator(), line, "Content-Type", api.TypeNDJSON).Body, &report)
			if report.Failed != 1 || report.Errors[0].Field != "state" {
				t.Errorf("imported: %+v", report)
			}
			l.wants("still", secret, code)
		})
	}
}

// TestLastUseIsKnownAndCostsLittle: when and from where a credential was used is on
// it after its first use, and however often it is used is written once a minute.
func TestLastUseIsKnownAndCostsLittle(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	id, secret := l.secret()
	_, other := l.secret()
	from := func(source string, p proof) {
		t.Helper()
		question := call("parcel.send", "svc:parcel", "")
		question["credential"] = p()
		question["context"].(map[string]any)["source_ip"] = source
		if d := l.Ask(question); d.Outcome != api.Allow {
			t.Fatalf("got d.Reasons %+v; want d.Outcome Allow", d.Reasons)
		}
	}
	before := l.revision()
	const uses = 300
	for range uses {
		from("10.4.1.7", secret)
	}
	changes := l.nextChanges(before)
	c := l.credential(id)
	if !c.LastUsedAt.Equal(sunday) || c.LastUsedFrom != "10.4.1.7" {
		t.Errorf("last used %s from %q", c.LastUsedAt, c.LastUsedFrom)
	}
	if len(changes.Changes) != 1 || changes.Changes[0].ID != id {
		t.Errorf("the feed says %+v", changes)
	}

	// The first use of another is written at once, in a round that would have written
	// this one as well.
	l.Clock.Set(sunday.Add(59 * time.Second))
	from("10.4.1.8", secret)
	from("10.4.1.9", other)
	l.nextChanges(before + 1)
	if c := l.credential(id); !c.LastUsedAt.Equal(sunday) {
		t.Errorf("written again after %s", c.LastUsedAt.Sub(sunday))
	}
	if at := l.revision(); at != before+2 {
		t.Errorf("%d uses of two credentials made %d writes, want 2", uses+2, at-before)
	}
	t.Logf("%d uses of two credentials: %d writes", uses+2, l.revision()-before)

	// A minute after the last write the latest use is.
	l.Clock.Set(sunday.Add(time.Minute))
	l.nextChanges(before + 2)
	if c := l.credential(id); !c.LastUsedAt.Equal(sunday.Add(59*time.Second)) || c.LastUsedFrom != "10.4.1.8" {
		t.Errorf("last used %s from %q", c.LastUsedAt, c.LastUsedFrom)
	}
	var feed api.Change[*authz.Credential]
	if err := json.Unmarshal(marshal(t, l.nextChanges(before + 2).Changes[0]), &feed); err != nil || feed.Entity.SecretHash != "" || feed.Entity.LastUsedFrom != "10.4.1.8" {
		t.Errorf("the feed has %+v, %v", feed.Entity, err)
	}
}
