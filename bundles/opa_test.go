package bundles_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/bundles"
)

// opaCommand builds the opa command of tools/go.mod, which the go command keeps, and gives
// its path.
var opaCommand = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "-modfile=../tools/go.mod", "opa").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
})

// opa runs the real opa command in dir and returns what it printed.
func opa(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	binary, err := opaCommand()
	if err != nil {
		t.Fatalf("building opa: %v", err)
	}
	command := exec.Command(binary, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("opa %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// signer is a key pair of a test: what opa signs with, and the key Verdict has.
type signer struct {
	private     crypto.Signer
	privateFile string // PEM
	key         bundles.Key
}

// signers are one of each algorithm family, and a stranger, by name.
var signers = sync.OnceValues(func() (map[string]signer, error) {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	stranger, err2 := rsa.GenerateKey(rand.Reader, 2048)
	p256, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	all := map[string]signer{}
	for name, s := range map[string]signer{
		"RS256":    {private: rsaKey, key: bundles.Key{ID: "rsa", Algorithm: "RS256"}},
		"PS256":    {private: rsaKey, key: bundles.Key{ID: "pss", Algorithm: "PS256"}},
		"ES256":    {private: p256, key: bundles.Key{ID: "ec", Algorithm: "ES256"}},
		"EdDSA":    {private: ed, key: bundles.Key{ID: "ed", Algorithm: "EdDSA"}},
		"stranger": {private: stranger, key: bundles.Key{ID: "stranger", Algorithm: "RS256"}},
	} {
		private, err1 := x509.MarshalPKCS8PrivateKey(s.private)
		public, err2 := x509.MarshalPKIXPublicKey(s.private.Public())
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		s.privateFile = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		s.key.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
		all[name] = s
	}
	return all, nil
})

func signerOf(t testing.TB, name string) signer {
	t.Helper()
	all, err := signers()
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// acme is the folder of a bundle of a customer: every kind of file.
func acme() map[string]string {
	return map[string]string{
		".manifest":                  `{"revision": "7", "roots": ["guards/acme", "guards/acme_test", "acme"], "rego_version": 1}`,
		"guards/acme/acme.rego":      acmeGuard,
		"guards/acme/acme_test.rego": "package guards.acme_test\n\nimport data.guards.acme\n\ntest_open if count(acme.deny) == 0\n",
		"acme/limits/data.json":      `{"calls": 10, "names": ["a", "b"]}`,
		"acme/more/data.yaml":        "on_call: true\n",
		"README.md":                  "# Acme\n",
	}
}

const acmeGuard = `package guards.acme

# METADATA
# title: Acme is shut.
# custom:
#   code: ACME_SHUT
#   fix: Come back tomorrow.
#   status: 403
deny contains "shut" if input.resource.properties.shut == data.acme.more.on_call
`

// writeFolder writes files below a new folder.
func writeFolder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// opaBuild makes a bundle of files with `opa build`, run in the folder itself so
// that the paths of policies are those of the folder.
func opaBuild(t testing.TB, files map[string]string, args ...string) []byte {
	t.Helper()
	dir, out := writeFolder(t, files), filepath.Join(t.TempDir(), "bundle.tar.gz")
	opa(t, dir, slices.Concat([]string{"build", "--bundle", ".", "--output", out}, args)...)
	packed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// opaSigned is acme built and signed by the real opa.
func opaSigned(t testing.TB, s signer, claims map[string]any, args ...string) []byte {
	t.Helper()
	return opaBuild(t, acme(), slices.Concat(signingArgs(t, s, claims), args)...)
}

func signingArgs(t testing.TB, s signer, claims map[string]any) []string {
	t.Helper()
	dir := writeFolder(t, map[string]string{"key.pem": s.privateFile})
	args := []string{"--signing-key", filepath.Join(dir, "key.pem"), "--signing-alg", s.key.Algorithm}
	if claims == nil {
		return args
	}
	content, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "claims.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return append(args, "--claims-file", file)
}

// opaSign is the .signatures.json that `opa sign` writes for files.
func opaSign(t testing.TB, files map[string]string, s signer, claims map[string]any) string {
	t.Helper()
	dir := writeFolder(t, files)
	opa(t, dir, slices.Concat([]string{"sign", "--bundle", "."}, signingArgs(t, s, claims))...)
	content, err := os.ReadFile(filepath.Join(dir, ".signatures.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// tarred packs entries as they are.
func tarred(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	return gzipped(t, tarOf(t, entries...))
}

// tarOf is an uncompressed tar. The content of an entry is its PAX record
// "TEST.content", which is taken out.
func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, header := range entries {
		content, isFile := header.PAXRecords["TEST.content"]
		if isFile {
			header.PAXRecords = nil
		}
		header.Typeflag = cmp.Or(header.Typeflag, tar.TypeReg)
		if header.Typeflag == tar.TypeReg {
			header.Size = int64(len(content))
		}
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// entry is a file of tarOf.
func entry(name, content string) tar.Header {
	return tar.Header{Name: name, PAXRecords: map[string]string{"TEST.content": content}}
}

// entries are files of tarOf, in path order.
func entries(files map[string]string) []tar.Header {
	var all []tar.Header
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, entry(name, files[name]))
	}
	return all
}

// unpacked is what a bundle holds, :: path as it stands in the tar -> content.
func unpacked(t testing.TB, packed []byte) map[string]string {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func readTar(t testing.TB, packed []byte) bundles.Package {
	t.Helper()
	p, err := bundles.ReadTar(bytes.NewReader(packed), bundles.Limits{})
	if err != nil {
		t.Fatalf("ReadTar: %v", err)
	}
	return p
}

// wantRefused holds an error to being about the bundle, and to its words.
func wantRefused(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error is\n%v, want %q", err, want)
	}
}
