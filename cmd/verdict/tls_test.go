package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() *authority {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err) // of the random numbers of the system
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &authority{certificate, key}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// write puts the authority's own certificate into a file.
func (a *authority) write(file string) string {
	put(file, "CERTIFICATE", a.certificate.Raw)
	return file
}

// issue writes name.pem and name.key: a certificate of 127.0.0.1, as a server and as a
// client, that is good for so long from now on, or was until so long ago.
func (a *authority) issue(name string, good time.Duration) {
	a.issueFrom(name, time.Now().Add(-24*time.Hour), good)
}

// issueFrom is issue of what is not good before a time.
func (a *authority) issueFrom(name string, from time.Time, good time.Duration) {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: filepath.Base(name)},
		NotBefore: from, NotAfter: time.Now().Add(good),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	put(name+".pem", "CERTIFICATE", der)
	put(name+".key", "PRIVATE KEY", secret)
}

func put(file, kind string, der []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		panic(err)
	}
}

// run runs a command and gives its exit status and what it wrote to standard error.
func run(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command("verdict", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// TestServeAdminOverTLS runs the real server with TLS on both listeners, asking the
// clients of the admin API for certificates, and calls it as operators would.
func TestServeAdminOverTLS(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ours, theirs := newAuthority(), newAuthority()
	ca, stranger := ours.write(file("ca.pem")), theirs.write(file("stranger.pem"))
	clientCA := ours.write(file("client-ca.pem"))
	ours.issue(file("server"), time.Hour)
	ours.issue(file("operator"), time.Hour)
	ours.issue(file("expired"), -time.Minute)
	theirs.issue(file("intruder"), time.Hour)

	decisions, admin := startServer(t, "--data", data,
		"--tls-cert", file("server.pem"), "--tls-key", file("server.key"),
		"--admin-tls-cert", file("server.pem"), "--admin-tls-key", file("server.key"), "--admin-tls-client-ca", clientCA)
	if !strings.HasPrefix(admin, "https://127.0.0.1:") || !strings.HasPrefix(decisions, "https://127.0.0.1:") {
		t.Fatalf("serve says %s and %s, want https URLs", decisions, admin)
	}
	with := func(name string) []string {
		return []string{"--cert", file(name + ".pem"), "--key", file(name + ".key")}
	}
	refused := "may not accept the certificate of --cert"
	for name, test := range map[string]struct {
		trust  []string
		status int
		says   string
	}{
		"good":                {append(with("operator"), "--ca", ca), 0, ""},
		"no certificate":      {[]string{"--ca", ca}, 7, "The server asked for a client certificate. When it needs one, as with admin_tls.client_ca, name it with --cert and --key"},
		"of another":          {append(with("intruder"), "--ca", ca), 7, refused},
		"expired":             {append(with("expired"), "--ca", ca), 7, refused},
		"server not trusted":  {with("operator"), 7, "signed by unknown authority"},
		"another one trusted": {append(with("operator"), "--ca", stranger), 7, "signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			status, said := run(t, append([]string{"key", "list", "--data", data, "--server", admin}, test.trust...)...)
			if status != test.status || !strings.Contains(said, test.says) {
				t.Errorf("exit status %d, want %d, and it says %q:\n%s", status, test.status, test.says, said)
			}
		})
	}
	// The key is still needed: a certificate is not a role.
	if status, said := run(t, append([]string{"key", "list", "--ca", ca, "--key-file", filepath.Join(data, "keys", "pep.key"), "--server", admin}, with("operator")...)...); status != 6 {
		t.Errorf("with a certificate and the key of a PEP: exit status %d, want 6\n%s", status, said)
	}
	// Decisions ask for a certificate and do without.
	if status, said := run(t, "decide", "--action", "a", "--resource", "b", "--data", data, "--ca", ca, "--server", decisions); status != 3 {
		t.Errorf("decide without a certificate: exit status %d, want 3\n%s", status, said)
	}

	// From the next handshake on, other authorities count.
	theirs.write(clientCA)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(clientCA, later, later); err != nil {
		t.Fatal(err)
	}
	awaitExit(t, 0, append([]string{"key", "list", "--data", data, "--ca", ca, "--server", admin}, with("intruder")...)...)
	if status, said := run(t, append([]string{"key", "list", "--data", data, "--ca", ca, "--server", admin}, with("operator")...)...); status != 7 {
		t.Errorf("a certificate of the authority that was taken out: exit status %d, want 7\n%s", status, said)
	}
}

// awaitExit repeats a command until it ends with status: files are looked at once a second.
func awaitExit(t *testing.T, status int, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got, said := run(t, args...)
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("exit status %d after a minute, want %d\n%s", got, status, said)
		}
	}
}

// TestServeOnSockets runs the real server on two sockets.
func TestServeOnSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "v") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := t.TempDir()
	pep, ops := filepath.Join(dir, "pep.sock"), filepath.Join(dir, "admin.sock")
	t.Run("served", func(t *testing.T) {
		decisions, admin := startServer(t, "--data", data, "--listen", "unix:"+pep+"|0660", "--admin-listen", "unix://"+ops)
		if decisions != "unix:"+pep || admin != "unix:"+ops {
			t.Errorf("serve says %s and %s, want unix:%s and unix:%s", decisions, admin, pep, ops)
		}
		for file, want := range map[string]os.FileMode{pep: 0o660, ops: 0o600} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has %v, %v; want mode %v", file, info, err, want)
			}
		}
		for _, address := range []string{"unix:" + ops, "unix://" + ops} {
			if status, said := run(t, "key", "list", "--data", data, "--server", address); status != 0 {
				t.Errorf("at %s: exit status %d, want 0\n%s", address, status, said)
			}
		}
		if status, said := run(t, "decide", "--action", "a", "--resource", "b", "--data", data, "--server", decisions); status != 3 {
			t.Errorf("decide: exit status %d, want 3\n%s", status, said)
		}
		if status, said := run(t, "decide", "--action", "a", "--resource", "b", "--data", data, "--server", admin); status != 1 || !strings.Contains(said, "right one of the two listeners") {
			t.Errorf("decide at the admin socket: exit status %d, want 1 and which listener\n%s", status, said)
		}
		second := serveCommand("--data", t.TempDir(), "--admin-listen", "unix:"+ops)
		var said bytes.Buffer
		second.Stderr = &said
		if err := second.Run(); err == nil || !strings.Contains(said.String(), "listener admin cannot be opened at unix:"+ops+": "+ops+" is in use") {
			t.Errorf("a second server on the socket: %v, %s", err, &said)
		}
	})
	for _, file := range []string{pep, ops} {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is still there after the server ended", file)
		}
	}
}
