package test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// signing is a folder with a key pair, as an author has it, and the file of keys that
// a node trusts.
type signing struct {
	t       *testing.T
	dir     string
	trusted string
}

func newSigning(t *testing.T) signing {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s := signing{t: t, dir: t.TempDir()}
	s.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	pub := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	s.trusted = s.write("keys.json", marshal(t, map[string]any{"keys": map[string]any{"ci": map[string]string{"algorithm": "ES256", "key": pub, "scope": "production"}}}))
	return s
}

func (s signing) write(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// build makes a bundle of acme that `opa sign` signed. (`opa build` would want the
// functions of the base bundle that acme calls to be in the same bundle.)
func (s signing) build(mark, scope string, iat int) []byte {
	s.t.Helper()
	opa, err := opaBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	folder := filepath.Join(s.t.TempDir(), "acme")
	if err := os.CopyFS(folder, pdptest.Acme(mark, "acme.never")); err != nil {
		s.t.Fatal(err)
	}
	claims := s.write("claims.json", marshal(s.t, map[string]any{"keyid": "ci", "scope": scope, "iat": iat}))
	cmd := exec.Command(opa, "sign", "--bundle", "--signing-key", filepath.Join(s.dir, "key.pem"), "--signing-alg", "ES256", "--claims-file", claims, ".")
	cmd.Dir = folder
	if said, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("opa sign: %v\n%s", err, said)
	}
	var packed bytes.Buffer
	if err := bundles.Pack(&packed, os.DirFS(folder)); err != nil {
		s.t.Fatal(err)
	}
	return packed.Bytes()
}

// repacked is a bundle after change was made to each of its files; a file whose content
// becomes nil is left out.
func repacked(t *testing.T, packed []byte, change func(name string, content []byte) []byte) []byte {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	in := tar.NewReader(unzipped)
	var made bytes.Buffer
	zipped := gzip.NewWriter(&made)
	out := tar.NewWriter(zipped)
	for {
		head, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if content = change(strings.TrimPrefix(head.Name, "/"), content); content == nil {
			continue
		}
		if err := out.WriteHeader(&tar.Header{Name: head.Name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

// TestSignaturesOverHTTP pushes bundles signed by the real `opa sign` to a node that wants
// signatures. What was tampered with is refused with its reason, and the generation
// before answers on. The rooms below test every way to tamper; this is that the node
// as a whole is closed.
func TestSignaturesOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard, Change: func(c *config.Config) {
		c.Bundles.RequireSignatures, c.Bundles.Keys = true, s.trusted
	}})
	push := func(packed []byte) pdptest.Answer {
		return p.Call(http.MethodPut, p.AdminURL()+api.PathBundles+"/acme?activate=true", p.Operator(), packed, "Content-Type", "application/gzip")
	}
	good := s.build("good", "production", 2000)
	if answer := push(good); answer.Status != http.StatusCreated {
		t.Fatalf("got status %d, body %s; want status 201", answer.Status, answer.Body)
	}
	other := newSigning(t)
	for _, test := range []struct {
		name   string
		packed []byte
		says   string
	}{
		{"unsigned", p.Pack(pdptest.Acme("bad", "acme.never")), "sign"},
		{"signature dropped", repacked(t, good, func(name string, content []byte) []byte {
			if name == ".signatures.json" {
				return nil
			}
			return content
		}), "sign"},
		{"rule changed", repacked(t, good, func(name string, content []byte) []byte {
			if strings.HasSuffix(name, "acme.rego") {
				return bytes.Replace(content, []byte("acme.never"), []byte("acme.niver"), 1)
			}
			return content
		}), "acme.rego"},
		{"another key", other.build("bad", "production", 3000), "signature"},
		{"another scope", s.build("bad", "staging", 3000), "scope"},
		{"an older one", s.build("bad", "production", 1000), "before the bundle accepted last"},
	} {
		answer := push(test.packed)
		var problem api.Problem
		unmarshal(t, answer.Body, &problem)
		if answer.Status != http.StatusBadRequest || !strings.Contains(problem.Detail, test.says) || len(problem.Errors) == 0 {
			t.Errorf("%s: got status %d, problem %+v; want status 400, Detail with %q, some Errors", test.name, answer.Status, problem, test.says)
		}
		if mark := markOf(p); mark != "good" {
			t.Errorf("%s: the mark is %v", test.name, mark)
		}
	}
	if answer := push(s.build("better", "production", 2001)); answer.Status != http.StatusCreated || markOf(p) != "better" {
		t.Errorf("a newer one: %d %s, mark %v", answer.Status, answer.Body, markOf(p))
	}
	if status := p.Call(http.MethodPost, p.AdminURL()+api.PathGuards+"/network/mode", p.Operator(), []byte(`{"mode":"off"}`)).Status; status != http.StatusBadRequest {
		t.Errorf("a guard of signed policies is switched off: %d", status)
	}
}

// TestBombsOverHTTP sends a bundle that unpacks to half a gigabyte, and one of a hundred
// thousand files. Each is refused in bounded memory, and decisions go on.
func TestBombsOverHTTP(t *testing.T) {
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	const megabytes = 512
	var huge, many bytes.Buffer // a tar cut off behind its only header, and one of empty files
	if err := tar.NewWriter(&huge).WriteHeader(&tar.Header{Name: "data.json", Mode: 0o600, Size: megabytes << 20}); err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(&many)
	for i := range 100_000 {
		if err := files.WriteHeader(&tar.Header{Name: fmt.Sprintf("d/%d.rego", i), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{
		"half a gigabyte of zeros": forge.Gzip(t, forge.Run{Content: huge.Bytes(), Times: 1}, forge.Run{Content: make([]byte, 1<<20), Times: megabytes}, forge.Run{Content: make([]byte, 1<<10), Times: 1}),
		"a hundred thousand files": forge.Gzip(t, forge.Run{Content: many.Bytes(), Times: 1}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer := p.Call(http.MethodPut, p.AdminURL()+api.PathBundles+"/acme", p.Operator(), packed, "Content-Type", "application/gzip")
		runtime.ReadMemStats(&after)
		if answer.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got status %d, body %s; want status 413", name, answer.Status, answer.Body)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
	if d := p.Ask(invoiceToAna(p.Token("mu:user-svc"))); d.Outcome != api.Allow {
		t.Errorf("got %+v; want Outcome Allow", d)
	}
}
