package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// ids are what parameters of paths are given in these tests.
var ids = map[string]string{"id": "x1", "name": "acme", "generation": "7", "from": "mu:a", "to": "svc:b", "holder": "user:u-a", "feature": "email.x", "by": "subject", "of": "mu:a"}

// at is the path of a row, with ids in it.
func at(row *route.Row) string {
	path := row.Path
	for name, id := range ids {
		path = strings.ReplaceAll(path+"/", "/:"+name+"/", "/"+id+"/")
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// changes are the rows that change something.
func changes(t *testing.T) []route.Row {
	var all []route.Row
	for _, row := range new(admin.Handler).Rows() {
		if row.Change != "" {
			all = append(all, row)
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d rows change something", len(all))
	}
	return all
}

// Every kind of change that is asked for over HTTP is a row's.
func TestEveryKindOfChangeHasARow(t *testing.T) {
	asked := map[authz.ChangeKind]bool{authz.ChangeRestore: true} // by a command that opens the data itself
	for _, row := range changes(t) {
		asked[row.Change] = true
	}
	for _, kind := range authz.ChangeKinds() {
		if !asked[kind] {
			t.Errorf("no row asks for %s", kind)
		}
	}
}

// A change that is refused before it is asked for is recorded once, whatever refused it,
// with what its path says it would have been of.
func TestRefusedChangesAreRecordedOnce(t *testing.T) {
	o := start(t, nil)
	for _, row := range changes(t) {
		role, _ := row.Change.Role()
		other := authz.RoleReview
		path := at(&row)
		mediaType := api.TypeJSON
		if len(row.Takes) > 0 {
			mediaType = row.Takes[0]
		}
		type refusal struct {
			name   string
			call   servertest.Call
			status int
			code   authz.ErrorCode
		}
		call := func(role authz.Role, path, body, mediaType string) servertest.Call {
			return servertest.Call{Method: row.Method, URL: o.Admin() + path, Key: o.Key(role), Body: body, Header: http.Header{"Content-Type": {mediaType}}}
		}
		refusals := []refusal{
			{"role", call(other, path, "{}", mediaType), http.StatusForbidden, authz.CodeForbidden},
			{"query", call(role, path+"?made_up=1", "{}", mediaType), http.StatusBadRequest, authz.CodeInvalid},
		}
		if row.Body != nil || len(row.Takes) > 0 || row.Handler.Body() != nil {
			refusals = append(refusals, refusal{"media type", call(role, path, "{}", "text/plain"), http.StatusUnsupportedMediaType, authz.CodeUnsupportedMedia})
		}
		if row.Handler.Body() != nil {
			refusals = append(refusals, refusal{"body", call(role, path, `{"made_up":1}`, api.TypeJSON), http.StatusBadRequest, authz.CodeInvalid})
		}
		for _, r := range refusals {
			t.Run(row.ID+"/"+r.name, func(t *testing.T) {
				before := len(o.Audit.All())
				answer := o.Do(r.call)
				if answer.Status != r.status {
					t.Fatalf("%d %s, want %d", answer.Status, answer.Body, r.status)
				}
				recorded := o.Audit.All()[before:]
				if len(recorded) != 1 {
					t.Fatalf("recorded %d times, want once: %+v", len(recorded), recorded)
				}
				c := recorded[0]
				if c.Kind != row.Change || c.Outcome != authz.ChangeRefused || c.Code != r.code || c.Error == "" || c.By.From != "127.0.0.1" || c.By.Name != "test" || c.By.RequestID == "" {
					t.Errorf("recorded %+v, want a refused %s with the code %s and who asked", c, row.Change, r.code)
				}
				if diff := cmp.Diff(of(&row), [4]string{string(c.Collection), c.Key, c.Bundle, c.Guard}); diff != "" {
					t.Errorf("what its path names (-) and what was recorded (+):\n%s", diff)
				}
			})
		}
	}
}

// of is what the path of a row names: collection, key, bundle, guard.
func of(row *route.Row) [4]string {
	collection := strings.Split(row.Path, "/")[2]
	var key []string
	for _, name := range row.PathParams() {
		key = append(key, ids[name])
	}
	whole := strings.Join(key, "/")
	switch {
	case authz.Collection(collection).Known():
		return [4]string{collection, whole}
	case collection == "keys":
		return [4]string{string(authz.APIKeys), whole}
	case collection == "secrets":
		return [4]string{string(authz.Credentials)}
	case collection == "revoke":
		return [4]string{string(authz.Revocations)}
	case collection == "renew":
		return [4]string{string(authz.Renewals)}
	case collection == "bundles":
		return [4]string{2: whole}
	case collection == "guards":
		return [4]string{3: whole}
	}
	return [4]string{}
}

// What the room of changes itself refuses, and what it makes, is recorded once too.
func TestChangesAreRecordedOnce(t *testing.T) {
	tests := map[string]struct {
		method, path, body string
		header             []string
		status             int
		outcome            string
	}{
		"made":             {"PUT", "/v1/users/new", `{}`, nil, 201, authz.ChangeMade},
		"rule":             {"PUT", "/v1/users/new", `{"state":"gone"}`, nil, 400, authz.ChangeRefused},
		"id":               {"PUT", "/v1/users/new", `{"id":"old"}`, nil, 400, authz.ChangeRefused},
		"path":             {"PUT", "/v1/users/-new", `{}`, nil, 400, authz.ChangeRefused},
		"precondition":     {"PUT", "/v1/users/there", `{}`, []string{"If-Match", `"99"`}, 412, authz.ChangeRefused},
		"bad precondition": {"PUT", "/v1/users/there", `{}`, []string{"If-Match", `99`}, 400, authz.ChangeRefused},
		"exists":           {"POST", "/v1/users", `{"id":"there"}`, nil, 409, authz.ChangeRefused},
		"not there":        {"DELETE", "/v1/users/new", "", nil, 404, authz.ChangeRefused},
		"own key":          {"DELETE", "/v1/keys/key_operate", "", nil, 409, authz.ChangeRefused},
		"more than it has": {"POST", "/v1/keys", `{"name":"n","roles":["author"]}`, nil, 403, authz.ChangeRefused},
		"two deadlines":    {"POST", "/v1/renew", `{"by":"subject","of":"mu:a"}`, nil, 400, authz.ChangeRefused},
		"no rotation set":  {"POST", "/v1/rotation_sets/none/start", `{}`, nil, 404, authz.ChangeRefused},
		"no token service": {"POST", "/v1/token_service/replace_keys", "", nil, 404, authz.ChangeRefused},
		"no mode":          {"POST", "/v1/guards/network/mode", `{"mode":"lax"}`, nil, 400, authz.ChangeRefused},
		"a long message":   {"POST", "/v1/guards/network/mode", `{"mode":"flag","message":"` + strings.Repeat("x", authz.MaxTextLength+1) + `"}`, nil, 400, authz.ChangeRefused},
		"mode":             {"POST", "/v1/guards/network/mode", `{"mode":"flag","message":"m"}`, nil, 200, authz.ChangeMade},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := start(t, nil)
			o.Memory.Keep(&authz.User{Header: authz.Header{ID: "there"}})
			answer := o.send(test.method, test.path, test.body, test.header...)
			if answer.Status != test.status {
				t.Fatalf("%d %s, want %d", answer.Status, answer.Body, test.status)
			}
			recorded := o.Audit.All()
			if len(recorded) != 1 || recorded[0].Outcome != test.outcome || recorded[0].By.Key != "key_operate" {
				t.Errorf("recorded %+v, want one that was %s", recorded, test.outcome)
			}
		})
	}
}

// Whoever has no key cannot write into the audit.
func TestStrangersAreNotRecorded(t *testing.T) {
	o := start(t, nil)
	for _, row := range changes(t) {
		for _, key := range []string{"", "vk_operator_made-up"} {
			answer := o.Do(servertest.Call{Method: row.Method, URL: o.Admin() + at(&row), Key: key, Body: "{}"})
			if answer.Status != http.StatusUnauthorized {
				t.Errorf("%s with the key %q: %d, want 401", row.ID, key, answer.Status)
			}
		}
	}
	if recorded := o.Audit.All(); len(recorded) > 0 {
		t.Errorf("recorded %+v, want nothing", recorded)
	}
}

// An import is a change a chunk; what is refused before its first line is one too.
func TestImportsAreRecordedByTheChunk(t *testing.T) {
	o := start(t, nil)
	answer := o.send("POST", api.PathImport, `{"collection":"plans","entity":{"id":"p"}}`+"\n", "Content-Type", api.TypeNDJSON)
	expect(t, answer, http.StatusOK, "")
	recorded := o.Audit.All()
	if len(recorded) != 1 || recorded[0].Kind != authz.ChangeImport || recorded[0].Import == nil || recorded[0].Import.Written != 1 || answer.Header.Get(api.HeaderRevision) != strconv.FormatUint(recorded[0].Revision, 10) {
		t.Errorf("recorded %+v, want one chunk of one line", recorded)
	}
}

// audited is an operator of a server where a few changes were made and refused.
func audited(t *testing.T) operator {
	o := start(t, nil)
	o.send("PUT", "/v1/users/a", `{}`)               // c1
	o.send("PUT", "/v1/users/b", `{"state":"lost"}`) // c2, refused
	o.send("DELETE", "/v1/users/a", "")              // c3
	o.as(authz.RoleAuthor, "PUT", "/v1/bundles/acme", "bundle", "Content-Type", "application/gzip")
	return o
}

// listed asks for the audit and gives the ids in the answer.
func (o operator) listed(t *testing.T, query string) (list []string, page authz.AuditPage) {
	t.Helper()
	answer := o.as(authz.RoleReview, "GET", api.PathAudit+query, "")
	if answer.Status != http.StatusOK {
		t.Fatalf("%s: got status %d, body %s; want status 200", query, answer.Status, answer.Body)
	}
	if err := json.Unmarshal([]byte(answer.Body), &page); err != nil {
		t.Fatal(err)
	}
	for _, c := range page.Items {
		list = append(list, c.ID)
	}
	return list, page
}

func TestAudit(t *testing.T) {
	o := audited(t)
	for query, want := range map[string][]string{
		"":                                 {"c4", "c3", "c2", "c1"},
		"?outcome=refused":                 {"c2"},
		"?kind=entity.delete":              {"c3"},
		"?collection=users&key=a":          {"c3", "c1"},
		"?bundle=acme":                     {"c4"},
		"?by=key_author":                   {"c4"},
		"?from=2100-01-01T00:00:00Z":       nil,
		"?to=2100-01-01T00:00:00Z&limit=2": {"c4", "c3"},
		"?after=2":                         {"c3"}, // the stage looks at one at a time
		"?after=0&bundle=acme&wait_s=60":   {"c4"}, // and on behind those that are not asked for
	} {
		if got, _ := o.listed(t, query); cmp.Diff(want, got) != "" {
			t.Errorf("%q lists %v, want %v", query, got, want)
		}
	}
	_, first := o.listed(t, "?limit=3")
	if rest, last := o.listed(t, "?limit=3&cursor="+first.NextCursor); cmp.Diff([]string{"c1"}, rest) != "" || last.NextCursor != "" {
		t.Errorf("the second page is %v, want c1 and the end", rest)
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "cursor=x": "cursor", "by=-": "by", "bundle=Acme": "bundle", "from=x": "from", "outcome=": "outcome", "who=me": "who",
		"collection=made_up": "collection", "from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z": "to", "wait_s=1": "wait_s", "after=1&cursor=1": "cursor",
	} {
		expect(t, o.as(authz.RoleReview, "GET", api.PathAudit+"?"+query, ""), http.StatusBadRequest, field)
	}
}

func TestAuditedChange(t *testing.T) {
	o := audited(t)
	answer := o.as(authz.RoleReview, "GET", api.PathAudit+"/c2", "")
	var shown api.AuditedRecord
	if err := json.Unmarshal([]byte(answer.Body), &shown); err != nil {
		t.Fatal(err)
	}
	if c := shown.Change; c.ID != "c2" || c.Key != "b" || c.Outcome != authz.ChangeRefused || shown.Seq != 2 || shown.Kind != authz.RecordChange {
		t.Errorf("%s, want the second change, which was refused", answer.Body)
	}
	expect(t, o.as(authz.RoleReview, "GET", api.PathAudit+"/none", ""), http.StatusNotFound, "")
	expect(t, o.as(authz.RoleReview, "GET", api.PathAudit+"/-", ""), http.StatusBadRequest, "id")
}

// The audit is the reviewers' alone, and asking for it without the role is no change.
func TestOnlyReviewersReadTheAudit(t *testing.T) {
	o := audited(t)
	before := len(o.Audit.All())
	for _, role := range authz.Roles() {
		for _, path := range []string{api.PathAudit, api.PathAudit + "/c1"} {
			want := http.StatusForbidden
			if role == authz.RoleReview {
				want = http.StatusOK
			}
			if answer := o.as(role, "GET", path, ""); answer.Status != want {
				t.Errorf("%s as %s: %d, want %d", path, role, answer.Status, want)
			}
		}
	}
	if now := len(o.Audit.All()); now != before {
		t.Errorf("%d changes are recorded, want %d", now, before)
	}
}

// An export of decisions has changes in the chain too; what is in them it has for
// reviewers alone.
func TestExportsShowChangesToReviewersAlone(t *testing.T) {
	shown := make(chan bool, 1)
	o := start(t, func(c *servertest.Config) { c.Admin.Decisions = exporting{c.Admin.Decisions, shown} })
	for role, want := range map[authz.Role]bool{authz.RoleReview: true, authz.RoleOperate: false} {
		expect(t, o.as(role, "GET", api.PathDecisionsExport, ""), http.StatusOK, "")
		if got := <-shown; got != want {
			t.Errorf("the export as %s shows changes: %v, want %v", role, got, want)
		}
	}
}

// exporting tells whether an export was to show changes.
type exporting struct {
	admin.Decisions
	shown chan<- bool
}

func (e exporting) Export(_ context.Context, _ authz.RecordFilter, changes bool, _ func(*authz.Record) error) error {
	e.shown <- changes
	return nil
}

// A poll ends with what it waited for.
func TestAuditIsAwaited(t *testing.T) {
	awaiting := make(chan uint64, 10)
	o := start(t, nil)
	o.Audit.Awaiting = awaiting
	answers := o.later(t, o.call(authz.RoleReview, "GET", api.PathAudit+"?after=0&wait_s=60", ""))
	<-awaiting
	expect(t, o.send("PUT", "/v1/users/a", `{}`), http.StatusCreated, "")
	if answer := <-answers; answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"id":"c1"`) || !strings.Contains(answer.Body, `"next_after":1`) {
		t.Errorf("%d %s, want the change c1", answer.Status, answer.Body)
	}
}
