package admin_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// asked tells whether work that takes long was begun.
func asked(t *testing.T, what string) func(context.Context) error {
	return func(context.Context) error {
		t.Errorf("%s was done for an answer without content", what)
		return nil
	}
}

// TestHeadIsGetWithoutContent, at every kind of route: its status and headers, and its
// length where HEAD says one.
func TestHeadIsGetWithoutContent(t *testing.T) {
	o := logged(t, 3, nil)
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	expect(t, o.send("PUT", "/v1/users/u-a", `{}`), http.StatusCreated, "")
	tag := o.send("GET", "/v1/users/u-a", "").Header.Get("ETag")
	for _, test := range []struct {
		path    string
		header  []string
		unknown bool // the length, which only the content would tell
	}{
		{path: "/v1/users"}, {path: "/v1/users/u-a"}, {path: "/v1/users/u-a", header: []string{"If-None-Match", tag}},
		{path: "/v1/users/nobody"}, {path: "/v1/users?limit=0"}, {path: "/v1/nothing"},
		{path: "/v1/changes"}, {path: "/v1/keys"}, {path: "/v1/status"}, {path: "/v1/bundles"}, {path: "/v1/bundles/acme"}, {path: "/v1/bundles/none"},
		{path: "/v1/generations"}, {path: "/v1/policy_status"}, {path: "/v1/guards"}, {path: "/v1/decisions"}, {path: "/v1/decisions/d1"},
		{path: "/v1/decisions/nowhere?explain=full"}, {path: "/v1/generations/1/diff/99?last=5"}, {path: "/v1/export?collection=nothing"},
		{path: "/v1/export", unknown: true}, {path: "/v1/backup", unknown: true}, {path: "/v1/decisions/export", unknown: true},
		{path: "/metrics", unknown: true}, // counts the request before
	} {
		get := o.send("GET", test.path, "", test.header...)
		head := o.send("HEAD", test.path, "", test.header...)
		if head.Status != get.Status || head.Body != "" {
			t.Errorf("HEAD %s: %d %q, want %d without content", test.path, head.Status, head.Body, get.Status)
		}
		for _, name := range []string{"Content-Type", "ETag", "Content-Disposition", "Cache-Control", api.HeaderRevision} {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("HEAD %s: %s is %q, want %q", test.path, name, got, want)
			}
		}
		length := head.Header.Get("Content-Length")
		if want := strconv.Itoa(len(get.Body)); !test.unknown && get.Body != "" && length != want {
			t.Errorf("HEAD %s: Content-Length is %q, want %s", test.path, length, want)
		}
	}
}

// TestHeadWaitsForNothing: what a poll would wait for, HEAD answers at once, by what
// there is.
func TestHeadWaitsForNothing(t *testing.T) {
	changes, records, bundles := make(chan uint64, 100), make(chan uint64, 100), make(chan struct{}, 100)
	o := logged(t, 3, func(c *servertest.Config) { c.ReadTimeout, c.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond })
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	tag := o.send("GET", "/v1/bundles/acme", "").Header.Get("ETag")
	o.Memory.Awaiting, o.Records.Awaiting, o.Policies.Awaiting = changes, records, bundles
	begun := time.Now()
	for path, want := range map[string]int{
		"/v1/changes?after=1&wait_s=60":   http.StatusOK,
		"/v1/decisions?after=3&wait_s=60": http.StatusOK,
		"/v1/bundles/acme":                http.StatusNotModified,
	} {
		if answer := o.send("HEAD", path, "", "If-None-Match", tag, "Prefer", "wait=60"); answer.Status != want {
			t.Errorf("HEAD %s: %d, want %d", path, answer.Status, want)
		}
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("three answers took %v, want none to wait its minute", took)
	}
}

// TestHeadBeginsNoLongWork: nobody replays or explains decisions for headers.
func TestHeadBeginsNoLongWork(t *testing.T) {
	o := logged(t, 1, nil)
	expect(t, o.push("acme?activate=true", "x"), http.StatusCreated, "")
	expect(t, o.push("acme?activate=true", "y"), http.StatusCreated, "")
	o.Records.Busy = asked(t, "an explanation")
	for _, path := range []string{"/v1/decisions/d1?explain=full", "/v1/generations/1/diff/2?last=1000000"} {
		answer := o.as(authz.RoleReview, "HEAD", path, "")
		if answer.Status != http.StatusOK || answer.Header.Get("Content-Length") != "" || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("HEAD %s: %d, %v; want 200 of no known length", path, answer.Status, answer.Header)
		}
	}
}
