package admin_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/servertest"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// operator calls the admin listener with the role operate.
type operator struct{ *servertest.Node }

func start(t *testing.T, edit func(*servertest.Config)) operator {
	return operator{servertest.Start(t, edit)}
}

// send is a request with headers in pairs of name and value.
func (o operator) send(method, path, body string, header ...string) servertest.Answer {
	return o.as(authz.RoleOperate, method, path, body, header...)
}

// as is send with another role.
func (o operator) as(role authz.Role, method, path, body string, header ...string) servertest.Answer {
	return o.Do(o.call(role, method, path, body, header...))
}

func (o operator) call(role authz.Role, method, path, body string, header ...string) servertest.Call {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return servertest.Call{Method: method, URL: o.Admin() + path, Key: o.Key(role), Body: body, Header: h}
}

// later sends call and gives its answer when there is one.
func (o operator) later(t *testing.T, call servertest.Call) <-chan servertest.Answer {
	answers := make(chan servertest.Answer, 1)
	go func() {
		answer, err := o.Try(call)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	return answers
}

// leave sends a request and hangs up when told, and returns when the server has
// noticed: it logs the request.
func (o operator) leave(t *testing.T, hangUp <-chan struct{}, call servertest.Call) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, cmp.Or(call.Method, http.MethodGet), call.URL, strings.NewReader(call.Body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = call.Header
	request.Header.Set("Authorization", "Bearer "+call.Key)
	request.Header.Set(api.HeaderRequestID, "leaves")
	left := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			err = errors.Join(err, response.Body.Close())
		}
		left <- err
	}()
	<-hangUp
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	// It ends because of the caller, and not of the shutdown.
	look, late := time.NewTicker(time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for !strings.Contains(o.Log.String(), "request_id=leaves") {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("the request did not end: %s", o.Log.String())
		}
	}
	o.Stop()
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func expect(t *testing.T, answer servertest.Answer, status int, field string) {
	t.Helper()
	if answer.Status != status || answer.Problem().Field != field {
		t.Errorf("%d %s, want %d of %q", answer.Status, answer.Body, status, field)
	}
}

const ana = `{"tenant":"acme","state":"active","addresses":[{"id":"a1","purpose":"billing","verified":true}]}`

func TestEntityLife(t *testing.T) {
	o := start(t, nil)
	created := o.send("PUT", "/v1/users/u-ana", ana)
	expect(t, created, http.StatusCreated, "")
	want := map[string]string{"ETag": `"2"`, api.HeaderRevision: "2", "Location": "/v1/users/u-ana"}
	for name, value := range want {
		if got := created.Header.Get(name); got != value {
			t.Errorf("%s: got %q; want %q", name, got, value)
		}
	}
	read := o.send("GET", "/v1/users/u-ana", "")
	if read.Body != created.Body || read.Header.Get("ETag") != `"2"` || read.Header.Get(api.HeaderRevision) != "" {
		t.Errorf("read %s", read.Body)
	}
	// What was read may be written back as it is.
	replaced := o.send("PUT", "/v1/users/u-ana", read.Body)
	expect(t, replaced, http.StatusOK, "")
	if replaced.Header.Get("ETag") != `"3"` || replaced.Header.Get("Location") != "" {
		t.Errorf("got replaced.Header %v; want replaced.Header.Get(\"ETag\") `\"3\"`, replaced.Header.Get(\"Location\") \"\"", replaced.Header)
	}
	deleted := o.send("DELETE", "/v1/users/u-ana", "")
	expect(t, deleted, http.StatusNoContent, "")
	if deleted.Header.Get(api.HeaderRevision) != "4" {
		t.Errorf(`got deleted.Header %v; want deleted.Header.Get(api.HeaderRevision) "4"`, deleted.Header)
	}
	expect(t, o.send("GET", "/v1/users/u-ana", ""), http.StatusNotFound, "")
	expect(t, o.send("DELETE", "/v1/users/u-ana", ""), http.StatusNotFound, "")
}

