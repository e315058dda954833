package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/cmd/config"
)

// decisionsTLS is how decisions are served over TLS, nil when they are not. A
// client may present a certificate and the handshake proves its key; whether it
// leads to anybody is for the verifier to say, so nothing is refused here.
func decisionsTLS(c config.TLS, now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	files := &certificateFiles{cert: c.Cert, key: c.Key, now: now, log: log}
	if err := files.load(); err != nil {
		return nil, err
	}
	served := files.config()
	served.ClientAuth = tls.RequestClientCert
	return served, nil
}

// adminTLS is how the admin API is served over TLS, nil when it is not. With
// authorities of clients, the handshake fails without a certificate that leads to one
// of them and is good now.
func adminTLS(c config.AdminTLS, now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	files := &certificateFiles{cert: c.Cert, key: c.Key, clientCA: c.ClientCA, now: now, log: log}
	if err := files.load(); err != nil {
		return nil, err
	}
	served := files.config()
	if c.ClientCA == "" {
		return served, nil
	}
	served.ClientAuth = tls.RequireAndVerifyClientCert
	served.ClientCAs = files.current.clients
	// Each connection is judged by the authorities of now, none by those that a session
	// began with.
	served.SessionTicketsDisabled = true
	served.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		latest := served.Clone()
		latest.GetConfigForClient = nil
		latest.ClientCAs = files.latest().clients
		return latest, nil
	}
	return served, nil
}

// lookEvery is how often the files are looked at, however many handshakes there are.
const lookEvery = time.Second

// certificateFiles serve a certificate from two files, and the authorities of clients
// from a third one, and read them again when they change. While they cannot be read,
// or do not go together (one of them has been replaced already), the last good ones
// are used.
type certificateFiles struct {
	cert, key string
	clientCA  string // empty: none
	now       func() time.Time
	log       *slog.Logger

	mu       sync.Mutex
	current  *certificates // guarded by mu, as what follows
	looked   time.Time     // when the files were looked at last
	of       [3]time.Time  // when the files had changed last, as loaded or tried
	failedAs string        // the last problem logged
}

// certificates are what the files held at one time. They do not change.
type certificates struct {
	served  *tls.Certificate
	clients *x509.CertPool // nil without clientCA
}

// config serves what the files hold at each handshake.
func (f *certificateFiles) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.latest().served, nil },
	}
}

// load reads the files as they are now. What could not be read is not tried again
// until it changes.
func (f *certificateFiles) load() error {
	of, err := f.changed()
	if err != nil {
		return err
	}
	f.looked, f.of = f.now(), of
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("reading the TLS certificate %s and its key %s: %w", f.cert, f.key, err)
	}
	read := &certificates{served: &pair}
	if f.clientCA != "" {
		if read.clients, err = readAuthorities(f.clientCA); err != nil {
			return err
		}
	}
	f.current = read
	return nil
}

func readAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the file %s has no certificate of an authority; put them there as PEM", file)
	}
	return pool, nil
}

func (f *certificateFiles) changed() (of [3]time.Time, err error) {
	for i, name := range []string{f.cert, f.key, f.clientCA} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return of, fmt.Errorf("reading the TLS certificate: %w", err)
		}
		of[i] = info.ModTime()
	}
	return of, nil
}

// latest are the certificates to use for a handshake.
func (f *certificateFiles) latest() *certificates {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if left := now.Sub(f.looked); 0 <= left && left < lookEvery {
		return f.current
	}
	f.looked = now
	of, err := f.changed()
	if err == nil && of == f.of {
		return f.current
	}
	if err == nil {
		err = f.load()
	}
	f.report(err)
	return f.current
}

// report logs a problem once, however many handshakes meet it.
func (f *certificateFiles) report(err error) {
	switch {
	case err == nil:
		f.failedAs = ""
		f.log.Info("TLS certificate read again", "file", f.cert)
	case err.Error() != f.failedAs:
		f.failedAs = err.Error()
		f.log.Error("TLS certificate cannot be read again; the last one is served", "error", err)
	}
}
