package credentials_test

import (
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/credentials"
)

func TestRevokedCredentialsAreOver(t *testing.T) {
	s := newStage(t)
	if _, _, err := s.NewSecret(t.Context(), "mu:a", "c1", time.Time{}); err != nil {
		t.Fatal(err)
	}
	before := s.store.Revision()
	written, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByCredential, Of: "c1"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if written.Revision != before+1 || !written.Created {
		t.Errorf("revision %d after %d: list and state are one write", written.Revision, before)
	}
	if c := s.credential("c1"); c.State != authz.CredentialRevoked || c.SecretHash == "" {
		t.Errorf("left %+v", c)
	}
	// Again, and with an end: the state stays, and so does the entry.
	again, err := s.Revoke(t.Context(), &authz.Revocation{Listed: authz.Listed{By: authz.ByCredential, Of: "c1"}, Until: start.Add(time.Hour)}, "")
	if err != nil || again.Created || !again.Entity.(*authz.Revocation).Until.IsZero() {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// A revocation that is limited stops some tokens; the credential itself lives.
func TestALimitedRevocationEndsNoCredential(t *testing.T) {
	for name, r := range map[string]authz.Revocation{
		"of older tokens": {IssuedBefore: start},
		"for a while":     {Until: start.Add(time.Hour)},
		"both":            {IssuedBefore: start, Until: start.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			if _, _, err := s.NewSecret(t.Context(), "mu:a", "c1", time.Time{}); err != nil {
				t.Fatal(err)
			}
			r.Listed = authz.Listed{By: authz.ByCredential, Of: "c1"}
			if _, err := s.Revoke(t.Context(), &r, ""); err != nil {
				t.Fatal(err)
			}
			if c := s.credential("c1"); c.State != authz.CredentialActive {
				t.Errorf("it is %s", c.State)
			}
			if s.revocation("credential/c1") == nil {
				t.Error("no entry was written")
			}
		})
	}
}

// What was asked for last is no reason to stop less than before.
func TestRevocationsOnlyGrow(t *testing.T) {
	hour, day := start.Add(time.Hour), start.Add(24*time.Hour)
	type limits struct{ issuedBefore, until time.Time }
	for name, test := range map[string]struct{ was, asked, want limits }{
		"a departure's":      {limits{start, day}, limits{start.Add(-time.Hour), hour}, limits{start, day}},
		"of all, for good":   {limits{}, limits{start, hour}, limits{}},
		"stronger":           {limits{start, hour}, limits{}, limits{}},
		"newer and longer":   {limits{start, hour}, limits{hour, day}, limits{hour, day}},
		"one that has ended": {limits{time.Time{}, start}, limits{start, hour}, limits{start, hour}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.now = start.Add(-time.Minute) // the ended one, too, is there when it is written
			listed := authz.Listed{By: authz.BySubject, Of: "mu:a"}
			s.put(&authz.Revocation{Listed: listed, IssuedBefore: test.was.issuedBefore, Until: test.was.until})
			s.now = start
			written, err := s.Revoke(t.Context(), &authz.Revocation{Listed: listed, IssuedBefore: test.asked.issuedBefore, Until: test.asked.until}, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*authz.Revocation{written.Entity.(*authz.Revocation), s.revocation("subject/mu:a")} {
				if got := (limits{r.IssuedBefore, r.Until}); got != test.want || written.Created {
					t.Errorf("wrote %+v, want %+v", got, test.want)
				}
			}
		})
	}
}

func TestRenewalsOnlyGrow(t *testing.T) {
	s := newStage(t)
	listed := authz.Listed{By: authz.BySubject, Of: "mu:a"}
	for _, r := range []authz.Renewal{
		{IssuedBefore: start, Deadline: start.Add(time.Hour)},
		{IssuedBefore: start.Add(-time.Hour), Deadline: start.Add(2 * time.Hour), Until: start.Add(3 * time.Hour)},
	} {
		r.Listed = listed
		if _, err := s.Renew(t.Context(), &r, ""); err != nil {
			t.Fatal(err)
		}
	}
	entity, err := s.store.Get(authz.Renewals, "subject/mu:a")
	if err != nil {
		t.Fatal(err)
	}
	if r := entity.(*authz.Renewal); !r.IssuedBefore.Equal(start) || !r.Deadline.Equal(start.Add(time.Hour)) || !r.Until.IsZero() {
		t.Errorf("left %+v", r)
	}
}

// TestAnEntryGrowsFromWhatARaceLeft: another writer strengthens the entry between
// the reading and the writing of ours.
func TestAnEntryGrowsFromWhatARaceLeft(t *testing.T) {
	for name, was := range map[string]bool{"of none": false, "of one": true} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			listed := authz.Listed{By: authz.BySubject, Of: "mu:a"}
			if was {
				s.put(&authz.Revocation{Listed: listed, IssuedBefore: start, Until: start.Add(time.Hour)})
			}
			s.between = func() { s.put(&authz.Revocation{Listed: listed, IssuedBefore: start}) }
			written, err := s.Revoke(t.Context(), &authz.Revocation{Listed: listed, IssuedBefore: start, Until: start.Add(time.Hour)}, "")
			if err != nil || written.Created {
				t.Fatalf("got written %+v, error %v; want no error, Created false", written, err)
			}
			if r := s.revocation("subject/mu:a"); !r.Until.IsZero() {
				t.Errorf("ends %v", r.Until)
			}
		})
	}
}