func TestCreate(t *testing.T) {
	o := start(t, nil)
	created := o.send("POST", "/v1/edges", `{"from":"mu:a","to":"svc:b","actions":["*"]}`)
	expect(t, created, http.StatusCreated, "")
	if got := created.Header.Get("Location"); got != "/v1/edges/mu:a/svc:b" {
		t.Errorf("Location %q", got)
	}
	expect(t, o.send("GET", created.Header.Get("Location"), ""), http.StatusOK, "")
	again := o.send("POST", "/v1/edges", `{"from":"mu:a","to":"svc:b","actions":["read"]}`)
	expect(t, again, http.StatusConflict, "id")
	if again.Problem().Code != string(authz.CodeConflict) {
		t.Error(again.Body)
	}
	expect(t, o.send("POST", "/v1/users", `{}`), http.StatusBadRequest, "id")
	expect(t, o.send("POST", "/v1/users?dry_run=1", `{"id":"a"}`), http.StatusBadRequest, "dry_run")
}

// Every collection is served under its path, with its ids in it.
func TestEveryCollection(t *testing.T) {
	bodies := map[authz.Collection]struct{ path, body string }{
		authz.MachineUsers: {"/mu:a", `{"kind":"service","origin":"internal"}`},
		authz.Users:        {"/u-a", `{}`},
		authz.Tenants:      {"/acme", `{"plan":"business"}`},
		authz.Plans:        {"/business", `{"name":"Business"}`},
		authz.Services:     {"/svc:a", `{"tier":1,"required_level":{"internal":2}}`},
		authz.Edges:        {"/mu:a/svc:a", `{"from":"mu:a","to":"svc:a","actions":["a"]}`},
		authz.Entitlements: {"/user:u-a/email.x", `{"holder":"user:u-a","feature":"email.x"}`},
		authz.Credentials:  {"/c1", `{"machine_user":"mu:a","kind":"public_key"}`},
		authz.RotationSets: {"/email-pair", `{"members":["mu:a","mu:b"]}`},
		authz.Issuers:      {"/demo", `{"url":"https://i","jwks_url":"https://i/k","algorithms":["ES256"]}`},
		authz.Revocations:  {"/subject/mu:b", `{"by":"subject","of":"mu:b"}`},
		authz.Renewals:     {"/tenant/acme", `{"by":"tenant","of":"acme","issued_before":"2026-01-01T00:00:00Z","deadline":"2026-02-01T00:00:00Z"}`},
	}
	o := start(t, nil)
	for _, c := range authz.AllCollections() {
		if kind := c.Kind(); kind.Apart || kind.NotPut != "" {
			continue
		}
		test, ok := bodies[c]
		if !ok {
			test.path, test.body = sampleOf(t, c)
		}
		path := api.PathV1 + string(c)
		expect(t, o.send("PUT", path+test.path, test.body), http.StatusCreated, "")
		expect(t, o.send("GET", path+test.path, ""), http.StatusOK, "")
		list := o.send("GET", path, "")
		if !strings.Contains(list.Body, `"id":"`+test.path[1:]+`"`) {
			t.Errorf("%s: got list.Body %s; want list.Body with %q", c, list.Body, `"id":"`+test.path[1:]+`"`)
		}
		expect(t, o.send("DELETE", path+test.path, ""), http.StatusNoContent, "")
	}
}

// sampleOf is an entity of the store's tests: what is behind the path of its collection,
// and its JSON.
func sampleOf(t *testing.T, c authz.Collection) (path, body string) {
	t.Helper()
	for _, sample := range storetest.Samples() {
		if sample.Collection() == c {
			sample.Normalize()
			text, err := ijson.Marshal(sample)
			if err != nil {
				t.Fatal(err)
			}
			return "/" + sample.Head().ID, string(text)
		}
	}
	t.Fatalf("no sample of %s", c)
	return "", ""
}

