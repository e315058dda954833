package server_test

import (
	"io"
	"net/http"
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

// exchange sends a request and reads the answer whole.
func exchange(t *testing.T, request *http.Request) (int, http.Header, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
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
	return response.StatusCode, response.Header, string(body)
}

func ask(t *testing.T, method, url string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return exchange(t, request)
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

// TestHead: an answer to HEAD is that of GET without its content, over HTTP/1.1, and
// has its length where that is known.
func TestHead(t *testing.T) {
	room := answers{written: make(chan int, 1)}
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(room)} })
	base := node.URL("third")
	for path, length := range map[string]string{
		"/large": "65536", "/none": "", "/known": "", "/parts": "12", "/length": "131072", "/flushed": "", "/panic": "", "/gone": "",
		"/silent": "", "/healthz": "11", "/v1/nothing": "",
	} {
		status, want, _ := ask(t, http.MethodGet, base+path)
		got, header, body := ask(t, http.MethodHead, base+path)
		if got != status || body != "" {
			t.Errorf("HEAD %s: %d %q, want %d without content", path, got, body, status)
		}
		if length != "" && header.Get("Content-Length") != length {
			t.Errorf("HEAD %s: Content-Length %q, want %s", path, header.Get("Content-Length"), length)
		}
		// What HEAD says of the length is what GET has, when it says so.
		if said := want.Get("Content-Length"); said != "" && header.Get("Content-Length") != "" && status < 400 && said != header.Get("Content-Length") {
			t.Errorf("HEAD %s: Content-Length %q, GET has %q", path, header.Get("Content-Length"), said)
		}
		other := cmpopts.IgnoreMapEntries(func(name string, _ []string) bool {
			return name == "X-Request-Id" || name == "Date" || name == "Content-Length" || path == "/silent" || name == "Content-Type" && (path == "/parts" || path == "/length" || path == "/flushed")
		})
		if diff := cmp.Diff(want, header, other); diff != "" {
			t.Errorf("HEAD %s has other headers (+) than GET (-):\n%s", path, diff)
		}
	}
}

// TestHeadIsNotEndless: nobody makes content without end that is dropped.
func TestHeadIsNotEndless(t *testing.T) {
	room := answers{written: make(chan int, 1)}
	node := servertest.Start(t, func(c *servertest.Config) { c.Listeners = []server.Listener{third(room)} })
	status, header, _ := ask(t, http.MethodHead, node.URL("third")+"/endless")
	if status != http.StatusOK || header.Get("Content-Length") != "" {
		t.Errorf("answered %d of length %q, want 200 of no known length", status, header.Get("Content-Length"))
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
