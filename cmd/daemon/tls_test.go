package daemon_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
)

// pair is a self-signed certificate and its key, as PEM.
func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "verdict"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

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
	files := config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cert, key := pair(t, 1)
	write(t, files.Cert, cert, at)
	write(t, files.Key, key, at)
	var log bytes.Buffer
	now := at
	served, err := daemon.DecisionsTLS(files, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
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
	cert, key = pair(t, 2)
	write(t, files.Cert, cert, at.Add(time.Minute)) // the key is still the old one
	for range 2 {
		if got := serial(); got != 1 {
			t.Errorf("serves %d", got)
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
	cert, key = pair(t, 3)
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

func TestTLSFilesMustBeThere(t *testing.T) {
	missing := config.TLS{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: "key.pem"}
	if _, err := daemon.DecisionsTLS(missing, time.Now, slog.Default()); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("opened with %v", err)
	}
	if served, err := daemon.DecisionsTLS(config.TLS{}, time.Now, slog.Default()); served != nil || err != nil {
		t.Errorf("without files: %v, %v", served, err)
	}
}

func TestSecretsOfIssuersAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(0, 0)
	files := daemon.NewSecretFiles(dir, func() time.Time { return now })
	if _, err := files.Read("ledgerlink"); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "ledgerlink")) {
		t.Errorf("read %v", err)
	}
	write(t, filepath.Join(dir, "ledgerlink"), []byte("hunter2\r\n"), now)
	if _, err := files.Read("ledgerlink"); err == nil {
		t.Error("the file was looked at again at once: every decision would")
	}
	now = now.Add(time.Minute)
	if text, err := files.Read("ledgerlink"); text != "hunter2" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
	write(t, filepath.Join(dir, "empty"), []byte("\n"), now)
	if _, err := files.Read("empty"); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("read an empty file: %v", err)
	}
}