func TestBodyAndPathAgree(t *testing.T) {
	o := start(t, nil)
	o.Memory.Keep(&authz.Issuer{Header: authz.Header{ID: "i"}, URL: "https://i", JWKSURL: "https://i/k", Algorithms: []string{"ES256"}})
	tests := map[string]struct {
		path, body string
		status     int
		field      string
	}{
		"no id":              {"/v1/users/a", `{}`, 201, ""},
		"same id":            {"/v1/users/b", `{"id":"b"}`, 201, ""},
		"other id":           {"/v1/users/c", `{"id":"d"}`, 400, "id"},
		"pair":               {"/v1/edges/a/b", `{"from":"a","to":"b","actions":["*"]}`, 201, ""},
		"pair with id":       {"/v1/edges/a/c", `{"id":"a/c","from":"a","to":"c","actions":["*"]}`, 201, ""},
		"pair elsewhere":     {"/v1/edges/a/d", `{"from":"a","to":"x","actions":["*"]}`, 400, "id"},
		"pair with lying id": {"/v1/edges/a/e", `{"id":"a/e","from":"a","to":"x","actions":["*"]}`, 400, "id"},
		"derived pair":       {"/v1/revocations/token/" + authz.TokenID("https://i", "j"), `{"by":"token","issuer":"https://i","name":"j"}`, 201, ""},
		"half a pair":        {"/v1/edges/a", `{"from":"a","to":"b","actions":["*"]}`, 404, ""},
		"bad id":             {"/v1/users/-a", `{}`, 400, "id"},
		"bad field":          {"/v1/users/a", `{"state":"gone"}`, 400, "state"},
		"unknown field":      {"/v1/users/a", `{"stat":"active"}`, 400, "stat"},
		"duplicate field":    {"/v1/users/a", `{"state":"active","state":"left"}`, 400, "state"},
		"query":              {"/v1/users/a?force=1", `{}`, 400, "force"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { expect(t, o.send("PUT", test.path, test.body), test.status, test.field) })
	}
}

