package sources_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/sources"
)

// patience is how long tests in real time wait for what must come.
const patience = 20 * time.Second

// eventually waits until the first source is as ok wants it.
func eventually(t *testing.T, p *sources.Puller, what string, ok func(authz.SourceStatus) bool) authz.SourceStatus {
	t.Helper()
	end := time.After(patience)
	for {
		s := p.Status()[0]
		if ok(s) {
			return s
		}
		select {
		case <-end:
			t.Fatalf("waited in vain for %s: %+v", what, s)
		case <-time.After(time.Millisecond):
		}
	}
}

// fetch pulls once from a real server, and gives what became of it.
func fetch(t *testing.T, s sources.Source, g *gate, logged io.Writer) authz.SourceStatus {
	t.Helper()
	s.Name, s.MinDelay, s.MaxDelay = "acme", time.Hour, time.Hour
	p, err := sources.New(sources.Config{
		Sources: []sources.Source{s}, Push: g.push, Log: slog.New(slog.NewTextHandler(logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	end := start(t, p)
	got := eventually(t, p, "an attempt", func(s authz.SourceStatus) bool { return s.Error != "" || !s.LastSuccess.IsZero() })
	end()
	return got
}

func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/acme"
}

func writes(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func TestAnswersThatAreNoBundle(t *testing.T) {
	const told = "Bearer s3cret"
	elsewhere := serve(t, serves("", "stolen"))
	tests := map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"401":            {status(401), "401: it does not accept our token"},
		"403":            {status(403), "403: it does not accept our token"},
		"404":            {status(404), "404, not 200"},
		"500":            {status(500), "500, not 200"},
		"503":            {status(503), "503"},
		"204":            {status(204), "204, not 200"},
		"304 at once":    {status(304), "304, though"},
		"empty":          {func(http.ResponseWriter, *http.Request) {}, "without a bundle"},
		"another host":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) }, "redirected"},
		"another scheme": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://"+r.Host, http.StatusFound) }, "redirected"},
		"in a circle":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/acme", http.StatusFound) }, "redirected"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1001")
			writes(w, make([]byte, 1001))
		}, "larger than 1000 bytes"},
		"too much, unannounced": {func(w http.ResponseWriter, _ *http.Request) {
			for range 2000 {
				writes(w, make([]byte, 1000))
				if err := http.NewResponseController(w).Flush(); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		}, "larger than 1000 bytes"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			writes(w, []byte(told))
			panic(http.ErrAbortHandler)
		}, "the connection broke"},
		"stuck": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			writes(w, []byte(told))
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(http.ErrAbortHandler)
			}
			<-r.Context().Done()
		}, "no whole answer within 200ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Told", told)
				test.answer(w, r)
			})
			g, logged := &gate{}, &bytes.Buffer{}
			got := fetch(t, sources.Source{URL: url, MaxBytes: 1000, Timeout: 200 * time.Millisecond}, g, logged)
			if !strings.Contains(got.Error, test.says) || got.ETag != "" {
				t.Errorf("%+v, want it to say %q", got, test.says)
			}
			if strings.Contains(got.Error+logged.String(), "s3cret") {
				t.Errorf("%+v or the log quotes the server: %s", got, logged)
			}
			g.got(t)
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if code >= 400 {
			writes(w, []byte("Bearer s3cret"))
		}
	}
}

func TestServerThatIsGone(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	if got := fetch(t, sources.Source{URL: s.URL}, &gate{}, io.Discard); !strings.Contains(got.Error, "refused") {
		t.Errorf(`got %+v; want Error with "refused"`, got)
	}
}

func TestRedirectWithinTheServer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/acme" {
			http.Redirect(w, r, "/versions/7", http.StatusFound)
			return
		}
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		serves(`"v7"`, "seven")(w, r)
	})
	g := &gate{}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, sources.Source{URL: url, TokenFile: token}, g, io.Discard); got.ETag != `"v7"` {
		t.Errorf("got %+v; want ETag `\"v7\"`", got)
	}
	g.got(t, "seven")
}

func TestTokenFiles(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked with %q", r.Header.Get("Authorization")) })
	for name, content := range map[string]string{"empty": " \n", "two words": "tok s3cret", "a header": "a\r\nX-B: s3cret", "long": strings.Repeat("s3cret", 4000)} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := fetch(t, sources.Source{URL: url, TokenFile: path}, &gate{}, io.Discard)
		if !strings.Contains(got.Error, "holds no token") || strings.Contains(got.Error, "s3cret") {
			t.Errorf(`%s: got %+v; want Error with "holds no token", Error without "s3cret"`, name, got)
		}
	}
	if got := fetch(t, sources.Source{URL: url, TokenFile: filepath.Join(t.TempDir(), "none")}, &gate{}, io.Discard); !strings.Contains(got.Error, "no such file") {
		t.Errorf(`got %+v; want Error with "no such file"`, got)
	}
}

