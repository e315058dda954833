package server_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/api"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// greeting is the smallest room there is.
type greeting struct{}

func (greeting) Mount(e *echo.Echo) {
	e.GET("/v1/greeting", func(c echo.Context) error {
		if _, err := reqctx.Require(c.Request().Context(), authz.RoleDecide); err != nil {
			return err
		}
		return c.String(http.StatusOK, "hello")
	})
}

// open is a room with one public path, and one that is not.
type open struct{ public []string }

func (open) Mount(e *echo.Echo) {
	e.GET("/v1/open", func(c echo.Context) error { return c.String(http.StatusOK, "open") })
	e.POST("/v1/open", func(c echo.Context) error { return c.String(http.StatusOK, "open") })
	e.GET("/v1/closed", func(c echo.Context) error { return c.String(http.StatusOK, "closed") })
}

func (o open) PublicPaths() []string { return o.public }

// broken is a room that lacks something.
type broken struct{ greeting }

func (broken) Validate() error { return errors.New("broken needs mending") }

// ready is a room that wants what the server has.
type ready struct{}

func (ready) Mount(e *echo.Echo) { e.GET("/readyz", func(echo.Context) error { return nil }) }

// third is one listener more.
func third(rooms ...server.Room) server.Listener {
	return server.Listener{Name: "third", Addr: "127.0.0.1:0", Rooms: rooms}
}

// TestRoomOnItsOwnListener: a surface is a room and a listener that lists it; what it
// does not say of itself is closed, and HEAD comes with GET.
func TestRoomOnItsOwnListener(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) {
		c.Listeners = []server.Listener{third(greeting{}, open{public: []string{"/v1/open"}})}
	})
	key := node.Key(authz.RoleDecide)
	tests := []struct {
		method, path, key string
		status            int
		length            string
		body              string
	}{
		{"GET", "/v1/greeting", key, 200, "5", "hello"},
		{"HEAD", "/v1/greeting", key, 200, "5", ""},
		{"GET", "/v1/greeting", "", 401, "", ""},
		{"HEAD", "/v1/greeting", "", 401, "", ""},
		{"HEAD", "/v1/greeting", node.Key(authz.RoleReview), 403, "", ""},
		{"POST", "/v1/greeting", key, 405, "", ""},
		{"GET", "/v1/open", "", 200, "4", "open"},
		{"POST", "/v1/open", "", 200, "4", "open"},
		{"HEAD", "/v1/open", "", 200, "4", ""},
		{"PUT", "/v1/open", "", 405, "", ""},
		{"GET", "/v1/closed", "", 401, "", ""},
		{"HEAD", "/v1/closed", "", 401, "", ""},
		{"HEAD", "/v1/nothing", "", 401, "", ""},
		{"HEAD", "/v1/nothing", key, 404, "", ""},
		{"HEAD", "/metrics", node.Key(authz.RoleOperate), 404, "", ""},
	}
	for _, test := range tests {
		request, err := http.NewRequestWithContext(t.Context(), test.method, node.URL("third")+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.key != "" {
			request.Header.Set("Authorization", "Bearer "+test.key)
		}
		response, body := send(t, http.DefaultClient, request)
		status, header := response.StatusCode, response.Header
		if status != test.status {
			t.Errorf("%s %s with key %q: %d, want %d", test.method, test.path, test.key, status, test.status)
		}
		if status == 200 && (body != test.body || header.Get("Content-Length") != test.length) {
			t.Errorf("%s %s: %q of length %q, want %q of %s", test.method, test.path, body, header.Get("Content-Length"), test.body, test.length)
		}
		if allow := header.Get("Allow"); status == 405 && (!strings.Contains(allow, "GET") || !strings.Contains(allow, "HEAD")) {
			t.Errorf("%s %s: Allow %q, want GET and HEAD in it", test.method, test.path, allow)
		}
	}
	for _, listener := range []string{"decisions", "admin"} {
		if answer := node.Do(servertest.Call{URL: node.URL(listener) + "/v1/greeting", Key: key}); answer.Status != http.StatusNotFound {
			t.Errorf("a room of another listener at %s: %d, want 404", listener, answer.Status)
		}
	}
}

// configured is a configuration with one listener, for a test to spoil.
func configured(t *testing.T, edit func(*server.Config)) server.Config {
	config := server.Config{
		Listeners: []server.Listener{third(greeting{})},
		Keys:      &apikey.Authenticator{Keys: servertest.NewMemory(t), Now: time.Now},
		Gatherer:  prometheus.NewRegistry(),
	}
	edit(&config)
	return config
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	rooms := func(rooms ...server.Room) func(*server.Config) {
		return func(c *server.Config) { c.Listeners[0].Rooms = rooms }
	}
	for name, test := range map[string]struct {
		edit func(*server.Config)
		says string
	}{
		"no listener":            {func(c *server.Config) { c.Listeners = nil }, "listeners needs one"},
		"no name":                {func(c *server.Config) { c.Listeners[0].Name = "" }, `listeners[0] needs a name of its own, not ""`},
		"a name twice":           {func(c *server.Config) { c.Listeners = append(c.Listeners, third()) }, `listeners[1] needs a name of its own, not "third"`},
		"no address":             {func(c *server.Config) { c.Listeners[0].Addr = "" }, "listener third needs an address"},
		"no keys":                {func(c *server.Config) { c.Keys = nil }, "keys needs a finder"},
		"no gatherer":            {func(c *server.Config) { c.Gatherer = nil }, "gatherer is required"},
		"a room is not whole":    {rooms(broken{}), "listener third: broken needs mending"},
		"a room that cannot be":  {rooms(&api.Handler{}), "api needs decide and batch"},
		"another":                {rooms(&admin.Handler{}), "admin needs data and control"},
		"a path twice":           {rooms(greeting{}, greeting{}), "/v1/greeting is mounted by server_test.greeting and by"},
		"a path every one has":   {rooms(ready{}), "/readyz is mounted by server.common and by server_test.ready"},
		"public but not mounted": {rooms(open{[]string{"/v1/opne"}}), "declares /v1/opne public, which it does not mount"},
		"public but of another":  {rooms(greeting{}, open{[]string{"/v1/greeting"}}), "declares /v1/greeting public, which it does not mount"},
		"public, mounted later":  {rooms(open{[]string{"/v1/greeting"}}, greeting{}), "declares /v1/greeting public, which it does not mount"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.New(configured(t, test.edit))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
		})
	}
}

// TestListenersAreNamedWhenTheyFail: all are open or none, and the error says which
// could not be opened, where, and what to do.
func TestListenersAreNamedWhenTheyFail(t *testing.T) {
	taken := servertest.Start(t, nil).Server.Addr("admin").String()
	s, err := server.New(configured(t, func(c *server.Config) {
		c.Listeners = append(c.Listeners, server.Listener{Name: "fourth", Addr: taken, Setting: "fourth_listen"})
	}))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Listen()
	for _, want := range []string{"listener fourth at " + taken, "address already in use", "stop what listens there, or set fourth_listen to another address"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
	if addr := s.Addr("third"); addr != nil {
		t.Errorf("the other listener is still open at %v", addr)
	}
}
