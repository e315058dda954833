package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// staged is an operator of a server whose credentials are a stage.
func staged(t *testing.T, l *servertest.Lifecycle) operator {
	return start(t, func(c *servertest.Config) {
		l.Control = c.Admin.Control
		c.Admin.Control, c.Admin.Rotations = l, l
		c.Admin.Now = func() time.Time { return servertest.Now }
	})
}

func TestHashesAreNeverAnswered(t *testing.T) {
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$dGFn"
	secret := &authz.Credential{Header: authz.Header{ID: "c1", Revision: 1}, MachineUser: "mu:a", Kind: authz.KindSharedSecret, Generation: 1, State: "active", SecretHash: hash}
	l := &servertest.Lifecycle{Made: authz.Written{Entity: secret, Revision: 9}, Secret: "vs_once"}
	o := staged(t, l)
	body := `{"machine_user":"mu:a","kind":"shared_secret","secret_hash":"` + hash + `"}`
	for _, call := range [][3]string{
		{"PUT", "/v1/credentials/c1", body},
		{"PUT", "/v1/credentials/c1", body},
		{"GET", "/v1/credentials/c1", ""},
		{"GET", "/v1/credentials", ""},
		{"GET", "/v1/changes", ""},
		{"POST", "/v1/secrets", `{"machine_user":"mu:a"}`},
	} {
		answer := o.send(call[0], call[1], call[2])
		if answer.Status >= 300 || !strings.Contains(answer.Body, `"c1"`) {
			t.Errorf("%v: got status %d, body %s; want status below 300, body with `\"c1\"`", call, answer.Status, answer.Body)
		}
		if strings.Contains(answer.Body, "argon2") || strings.Contains(answer.Body, "secret_hash") {
			t.Errorf("%v answers the hash: %s", call, answer.Body)
		}
	}
	if kept := o.Memory.Find(authz.Credentials, "c1").(*authz.Credential); kept.SecretHash != hash {
		t.Errorf("the hash kept is %q", kept.SecretHash)
	}
}

func TestNewSecret(t *testing.T) {
	made := &authz.Credential{Header: authz.Header{ID: "mu:a.secret.2", Revision: 9}, MachineUser: "mu:a", Kind: authz.KindSharedSecret, Generation: 2, State: "active"}
	l := &servertest.Lifecycle{Made: authz.Written{Entity: made, Created: true, Revision: 9}, Secret: "vs_once"}
	o := staged(t, l)
	answer := o.send("POST", "/v1/secrets", `{"machine_user":"mu:a"}`)
	expect(t, answer, http.StatusCreated, "")
	var got api.NewSecret[authz.Credential]
	if err := json.Unmarshal([]byte(answer.Body), &got); err != nil || got.Secret != "vs_once" || got.Credential.Generation != 2 {
		t.Errorf(`%s: got error %v; want no error, got.Secret "vs_once", got.Credential.Generation 2`, answer.Body, err)
	}
	if answer.Header.Get("Location") != "/v1/credentials/mu:a.secret.2" || answer.Header.Get(api.HeaderRevision) != "9" {
		t.Errorf(`got answer.Header %v; want answer.Header.Get("Location") "/v1/credentials/mu:a.secret.2", answer.Header.Get(api.HeaderRevision) "9"`, answer.Header)
	}
	for field, body := range map[string]string{
		"machine_user": `{}`,
		"not_after":    `{"machine_user":"mu:a","not_after":"2026-11-22T09:59:59Z"}`,
		"generation":   `{"machine_user":"mu:a","generation":7}`,
	} {
		expect(t, o.send("POST", "/v1/secrets", body), http.StatusBadRequest, field)
	}
	l.Err = authz.Errorf(authz.CodeConflict, "mu:a has two")
	expect(t, o.send("POST", "/v1/secrets", `{"machine_user":"mu:a"}`), http.StatusConflict, "")
}