// A server of files may say of a tar.gz that its encoding is gzip.
func TestBundleArrivesAsItIs(t *testing.T) {
	packed := &bytes.Buffer{}
	z := gzip.NewWriter(packed)
	if _, err := io.WriteString(z, "one"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	fetch(t, sources.Source{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		writes(w, packed.Bytes())
	})}, g, io.Discard)
	g.got(t, packed.String())
}

// A server of files, as net/http and nginx are, with weak or strong ETags or none.
func TestPlainFileServer(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "acme"), "one")
	files := http.FileServerFS(os.DirFS(folder))
	var mu sync.Mutex
	var answers []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(filepath.Join(folder, "acme"))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("ETag", `W/"`+strconv.Itoa(len(text))+`"`)
		note := httptest.NewRecorder()
		files.ServeHTTP(note, r)
		mu.Lock()
		answers = append(answers, strconv.Itoa(note.Code))
		mu.Unlock()
		files.ServeHTTP(w, r)
	})
	g := &gate{}
	p, err := sources.New(sources.Config{
		Sources: []sources.Source{{Name: "acme", URL: url, MinDelay: time.Millisecond, MaxDelay: time.Millisecond}}, Push: g.push,
	})
	if err != nil {
		t.Fatal(err)
	}
	end := start(t, p)
	first := eventually(t, p, "the bundle", func(s authz.SourceStatus) bool { return s.ETag == `W/"3"` })
	eventually(t, p, "the next answer", func(s authz.SourceStatus) bool { return s.LastSuccess.After(first.LastSuccess) })
	write(t, filepath.Join(folder, "acme"), "another")
	eventually(t, p, "what is new", func(s authz.SourceStatus) bool { return s.ETag == `W/"7"` })
	end()
	g.got(t, "one", "another")
	mu.Lock()
	defer mu.Unlock()
	if len(answers) < 3 {
		t.Errorf("answers %v", answers)
	}
}

// write puts a file in place at once, as editors do.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(aside, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

func TestSourcesThatAreRefused(t *testing.T) {
	good := sources.Source{Name: "acme", URL: "https://bundles.example/acme"}
	tests := map[string]struct {
		change func(*sources.Source)
		field  string
	}{
		"no name":             {func(s *sources.Source) { s.Name = "" }, "sources[1].name"},
		"twice":               {func(s *sources.Source) { s.Name = "first" }, "sources[1].name"},
		"the modes":           {func(s *sources.Source) { s.Name = authz.ModesBundle }, "sources[1].name"},
		"nowhere":             {func(s *sources.Source) { s.URL = "" }, "sources[1].url"},
		"two places":          {func(s *sources.Source) { s.Folder = "/policies" }, "sources[1].url"},
		"plain http":          {func(s *sources.Source) { s.URL = "http://bundles.example/acme" }, "sources[1].url"},
		"a password":          {func(s *sources.Source) { s.URL = "https://u:p@bundles.example/acme" }, "sources[1].url"},
		"wait below a second": {func(s *sources.Source) { s.LongPoll = time.Second / 2 }, "sources[1].long_poll"},
		"wait too long":       {func(s *sources.Source) { s.LongPoll = time.Hour }, "sources[1].long_poll"},
		"wait backwards":      {func(s *sources.Source) { s.LongPoll = -time.Second }, "sources[1].long_poll"},
		"delays swapped":      {func(s *sources.Source) { s.MinDelay, s.MaxDelay = 2, 1 }, "sources[1].min_delay"},
		"folder with a token": {func(s *sources.Source) { s.URL, s.Folder, s.TokenFile = "", "/policies", "/token" }, "sources[1].long_poll"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := good
			test.change(&s)
			first := good
			first.Name = "first"
			_, err := sources.New(sources.Config{Sources: []sources.Source{first, s}, Push: (&gate{}).push, Pack: pack})
			var fault *authz.Error
			if !errors.As(err, &fault) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.field, fault.Field); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := sources.New(sources.Config{Sources: []sources.Source{good}}); authz.CodeOf(err) != authz.CodeInternal {
		t.Errorf("nobody to push to: %v", err)
	}
	if _, err := sources.New(sources.Config{Sources: []sources.Source{{Name: "acme", Folder: "/p"}}, Push: (&gate{}).push}); authz.CodeOf(err) != authz.CodeInternal {
		t.Errorf("nobody to pack: %v", err)
	}
}
