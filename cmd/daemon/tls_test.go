package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/test/forge"
)

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOpenNamesFilesOfTLS: what is wrong with a file, which, and which settings name it.
func TestOpenNamesFilesOfTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	cert, key := forge.Pair(t, 1)
	_, otherKey := forge.Pair(t, 2)
	good := config.AdminTLS{Cert: file("cert.pem", cert), Key: file("key.pem", key), ClientCA: file("ca.pem", cert)}
	for name, test := range map[string]struct {
		change func(*daemon.Config)
		says   []string
	}{
		"certificate missing": {func(c *daemon.Config) { c.AdminTLS.Cert = filepath.Join(dir, "nowhere.pem") }, []string{"nowhere.pem", "admin_tls.cert"}},
		"key of another":      {func(c *daemon.Config) { c.AdminTLS.Key = file("other.pem", otherKey) }, []string{"other.pem", "does not match", "admin_tls.key"}},
		"authorities missing": {func(c *daemon.Config) { c.AdminTLS.ClientCA = filepath.Join(dir, "no-ca.pem") }, []string{"no-ca.pem", "admin_tls.client_ca"}},
		"authorities empty":   {func(c *daemon.Config) { c.AdminTLS.ClientCA = file("empty.pem", nil) }, []string{"empty.pem", "has no certificate of an authority", "admin_tls.client_ca"}},
		"of decisions":        {func(c *daemon.Config) { c.TLS = config.TLS{Cert: filepath.Join(dir, "d.pem"), Key: good.Key} }, []string{"d.pem", "correct tls.cert"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(t, t.TempDir())
			c.AdminTLS = good
			test.change(&c)
			d, err := daemon.Open(t.Context(), c)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// TestURLsNameTheWay: http, https or a socket, as each listener is served.
func TestURLsNameTheWay(t *testing.T) {
	dir := t.TempDir()
	cert, key := forge.Pair(t, 1)
	write(t, filepath.Join(dir, "cert.pem"), cert)
	write(t, filepath.Join(dir, "key.pem"), key)
	c := settings(t, dir)
	c.AdminTLS = config.AdminTLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	d := open(t, c)
	if decisions, admin := d.DecisionsURL(), d.AdminURL(); !strings.HasPrefix(decisions, "http://127.0.0.1:") || !strings.HasPrefix(admin, "https://127.0.0.1:") {
		t.Errorf("served at %s and %s, want http and https", decisions, admin)
	}
}
