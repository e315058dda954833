package server_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/servertest"
)

// exchange sends a request without a key and reads the answer whole.
func exchange(t *testing.T, client *http.Client, method, url string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, client, request)
}

func send(t *testing.T, client *http.Client, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// answers is a room whose routes answer in every way that handlers do.
type answers struct {
	written chan int // parts that the endless stream wrote before it was ended
}

func (a answers) Mount(e *echo.Echo) {
	part := strings.Repeat("x", 64<<10)
	e.GET("/large", func(c echo.Context) error { return c.String(http.StatusOK, part) })
	e.GET("/none", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	e.GET("/known", func(c echo.Context) error {
		c.Response().Header().Set("ETag", `"7"`)
		return c.NoContent(http.StatusNotModified)
	})
	e.GET("/parts", func(c echo.Context) error {
		for range 3 {
			if _, err := io.WriteString(c.Response(), "part"); err != nil {
				return err
			}
		}
		return nil
	})
	e.GET("/length", func(c echo.Context) error {
		c.Response().Header().Set("Content-Length", strconv.Itoa(2*len(part)))
		for range 2 {
			if _, err := io.WriteString(c.Response(), part); err != nil {
				return err
			}
		}
		return nil
	})
	e.GET("/flushed", func(c echo.Context) error {
		if _, err := io.WriteString(c.Response(), "part"); err != nil {
			return err
		}
		c.Response().Flush()
		_, err := io.WriteString(c.Response(), "part")
		return err
	})
	e.GET("/gone", func(echo.Context) error { return authz.Errorf(authz.CodeNotFound, "gone") })
	e.GET("/panic", func(echo.Context) error { panic("early") })
	e.GET("/silent", func(echo.Context) error { return nil })
	e.GET("/endless", func(c echo.Context) error {
		for n := 0; ; n++ {
			if _, err := io.WriteString(c.Response(), part); err != nil {
				a.written <- n
				return err
			}
		}
	})
	e.GET("/cut", func(c echo.Context) error {
		if _, err := io.WriteString(c.Response(), "part"); err != nil {
			return err
		}
		return authz.Errorf(authz.CodeInternal, "in the middle")
	})
}

func (answers) PublicPaths() []string {
	return []string{"/large", "/none", "/known", "/parts", "/length", "/flushed", "/gone", "/panic", "/silent", "/endless", "/cut"}
}

// TestHead: an answer to HEAD is that of GET without its content, and has its length
// where that is known; over HTTP/1.1, and over TLS by HTTP/2.
func TestHead(t *testing.T) {
	made := httptest.NewTLSServer(nil) // for its certificate
	made.Close()
	over := third(answers{})
	over.Name, over.TLS = "over TLS", &tls.Config{Certificates: made.TLS.Certificates, NextProtos: []string{"h2"}}
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(answers{}), over} })
	for name, base := range map[string]string{
		"HTTP/1.1": node.URL("third"),
		"HTTP/2.0": "https://" + node.Server.Addr("over TLS").String(),
	} {
		t.Run(name, func(t *testing.T) { headLikeGet(t, name, base) })
	}
}

func headLikeGet(t *testing.T, protocol, base string) {
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, length := range map[string]string{
		"/large": "65536", "/none": "", "/known": "", "/parts": "12", "/length": "131072", "/flushed": "", "/panic": "", "/gone": "",
		"/silent": "", "/healthz": "11", "/v1/nothing": "",
	} {
		get, _ := exchange(t, client, http.MethodGet, base+path)
		head, body := exchange(t, client, http.MethodHead, base+path)
		if head.Proto != protocol {
			t.Fatalf("answered by %s, want %s", head.Proto, protocol)
		}
		if head.StatusCode != get.StatusCode || body != "" {
			t.Errorf("HEAD %s: %d %q, want %d without content", path, head.StatusCode, body, get.StatusCode)
		}
		said, want := head.Header.Get("Content-Length"), get.Header.Get("Content-Length")
		if length != "" && said != length {
			t.Errorf("HEAD %s: Content-Length %q, want %s", path, said, length)
		}
		// Problems differ in their request id only, which is as long.
		if said != "" && want != "" && said != want {
			t.Errorf("HEAD %s: Content-Length %q, GET has %q", path, said, want)
		}
		if diff := cmp.Diff(get.Header, head.Header, cmpopts.IgnoreMapEntries(guessed)); diff != "" {
			t.Errorf("HEAD %s has other headers (+) than GET (-):\n%s", path, diff)
		}
	}
}

// guessed reports whether a header differs from one answer to the next, or net/http
// finds it out from the content when the handler does not say.
func guessed(name string, values []string) bool {
	switch name {
	case "X-Request-Id", "Date", "Content-Length":
		return true
	case "Content-Type":
		return values[0] == "text/plain; charset=utf-8"
	}
	return false
}

// TestHeadIsNotEndless: nobody makes content without end that is dropped.
func TestHeadIsNotEndless(t *testing.T) {
	room := answers{written: make(chan int, 1)}
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(room)} })
	response, _ := exchange(t, http.DefaultClient, http.MethodHead, node.URL("third")+"/endless")
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Length") != "" {
		t.Errorf("answered %d of length %q, want 200 of no known length", response.StatusCode, response.Header.Get("Content-Length"))
	}
	if parts := <-room.written; parts > 16 {
		t.Errorf("%d parts of 64 kB were made, want no more than 1 MB", parts)
	}
}

// TestHeadThatFailsInTheMiddle: what would have been cut off is no success.
func TestHeadThatFailsInTheMiddle(t *testing.T) {
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(answers{})} })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, node.URL("third")+"/cut", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Errorf("answered %d, want a connection that breaks off", response.StatusCode)
	}
}
