package tlsfiles_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/server/tlsfiles"
	"github.com/verdict-pdp/verdict/test/forge"
)

func write(t *testing.T, file string, content []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateIsRenewedWithoutARestart: new files are served from the next
// handshake on, and files that do not go together are not.
func TestCertificateIsRenewedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := at
	files := tlsfiles.Files{
		Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), AskClients: true,
		Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	cert, key := forge.Pair(t, 1)
	write(t, files.Cert, cert, at)
	write(t, files.Key, key, at)
	served, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	if from, to := tlsfiles.Life(served); !from.Before(to) || to.Before(time.Now()) {
		t.Errorf("the certificate is good from %s to %s, want it good now", from, to)
	}
	if served.MinVersion != tls.VersionTLS12 || served.ClientAuth != tls.RequestClientCert {
		t.Errorf("serves from version %x, asks for certificates: %v", served.MinVersion, served.ClientAuth)
	}
	serial := func() int64 {
		t.Helper()
		now = now.Add(2 * time.Second)
		certificate, err := served.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(certificate.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	cert, key = forge.Pair(t, 2)
	write(t, files.Cert, cert, at.Add(time.Minute)) // the key is still the old one
	for range 2 {
		if got := serial(); got != 1 {
			t.Errorf("serves certificate %d, want 1", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be read again"); n != 1 {
		t.Errorf("logged %d times: %s", n, &log)
	}
	write(t, files.Key, key, at.Add(time.Minute))
	if serial() != 2 {
		t.Errorf("serves %d, want the new one", serial())
	}
	// Handshakes within a second do not look again.
	cert, key = forge.Pair(t, 3)
	write(t, files.Cert, cert, at.Add(time.Hour))
	write(t, files.Key, key, at.Add(time.Hour))
	served3, err := served.GetCertificate(nil)
	if leaf, parsed := x509.ParseCertificate(served3.Certificate[0]); err != nil || parsed != nil || leaf.SerialNumber.Int64() != 2 {
		t.Errorf("looked again at once: %v %v %v", leaf.SerialNumber, err, parsed)
	}
	if serial() != 3 {
		t.Errorf("serves %d, want the newest", serial())
	}
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	if serial() != 3 {
		t.Errorf("serves %d without its file", serial())
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the key is in the log")
	}
}

func TestFilesMustBeThere(t *testing.T) {
	missing := tlsfiles.Files{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: "key.pem", Now: time.Now, Log: slog.Default()}
	if _, err := missing.Config(); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("opened with %v, want an error about cert.pem", err)
	}
	for _, none := range []tlsfiles.Files{{AskClients: true}, {}} {
		if served, err := none.Config(); served != nil || err != nil {
			t.Errorf("without files: %v, %v; want no TLS", served, err)
		}
	}
}

// authority signs certificates for these tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return authority{sign(t, template, template, key, key), key}
}

func sign(t *testing.T, template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// client is a certificate that is good until then, for an extended use.
func (a authority) client(t *testing.T, until time.Time, use x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "client"}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{use},
	}
	return &tls.Certificate{Certificate: [][]byte{sign(t, template, a.certificate, key, a.key).Raw}, PrivateKey: key}
}

// handshake is one connection over loopback: the server's error, or nil when the
// client presented what it wants. A cache has the client resume its last session.
func handshake(t *testing.T, served *tls.Config, client *tls.Certificate, cache tls.ClientSessionCache) error {
	t.Helper()
	listening, err := tls.Listen("tcp", "127.0.0.1:0", served)
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	go func() {
		if client == nil {
			client = new(tls.Certificate)
		}
		conn, err := tls.Dial("tcp", listening.Addr().String(), &tls.Config{
			InsecureSkipVerify:   true, // the server's certificate is of other tests
			ServerName:           "verdict",
			ClientSessionCache:   cache,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil },
		})
		if err == nil {
			io.Copy(io.Discard, conn) // a ticket to resume with comes after the handshake
			conn.Close()
		}
	}()
	conn, err := listening.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).HandshakeContext(t.Context())
}

// TestClientsNeedACertificate: only who presents one that leads to an authority of
// the file as it is now, is good now and is one of a client, gets through.
func TestClientsNeedACertificate(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := at
	files := tlsfiles.Files{
		Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem"),
		Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	cert, key := forge.Pair(t, 1)
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	write(t, files.Cert, cert, at)
	write(t, files.Key, key, at)
	write(t, files.ClientCA, ours.pem(), at)
	served, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	good := ours.client(t, soon, x509.ExtKeyUsageClientAuth)
	other := theirs.client(t, soon, x509.ExtKeyUsageClientAuth)
	expect := func(when string, want map[string]*tls.Certificate, refused map[string]*tls.Certificate) {
		t.Helper()
		now = now.Add(2 * time.Second)
		for name, client := range want {
			if err := handshake(t, served, client, nil); err != nil {
				t.Errorf("%s, a certificate that is %s: %v, want it let through", when, name, err)
			}
		}
		for name, client := range refused {
			if err := handshake(t, served, client, nil); err == nil {
				t.Errorf("%s, a certificate that is %s was let through", when, name)
			}
		}
	}
	expect("at first", map[string]*tls.Certificate{"good": good}, map[string]*tls.Certificate{
		"none":          nil,
		"of another":    other,
		"expired":       ours.client(t, time.Now().Add(-time.Minute), x509.ExtKeyUsageClientAuth),
		"not yet":       ours.client(t, time.Now().Add(24*time.Hour), x509.ExtKeyUsageClientAuth),
		"of a server":   ours.client(t, soon, x509.ExtKeyUsageServerAuth),
		"signed itself": selfSigned(t),
	})

	// A session that was begun is judged again when it goes on.
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		if err := handshake(t, served, good, cache); err != nil {
			t.Errorf("going on: %v", err)
		}
	}
	write(t, files.ClientCA, theirs.pem(), at.Add(time.Minute))
	expect("with other authorities", map[string]*tls.Certificate{"of theirs": other}, map[string]*tls.Certificate{"of ours": good, "none": nil})
	if err := handshake(t, served, good, cache); err == nil {
		t.Error("a session of an authority that was taken out goes on")
	}

	write(t, files.ClientCA, []byte("no certificate"), at.Add(time.Hour))
	expect("with a broken file", map[string]*tls.Certificate{"of theirs": other}, map[string]*tls.Certificate{"of ours": good, "none": nil})
	if n := strings.Count(log.String(), files.ClientCA+" has no certificate of an authority"); n != 1 {
		t.Errorf("the broken file is logged %d times, want once: %s", n, &log)
	}
	if err := os.Remove(files.ClientCA); err != nil {
		t.Fatal(err)
	}
	expect("without the file", map[string]*tls.Certificate{"of theirs": other}, map[string]*tls.Certificate{"of ours": good, "none": nil})
}

func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	cert, key := forge.Pair(t, 9)
	signed, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &signed
}

// TestNoAuthorities asks nobody for a certificate.
func TestNoAuthorities(t *testing.T) {
	dir := t.TempDir()
	files := tlsfiles.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Now: time.Now, Log: slog.Default()}
	cert, key := forge.Pair(t, 1)
	write(t, files.Cert, cert, time.Now())
	write(t, files.Key, key, time.Now())
	served, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	if served.ClientAuth != tls.NoClientCert {
		t.Errorf("asks for certificates: %v, want none asked for", served.ClientAuth)
	}
	if err := handshake(t, served, nil, nil); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
}