func TestConditions(t *testing.T) {
	tests := map[string]struct {
		method string
		id     string // "there" is at revision 2, "new" is not there
		header []string
		status int
		field  string
	}{
		"put, match":                {"PUT", "there", []string{"If-Match", `"2"`}, 200, ""},
		"put, no match":             {"PUT", "there", []string{"If-Match", `"1"`}, 412, ""},
		"put, match but not there":  {"PUT", "new", []string{"If-Match", `"2"`}, 412, ""},
		"put, any":                  {"PUT", "there", []string{"If-Match", `*`}, 200, ""},
		"put, any but not there":    {"PUT", "new", []string{"If-Match", `*`}, 412, ""},
		"put, weak":                 {"PUT", "there", []string{"If-Match", `W/"2"`}, 412, "If-Match"},
		"put, list":                 {"PUT", "there", []string{"If-Match", `"1", "2"`}, 400, "If-Match"},
		"put, two headers":          {"PUT", "there", []string{"If-Match", `"1"`, "If-Match", `"2"`}, 400, "If-Match"},
		"put, no quotes":            {"PUT", "there", []string{"If-Match", `2`}, 400, "If-Match"},
		"put, half a quote":         {"PUT", "there", []string{"If-Match", `"2`}, 400, "If-Match"},
		"put, trailing comma":       {"PUT", "there", []string{"If-Match", `"2",`}, 400, "If-Match"},
		"put, empty":                {"PUT", "there", []string{"If-Match", ``}, 400, "If-Match"},
		"put, no revision":          {"PUT", "there", []string{"If-Match", `"abc"`}, 412, "If-Match"},
		"put, leading zero":         {"PUT", "there", []string{"If-Match", `"02"`}, 412, "If-Match"},
		"put, revision zero":        {"PUT", "there", []string{"If-Match", `"0"`}, 412, "If-Match"},
		"put, new only":             {"PUT", "new", []string{"If-None-Match", `*`}, 201, ""},
		"put, new only but there":   {"PUT", "there", []string{"If-None-Match", `*`}, 412, ""},
		"put, none of a tag":        {"PUT", "there", []string{"If-None-Match", `"1"`}, 400, "If-None-Match"},
		"put, both":                 {"PUT", "there", []string{"If-None-Match", `*`, "If-Match", `"2"`}, 400, "If-None-Match"},
		"delete, match":             {"DELETE", "there", []string{"If-Match", `"2"`}, 204, ""},
		"delete, no match":          {"DELETE", "there", []string{"If-Match", `"1"`}, 412, ""},
		"delete, any but not there": {"DELETE", "new", []string{"If-Match", `*`}, 412, ""},
		"delete, new only":          {"DELETE", "there", []string{"If-None-Match", `*`}, 400, "If-None-Match"},
		"get, known":                {"GET", "there", []string{"If-None-Match", `"2"`}, 304, ""},
		"get, known weakly":         {"GET", "there", []string{"If-None-Match", `W/"2"`}, 304, ""},
		"get, known in a list":      {"GET", "there", []string{"If-None-Match", `"x" , W/"2"`}, 304, ""},
		"get, any":                  {"GET", "there", []string{"If-None-Match", `*`}, 304, ""},
		"get, unknown":              {"GET", "there", []string{"If-None-Match", `"1"`}, 200, ""},
		"get, match":                {"GET", "there", []string{"If-Match", `"1", "2"`}, 200, ""},
		"get, weak match":           {"GET", "there", []string{"If-Match", `W/"2"`}, 412, "If-Match"},
		"get, malformed":            {"GET", "there", []string{"If-None-Match", `2`}, 400, "If-None-Match"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := start(t, nil)
			expect(t, o.send("PUT", "/v1/users/there", `{}`), http.StatusCreated, "")
			body := ""
			if test.method == "PUT" {
				body = `{"tenant":"changed"}`
			}
			answer := o.send(test.method, "/v1/users/"+test.id, body, test.header...)
			expect(t, answer, test.status, test.field)
			if answer.Status == http.StatusNotModified && (answer.Header.Get("ETag") != `"2"` || answer.Body != "") {
				t.Errorf("got answer.Header %v, body %s; want status other than 304 or answer.Header.Get(\"ETag\") `\"2\"`, body \"\"", answer.Header, answer.Body)
			}
			if user, ok := o.Memory.Find(authz.Users, "there").(*authz.User); answer.Status >= 400 && (!ok || user.Tenant != "") {
				t.Errorf("refused, but written: %+v", user)
			}
		})
	}
}

