package demo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/token"
)

// TestIssuerKeepsItsKey: tokens of a demo outlive its restart.
func TestIssuerKeepsItsKey(t *testing.T) {
	data := t.TempDir()
	made, err := demo.Issuer(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.CheckIssuer(made); err != nil {
		t.Errorf("no issuer that may be registered: %v", err)
	}
	info, err := os.Stat(demo.KeyFile(data))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the private key has mode %v, want it readable by its user only", info.Mode())
	}
	read, err := demo.Issuer(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(made.Keys), string(read.Keys)); diff != "" {
		t.Errorf("its keys as they were made and as they were read (-made +read):\n%s", diff)
	}
	if err := os.WriteFile(demo.KeyFile(data), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if issuer, err := demo.Issuer(data); err == nil {
		t.Errorf("made %v of a file that is no key, want an error", issuer)
	}
	if _, err := demo.Issuer(filepath.Join(demo.KeyFile(data), "below a file")); err == nil {
		t.Error("made an issuer in a folder that cannot be, want an error")
	}
}

func TestTokenService(t *testing.T) {
	for _, test := range []struct {
		listen  string
		overTLS bool
		want    string
	}{
		{"127.0.0.1:8181", false, "http://127.0.0.1:8181"},
		{"127.0.0.1:8181", true, "https://127.0.0.1:8181"},
		{"127.0.0.1:0", false, ""},
		{"0.0.0.0:8181", false, ""},
		{"192.0.2.1:8181", true, ""},
		{"unix:/run/verdict.sock", false, ""},
		{"nonsense", false, ""},
	} {
		if got := demo.TokenService(test.listen, test.overTLS); got != test.want {
			t.Errorf("TokenService(%q, %t) = %q, want %q", test.listen, test.overTLS, got, test.want)
		}
	}
}