func TestATokenNamesItself(t *testing.T) {
	id := authz.TokenID("https://issuer.example", "j")
	for name, test := range map[string]struct {
		token authz.Token
		until time.Time // asked for
		want  time.Time
	}{
		"it expires":     {authz.Token{ID: id, ExpiresAt: start.Add(time.Minute), Leeway: 5 * time.Second}, time.Time{}, start.Add(65 * time.Second)},
		"nobody says":    {authz.Token{ID: id, Leeway: 5 * time.Second}, time.Time{}, start.Add(authz.LongestTokenLife)},
		"somebody wants": {authz.Token{ID: id, ExpiresAt: start.Add(time.Minute)}, start.Add(time.Hour), start.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			revocation := &authz.Revocation{Listed: authz.Listed{By: authz.ByToken}, Until: test.until}
			renewal := &authz.Renewal{Listed: authz.Listed{By: authz.ByToken}, IssuedBefore: start, Deadline: start.Add(time.Second), Until: test.until}
			if _, err := s.Revoke(t.Context(), revocation, "text"); err == nil {
				t.Error("a token that does not verify was revoked")
			}
			if _, err := s.Renew(t.Context(), renewal, "text"); err == nil {
				t.Error("a token that does not verify is to be renewed")
			}
			s.token = &test.token
			revoked, err := s.Revoke(t.Context(), revocation, "text")
			if err != nil {
				t.Fatal(err)
			}
			renewed, err := s.Renew(t.Context(), renewal, "text")
			if err != nil {
				t.Fatal(err)
			}
			for _, written := range []authz.Written{revoked, renewed} {
				if e := written.Entity; e.Head().ID != "token/"+id || !e.Expires().Equal(test.want) {
					t.Errorf("%T %s ends %v, want %v", e, e.Head().ID, e.Expires(), test.want)
				}
			}
		})
	}
}

// CheckListed is what stands between a PUT and a list.
func TestCheckListed(t *testing.T) {
	s := newStage(t)
	s.put(&authz.Issuer{Header: authz.Header{ID: "demo"}, URL: "https://issuer.example", JWKSURL: "https://issuer.example/jwks", Algorithms: []string{"ES256"}})
	view, err := s.store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	for name, test := range map[string]struct {
		listed authz.Listed
		code   authz.ErrorCode
	}{
		"a key":          {authz.Listed{By: authz.ByIssuerKey, Issuer: "https://issuer.example", Name: "k"}, ""},
		"of nobody":      {authz.Listed{By: authz.ByIssuerKey, Issuer: "https://issuer.example/", Name: "k"}, authz.CodeInvalid},
		"a certificate":  {authz.Listed{By: authz.ByCertificate, Issuer: "CN=ca", Name: "0a"}, ""},
		"of no issuer":   {authz.Listed{By: authz.ByToken, Of: authz.TokenID("x", "y")}, ""},
		"a machine user": {authz.Listed{By: authz.BySubject, Of: "mu:z"}, ""}, // one may be listed before it is there
	} {
		for _, entry := range []authz.Entity{&authz.Revocation{Listed: test.listed}, &authz.Renewal{Listed: test.listed}} {
			if err := credentials.CheckListed(view, entry); authz.CodeOf(err) != test.code {
				t.Errorf("%s: %v, want %q", name, err, test.code)
			}
		}
	}
}