func TestRevokeAndRenew(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	tests := map[string]struct {
		path, body string
		want       authz.Entity // nil: refused
		token      string
		field      string
	}{
		"subject":           {path: "revoke", body: `{"by":"subject","of":"mu:a","reason":"r"}`, want: &authz.Revocation{Listed: authz.Listed{By: "subject", Of: "mu:a", Reason: "r"}}},
		"issued before":     {path: "revoke", body: `{"by":"issuer","of":"demo","issued_before":"2026-11-22T09:00:00Z"}`, want: &authz.Revocation{Listed: authz.Listed{By: "issuer", Of: "demo"}, IssuedBefore: at("2026-11-22T09:00:00Z")}},
		"a token":           {path: "revoke", body: `{"by":"token","token":"eyJ"}`, token: "eyJ", want: &authz.Revocation{Listed: authz.Listed{By: "token", Of: authz.TokenID("https://i", "eyJ")}}},
		"renew within":      {path: "renew", body: `{"by":"subject","of":"mu:a","within_s":60}`, want: &authz.Renewal{Listed: authz.Listed{By: "subject", Of: "mu:a"}, IssuedBefore: servertest.Now, Deadline: servertest.Now.Add(time.Minute)}},
		"renew by":          {path: "renew", body: `{"by":"subject","of":"mu:a","deadline":"2026-11-23T00:00:00Z","issued_before":"2026-11-20T00:00:00Z"}`, want: &authz.Renewal{Listed: authz.Listed{By: "subject", Of: "mu:a"}, IssuedBefore: at("2026-11-20T00:00:00Z"), Deadline: at("2026-11-23T00:00:00Z")}},
		"token by name too": {path: "revoke", body: `{"by":"token","token":"eyJ","of":"x"}`, field: "token"},
		"token of another":  {path: "revoke", body: `{"by":"subject","token":"eyJ"}`, field: "token"},
		"ended":             {path: "revoke", body: `{"by":"subject","of":"mu:a","until":"2026-11-22T10:00:00Z"}`, field: "until"},
		"no deadline":       {path: "renew", body: `{"by":"subject","of":"mu:a"}`, field: "deadline"},
		"two deadlines":     {path: "renew", body: `{"by":"subject","of":"mu:a","within_s":60,"deadline":"2026-11-23T00:00:00Z"}`, field: "deadline"},
		"never":             {path: "renew", body: `{"by":"subject","of":"mu:a","within_s":-1}`, field: "within_s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &servertest.Lifecycle{}
			answer := staged(t, l).send("POST", "/v1/"+test.path, test.body)
			if test.want == nil {
				expect(t, answer, http.StatusBadRequest, test.field)
				if l.Entry != nil {
					t.Errorf("%v was listed", l.Entry)
				}
				return
			}
			expect(t, answer, http.StatusOK, "")
			test.want.Normalize()
			if diff := cmp.Diff(test.want, l.Entry); diff != "" || l.Token != test.token {
				t.Errorf("token %q, entry %s", l.Token, diff)
			}
			if !strings.Contains(answer.Body, `"data_revision":9`) || test.token != "" && strings.Contains(answer.Body, test.token) {
				t.Errorf("answered %s", answer.Body)
			}
		})
	}
}

func TestRotationSteps(t *testing.T) {
	l := &servertest.Lifecycle{
		Started: api.StartedRotation{Rotation: api.Rotation{ID: "s", Phase: "propagate", Revision: 9}, Secrets: map[string]string{"mu:a": "vs_once"}},
		Rotated: api.Rotation{ID: "s", Phase: "drain", Revision: 9},
	}
	o := staged(t, l)
	if answer := o.send("POST", "/v1/rotation_sets/s/start", `{}`); !strings.Contains(answer.Body, "vs_once") || answer.Header.Get(api.HeaderRevision) != "9" {
		t.Errorf(`got status %d, body %s; want body with "vs_once", answer.Header.Get(api.HeaderRevision) "9"`, answer.Status, answer.Body)
	}
	expect(t, o.send("POST", "/v1/rotation_sets/s/start", `{"members":{"mu:a":{"names":["dns:a"]}}}`), http.StatusOK, "")
	expect(t, o.send("POST", "/v1/rotation_sets/s/start", `{"member":{}}`), http.StatusBadRequest, "member")
	expect(t, o.send("POST", "/v1/rotation_sets/s/start", `{"advance":"manual"}`), http.StatusOK, "")
	expect(t, o.send("POST", "/v1/rotation_sets/s/force?phase=drain", ""), http.StatusOK, "")
	expect(t, o.send("POST", "/v1/rotation_sets/s/force?phase=done", ""), http.StatusBadRequest, "phase")
	expect(t, o.send("POST", "/v1/rotation_sets/s/abort?phase=drain", ""), http.StatusBadRequest, "phase")
	for _, action := range []string{"advance", "force", "abort", "emergency"} {
		expect(t, o.send("POST", "/v1/rotation_sets/s/"+action, ""), http.StatusOK, "")
		expect(t, o.send("POST", "/v1/rotation_sets/s/"+action+"?dry=1", ""), http.StatusBadRequest, "dry")
	}
	expect(t, o.send("GET", "/v1/rotation_sets/s/status", ""), http.StatusOK, "")
	expect(t, o.send("POST", "/v1/rotation_sets/s/leap", ""), http.StatusNotFound, "")
	by := " by key_operate"
	want := []string{"start s" + by, "start s" + by, "start s manual" + by, "force s drain" + by, "advance s" + by, "force s" + by, "abort s" + by, "emergency s" + by, "status s"}
	if diff := cmp.Diff(want, l.Asked); diff != "" {
		t.Error(diff)
	}
	l.Err = authz.Errorf(authz.CodeConflict, "waiting for mu:a to use generation 4")
	if answer := o.send("POST", "/v1/rotation_sets/s/advance", ""); answer.Status != http.StatusConflict || !strings.Contains(answer.Problem().Detail, "waiting for mu:a") {
		t.Errorf(`got status %d, body %s; want status 409, answer.Problem().Detail with "waiting for mu:a"`, answer.Status, answer.Body)
	}
}

