// Package tlsfiles has listeners served over TLS with certificates from files, and with
// the authorities of clients from another one. The files are looked at again while
// connections come in, so that a certificate is renewed without a restart: the next
// handshake has it. While the new files cannot be read, or do not go together, the last
// good ones are used and the log says so, once for each problem.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are what one listener is served with. Now and Log are required.
type Files struct {
	Cert, Key string // PEM files of the certificate and its private key
	// ClientCA is a PEM file of authorities: the handshake fails without a certificate
	// of the client that leads to one of them and is good now. Empty requires none.
	ClientCA string
	// AskClients lets clients without ClientCA present a certificate, and the handshake
	// proves that its key is theirs; whether it belongs to a subject is not asked here.
	AskClients bool
	Now        func() time.Time
	Log        *slog.Logger
}

// Config reads the files and serves what they hold at each handshake; nil without Cert.
func (f Files) Config() (*tls.Config, error) {
	if f.Cert == "" {
		return nil, nil
	}
	w := &watched{Files: f}
	if err := w.load(); err != nil {
		return nil, err
	}
	served := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.latest().served, nil },
	}
	switch {
	case f.ClientCA != "":
		w.requireClients(served)
	case f.AskClients:
		served.ClientAuth = tls.RequestClientCert
	}
	return served, nil
}

// Life is from when until when the certificate is good that c, made by Config, serves now.
func Life(c *tls.Config) (from, to time.Time) {
	served, _ := c.GetCertificate(nil) // that of Config does not fail
	return served.Leaf.NotBefore, served.Leaf.NotAfter
}

// requireClients judges each connection by the authorities of now, none by those that a
// session began with.
func (f *watched) requireClients(served *tls.Config) {
	served.ClientAuth = tls.RequireAndVerifyClientCert
	served.ClientCAs = f.current.clients
	served.SessionTicketsDisabled = true
	served.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		latest := served.Clone()
		latest.GetConfigForClient = nil
		latest.ClientCAs = f.latest().clients
		return latest, nil
	}
}

// lookEvery is how often the files are looked at, however many handshakes there are.
const lookEvery = time.Second

// watched serve a certificate from two files, and the authorities of clients
// from a third one, and read them again when they change. While they cannot be read,
// or do not go together (one of them has been replaced already), the last good ones
// are used.
type watched struct {
	Files

	mu       sync.Mutex
	current  *certificates // guarded by mu, as what follows
	looked   time.Time     // when the files were looked at last
	of       [3]time.Time  // when the files had changed last, as loaded or tried
	failedAs string        // the last problem logged
}

// certificates are what the files held at one time. They do not change.
type certificates struct {
	served  *tls.Certificate
	clients *x509.CertPool // nil without ClientCA
}

// load reads the files as they are now. What could not be read is not tried again
// until it changes.
func (f *watched) load() error {
	of, err := f.changed()
	if err != nil {
		return err
	}
	f.looked, f.of = f.Now(), of
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return fmt.Errorf("reading the TLS certificate %s and its key %s: %w", f.Cert, f.Key, err)
	}
	read := &certificates{served: &pair}
	if f.ClientCA != "" {
		if read.clients, err = readAuthorities(f.ClientCA); err != nil {
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

func (f *watched) changed() (of [3]time.Time, err error) {
	for i, name := range []string{f.Cert, f.Key, f.ClientCA} {
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
func (f *watched) latest() *certificates {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.Now()
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
func (f *watched) report(err error) {
	switch {
	case err == nil:
		f.failedAs = ""
		f.Log.Info("TLS certificate read again", "file", f.Cert)
	case err.Error() != f.failedAs:
		f.failedAs = err.Error()
		f.Log.Error("TLS certificate cannot be read again; the last one is served", "error", err)
	}
}