func TestList(t *testing.T) {
	o := start(t, nil)
	for _, id := range []string{"a", "b", "c", "d"} {
		tenant := map[bool]string{true: "acme", false: "other"}[id != "c"]
		o.Memory.Keep(&authz.User{Header: authz.Header{ID: id, Revision: 1}, Tenant: tenant, State: "active"})
	}
	var ids []string
	cursor := ""
	for range 3 {
		answer := o.send("GET", "/v1/users?tenant=acme&state=active&limit=2"+cursor, "")
		var page api.EntityList[authz.User]
		if err := ijson.Unmarshal([]byte(answer.Body), &page); err != nil {
			t.Fatal(err)
		}
		for _, user := range page.Items {
			ids = append(ids, user.ID)
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if diff := gocmp.Diff([]string{"a", "b", "d"}, ids); diff != "" {
		t.Error(diff)
	}
	if answer := o.send("GET", "/v1/plans", ""); answer.Body != `{"items":[],"next_cursor":"","data_revision":5}` {
		t.Error(answer.Body)
	}
	for query, field := range map[string]string{
		"tennant=acme": "tennant", "limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "limit=1&limit=2": "limit",
		"tenant=a&tenant=b": "tenant", "tenant=": "tenant", "cursor=": "cursor", "kind=service": "kind",
	} {
		expect(t, o.send("GET", "/v1/users?"+query, ""), http.StatusBadRequest, field)
	}
	expect(t, o.send("GET", "/v1/users?tenant=%zz", ""), http.StatusBadRequest, "")
}

func TestReviewersOnlyRead(t *testing.T) {
	o := staged(t, &servertest.Lifecycle{Rotated: api.Rotation{ID: "s", Phase: "none"}})
	o.Memory.Keep(&authz.User{Header: authz.Header{ID: "a", Revision: 1}, State: "active"})
	tests := []struct {
		method, path, body, contentType string
		status                          int
	}{
		{"GET", "/v1/users", "", "", 200},
		{"GET", "/v1/users/a", "", "", 200},
		{"GET", "/v1/changes", "", "", 200},
		{"GET", "/v1/export", "", "", 403},
		{"GET", "/v1/export?collection=credentials", "", "", 403},
		{"GET", "/v1/export?collection=users&collection=edges", "", "", 200},
		{"GET", "/v1/rotation_sets/s/status", "", "", 200},
		{"GET", "/v1/status", "", "", 200},
		{"POST", "/v1/users", `{"id":"b"}`, api.TypeJSON, 403},
		{"PUT", "/v1/users/a", `{}`, api.TypeJSON, 403},
		{"DELETE", "/v1/users/a", "", "", 403},
		{"POST", "/v1/import", "{}", api.TypeNDJSON, 403},
		{"GET", "/v1/backup", "", "", 403},
		{"GET", "/v1/keys", "", "", 403},
		{"POST", "/v1/keys", `{}`, api.TypeJSON, 403},
		{"DELETE", "/v1/keys/x", "", "", 403},
		{"POST", "/v1/secrets", `{}`, api.TypeJSON, 403},
		{"POST", "/v1/revoke", `{}`, api.TypeJSON, 403},
		{"POST", "/v1/renew", `{}`, api.TypeJSON, 403},
		{"POST", "/v1/rotation_sets/s/start", "", "", 403},
		{"POST", "/v1/rotation_sets/s/advance", "", "", 403},
		{"POST", "/v1/rotation_sets/s/force", "", "", 403},
		{"POST", "/v1/rotation_sets/s/abort", "", "", 403},
		{"POST", "/v1/rotation_sets/s/emergency", "", "", 403},
	}
	for _, test := range tests {
		answer := o.Do(servertest.Call{Method: test.method, URL: o.Admin() + test.path, Key: o.Key(authz.RoleReview), Body: test.body, Header: http.Header{"Content-Type": {test.contentType}}})
		if answer.Status != test.status || test.status == 403 && !strings.Contains(answer.Body, "operate") {
			t.Errorf(`%s %s: got status %d, body %s; want status %d, test.status other than 403 or body with "operate"`, test.method, test.path, answer.Status, answer.Body, test.status)
		}
	}
}

func TestCheckIsAskedBeforeWriting(t *testing.T) {
	o := start(t, func(c *servertest.Config) {
		c.Check[authz.Issuers] = func(e authz.Entity) error {
			if !strings.HasPrefix(e.(*authz.Issuer).URL, "https://good") {
				return authz.Invalid("keys", "are weak")
			}
			return nil
		}
	})
	issuer := func(id, url string) string {
		return `{"id":"` + id + `","url":"` + url + `","jwks_url":"https://i/k","algorithms":["ES256"]}`
	}
	expect(t, o.send("PUT", "/v1/issuers/a", issuer("a", "https://bad")), http.StatusBadRequest, "keys")
	expect(t, o.send("POST", "/v1/issuers", issuer("a", "https://bad")), http.StatusBadRequest, "keys")
	expect(t, o.send("PUT", "/v1/issuers/b", issuer("b", "https://good")), http.StatusCreated, "")
	lines := `{"collection":"issuers","entity":` + issuer("c", "https://bad") + "}\n" + `{"collection":"issuers","entity":` + issuer("d", "https://good.too") + "}\n"
	answer := o.send("POST", api.PathImport, lines, "Content-Type", api.TypeNDJSON)
	var report api.ImportReport
	if err := ijson.Unmarshal([]byte(answer.Body), &report); err != nil {
		t.Fatal(err)
	}
	want := api.ImportReport{Lines: 2, Written: 1, Failed: 1, Errors: []api.LineError{{Line: 1, Field: "keys", Message: "are weak"}}, Revision: 3}
	if diff := gocmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
	if answer.Header.Get(api.HeaderRevision) != "3" {
		t.Errorf(`got answer.Header %v; want answer.Header.Get(api.HeaderRevision) "3"`, answer.Header)
	}
	for id, written := range map[string]bool{"a": false, "b": true, "c": false, "d": true} {
		if (o.Memory.Find(authz.Issuers, id) != nil) != written {
			t.Errorf("issuer %s written: %v", id, !written)
		}
	}
}

func TestImportAndExport(t *testing.T) {
	o := start(t, nil)
	// Many times the body limit of one entity, to show that a stream has none.
	var lines strings.Builder
	const count = 20000
	for i := range count {
		lines.WriteString(`{"collection":"plans","entity":{"id":"p` + strings.Repeat("x", 80) + string(rune('a'+i%26)) + `","name":"n"}}` + "\n")
	}
	answer := o.send("POST", api.PathImport, lines.String(), "Content-Type", api.TypeNDJSON)
	expect(t, answer, http.StatusOK, "")
	if !strings.Contains(answer.Body, `"lines":20000,"written":26,"unchanged":19974`) {
		t.Error(answer.Body)
	}
	expect(t, o.send("POST", api.PathImport, "{}\n"), http.StatusUnsupportedMediaType, "Content-Type")

	expect(t, o.send("PUT", "/v1/users/a", `{}`), http.StatusCreated, "")
	export := o.send("GET", api.PathExport+"?collection=users&collection=plans", "")
	exported := strings.Split(strings.TrimSpace(export.Body), "\n")
	if export.Header.Get("Content-Type") != api.TypeNDJSON || len(exported) != 27 || !strings.Contains(exported[26], `"collection":"users"`) {
		t.Errorf("%v %d lines", export.Header, len(exported))
	}
	if again := o.send("POST", api.PathImport, export.Body, "Content-Type", api.TypeNDJSON); !strings.Contains(again.Body, `"failed":0`) {
		t.Error(again.Body)
	}
	if all := o.send("GET", api.PathExport, ""); all.Status != 200 || strings.Contains(all.Body, "api_keys") {
		t.Errorf("%d, with API keys", all.Status)
	}
	for _, name := range []string{"api_keys", "nothing", ""} {
		expect(t, o.send("GET", api.PathExport+"?collection="+name, ""), http.StatusBadRequest, "collection")
	}
}

// An import cannot make keys: it would get around the rule that nobody gives
// more than they have.
func TestImportOfKeysIsRefused(t *testing.T) {
	o := start(t, nil)
	line := `{"collection":"api_keys","entity":{"id":"mine","hash":"` + strings.Repeat("a", 64) + `","roles":["author"]}}`
	answer := o.send("POST", api.PathImport, line, "Content-Type", api.TypeNDJSON)
	if !strings.Contains(answer.Body, `"failed":1`) || !strings.Contains(answer.Body, "/v1/keys") || o.Memory.Find(authz.APIKeys, "mine") != nil {
		t.Error(answer.Body)
	}
}

func TestBackup(t *testing.T) {
	o := start(t, nil)
	o.Memory.BackupBytes = strings.Repeat("backup", 1000)
	if answer := o.send("GET", api.PathBackup, ""); answer.Status != http.StatusOK || answer.Body != o.Memory.BackupBytes {
		t.Errorf("%d, %d bytes", answer.Status, len(answer.Body))
	}
}

// A backup that fails half way must not look like a whole one.
func TestBackupThatFailsBreaksOff(t *testing.T) {
	for _, size := range []int{1, 100_000} {
		o := start(t, nil)
		o.Memory.BackupBytes, o.Memory.BackupErr = strings.Repeat("x", size), errors.New("disk on fire")
		answer, err := o.Try(servertest.Call{URL: o.Admin() + api.PathBackup, Key: o.Key(authz.RoleOperate)})
		if err == nil {
			t.Errorf("after %d bytes the client got %d with %d bytes as if nothing had happened", size, answer.Status, len(answer.Body))
		}
		o.Stop()
		if err := <-o.Done; err != nil {
			t.Error(err)
		}
		if log := o.Log.String(); !strings.Contains(log, "disk on fire") || !strings.Contains(log, "cut_off=true") {
			t.Error(log)
		}
	}
}

func TestBackupThatFailsAtOnceIsAProblem(t *testing.T) {
	o := start(t, nil)
	o.Memory.BackupErr = errors.New("disk on fire")
	expect(t, o.send("GET", api.PathBackup, ""), http.StatusInternalServerError, "")
}

func TestChanges(t *testing.T) {
	o := start(t, nil)
	expect(t, o.send("PUT", "/v1/users/a", `{}`), http.StatusCreated, "")
	expect(t, o.send("DELETE", "/v1/users/a", ""), http.StatusNoContent, "")
	answer := o.send("GET", "/v1/changes?after=1&limit=10", "")
	want := `{"changes":[` +
		`{"revision":2,"op":"put","collection":"users","id":"a","at":"2026-11-22T10:00:00Z","change":"c1"},` + // what came of it follows
		`{"revision":3,"op":"delete","collection":"users","id":"a","at":"2026-11-22T10:00:00Z","change":"c2"}],"next_after":3,"data_revision":3}`
	if diff := gocmp.Diff(want, answer.Body); diff != "" {
		t.Error(diff)
	}
	for query, field := range map[string]string{"after=-1": "after", "wait_s=61": "wait_s", "limit=0": "limit", "since=1": "since"} {
		expect(t, o.send("GET", "/v1/changes?"+query, ""), http.StatusBadRequest, field)
	}
}

func TestChangesHideKeyHashes(t *testing.T) {
	o := start(t, nil)
	created := o.send("POST", api.PathKeys, `{"name":"n","roles":["operate"]}`)
	expect(t, created, http.StatusCreated, "")
	answer := o.send("GET", "/v1/changes", "")
	if !strings.Contains(answer.Body, `"collection":"api_keys"`) || strings.Contains(answer.Body, "hash") {
		t.Error(answer.Body)
	}
	if key := o.Memory.Find(authz.APIKeys, "key-c1").(*authz.APIKey); key.Hash == "" {
		t.Error("the stored hash is gone")
	}
}

func TestChangesAreAwaited(t *testing.T) {
	awaiting := make(chan uint64, 1)
	o := start(t, nil)
	o.Memory.Awaiting = awaiting
	answers := make(chan servertest.Answer, 1)
	call := servertest.Call{URL: o.Admin() + "/v1/changes?after=1&wait_s=60", Key: o.Key(authz.RoleOperate)}
	go func() {
		answer, err := o.Try(call)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	if after := <-awaiting; after != 1 {
		t.Errorf("awaits more than %d", after)
	}
	expect(t, o.send("PUT", "/v1/users/a", `{}`), http.StatusCreated, "")
	if answer := <-answers; !strings.Contains(answer.Body, `"next_after":2`) {
		t.Errorf("got status %d, body %s; want body with `\"next_after\":2`", answer.Status, answer.Body)
	}
}

// Waiting outlasts the timeouts of the listener, and ends without a change.
func TestChangesAreAwaitedInVain(t *testing.T) {
	o := start(t, func(c *servertest.Config) { c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond })
	answer := o.send("GET", "/v1/changes?after=1&wait_s=1", "")
	if answer.Status != http.StatusOK || answer.Body != `{"changes":[],"next_after":1,"data_revision":1}` {
		t.Errorf("got status %d, body %s; want status 200, body `{\"changes\":[],\"next_after\":1,\"data_revision\":1}`", answer.Status, answer.Body)
	}
}

func TestShutdownEndsWaiting(t *testing.T) {
	awaiting := make(chan uint64, 1)
	o := start(t, nil)
	o.Memory.Awaiting = awaiting
	answers := make(chan servertest.Answer, 1)
	call := servertest.Call{URL: o.Admin() + "/v1/changes?after=1&wait_s=60", Key: o.Key(authz.RoleOperate)}
	go func() {
		answer, err := o.Try(call)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	<-awaiting
	o.Stop()
	if answer := <-answers; answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"next_after":1`) {
		t.Errorf("got status %d, body %s; want status 200, body with `\"next_after\":1`", answer.Status, answer.Body)
	}
	if err := <-o.Done; err != nil {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	o := start(t, nil)
	mint := func(body string) servertest.Answer {
		return o.Do(servertest.Call{Method: "POST", URL: o.Admin() + api.PathKeys, Key: o.Key(authz.RoleOperate, authz.RoleDecide), Body: body})
	}
	created := mint(`{"name":"pep","roles":["decide"],"expires_at":"2099-01-01T00:00:00Z"}`)
	expect(t, created, http.StatusCreated, "")
	var key api.Key
	if err := ijson.Unmarshal([]byte(created.Body), &key); err != nil {
		t.Fatal(err)
	}
	want := api.Key{ID: "key-c1", Name: "pep", Roles: []string{"decide"}, CreatedAt: servertest.Now, ExpiresAt: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Key: key.Key}
	if diff := gocmp.Diff(want, key); diff != "" {
		t.Error(diff)
	}
	stored := o.Memory.Find(authz.APIKeys, "key-c1").(*authz.APIKey)
	if stored.Hash != apikey.Hash(key.Key) {
		t.Error("the key shown is not the key stored")
	}
	decide := servertest.Call{URL: o.Decisions() + api.PathDecide, Key: key.Key, Body: `{"action":{"name":"a"},"resource":{"type":"service","id":"s"}}`}
	if answer := o.Do(decide); answer.Status != http.StatusOK {
		t.Errorf("the new key: %d %s", answer.Status, answer.Body)
	}

	list := o.send("GET", api.PathKeys, "")
	if !strings.Contains(list.Body, `"id":"key-c1"`) || strings.Contains(list.Body, "hash") || strings.Contains(list.Body, "vk_") {
		t.Error(list.Body)
	}
	expect(t, o.send("DELETE", api.PathKeys+"/key-c1", ""), http.StatusNoContent, "")
	if answer := o.Do(decide); answer.Status != http.StatusUnauthorized {
		t.Errorf("the revoked key: %d %s", answer.Status, answer.Body)
	}
	expect(t, o.send("DELETE", api.PathKeys+"/key-c1", ""), http.StatusNoContent, "")
	expect(t, o.send("DELETE", api.PathKeys+"/nobody", ""), http.StatusNotFound, "")
	expect(t, o.send("DELETE", api.PathKeys+"/key_operate", ""), http.StatusConflict, "id")
	if !strings.Contains(o.send("GET", api.PathKeys, "").Body, `"revoked":true`) {
		t.Error("the revoked key is gone from the list")
	}
	if strings.Contains(o.Log.String(), "vk_") {
		t.Error("a key is in the log")
	}

	refused := map[string]struct {
		body   string
		status int
		field  string
	}{
		"more than its creator": {`{"name":"n","roles":["decide","author"]}`, 403, "roles[1]"},
		"no roles":              {`{"name":"n","roles":[]}`, 400, "roles"},
		"no role":               {`{"name":"n","roles":["root"]}`, 400, "roles[0]"},
		"in the past":           {`{"name":"n","roles":["decide"],"expires_at":"2001-01-01T00:00:00Z"}`, 400, "expires_at"},
		"own hash":              {`{"name":"n","roles":["decide"],"hash":"x"}`, 400, "hash"},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) { expect(t, mint(test.body), test.status, test.field) })
	}
}