func TestReplaceKeys(t *testing.T) {
	l := &servertest.Lifecycle{}
	o := staged(t, l)
	expect(t, o.send("POST", "/v1/token_service/replace_keys", ""), http.StatusNoContent, "")
	answer := o.Do(servertest.Call{Method: "POST", URL: o.Admin() + "/v1/token_service/replace_keys", Key: o.Key(authz.RoleReview)})
	expect(t, answer, http.StatusForbidden, "")
	if diff := cmp.Diff([]string{"replace keys"}, l.Asked); diff != "" {
		t.Errorf("asked for (-) and done (+):\n%s", diff)
	}
	expect(t, start(t, nil).send("POST", "/v1/token_service/replace_keys", ""), http.StatusNotFound, "")
}

// TestRotationsAreNotWritten: how far a rotation is comes from its steps alone.
func TestRotationsAreNotWritten(t *testing.T) {
	o := start(t, nil)
	o.Memory.Keep(&authz.Rotation{Header: authz.Header{ID: "s", Revision: 1}, Phase: authz.PhaseDrain, Members: []authz.RotationMember{{MachineUser: "mu:a", New: "c2"}}, Steps: []authz.RotationStep{}, Kind: "shared_secret", QuietS: 1})
	expect(t, o.send("GET", "/v1/rotations/s", ""), http.StatusOK, "")
	expect(t, o.send("GET", "/v1/rotations", ""), http.StatusOK, "")
	for _, method := range []string{"PUT", "DELETE"} {
		expect(t, o.send(method, "/v1/rotations/s", `{}`), http.StatusMethodNotAllowed, "")
	}
	expect(t, o.send("POST", "/v1/rotations", `{}`), http.StatusMethodNotAllowed, "")
}

func TestIssuersSayHowTheyStand(t *testing.T) {
	o := start(t, func(c *servertest.Config) {
		c.Admin.IssuerStatus = func(i *authz.Issuer) authz.IssuerStatus {
			return authz.IssuerStatus{State: "stale", LastError: "of " + i.ID}
		}
	})
	made := o.send("PUT", "/v1/issuers/demo", `{"url":"https://i","jwks_url":"https://i/k","algorithms":["ES256"]}`)
	for _, answer := range []servertest.Answer{made, o.send("GET", "/v1/issuers/demo", ""), o.send("GET", "/v1/issuers", ""), o.send("GET", "/v1/issuers/demo", "", "If-None-Match", made.Header.Get("ETag"))} {
		if answer.Status >= 300 || !strings.Contains(answer.Body, `"state":"stale"`) || !strings.Contains(answer.Body, "of demo") {
			t.Errorf("got status %d, body %s; want status below 300, body with `\"state\":\"stale\"`, body with \"of demo\"", answer.Status, answer.Body)
		}
	}
	// What was read may be written back as it is; the status is not kept.
	expect(t, o.send("PUT", "/v1/issuers/demo", made.Body), http.StatusOK, "")
	if kept := o.Memory.Find(authz.Issuers, "demo").(*authz.Issuer); kept.Status != nil {
		t.Errorf("kept %+v", kept.Status)
	}
	if feed := o.send("GET", "/v1/changes", ""); strings.Contains(feed.Body, "stale") {
		t.Errorf("the feed says how an issuer stands: %s", feed.Body)
	}
}
