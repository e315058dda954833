package pdptest

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"

	"github.com/verdict-pdp/verdict/cmd/config"
)

// makeTLS makes the certificate that decisions are served with.
func (p *PDP) makeTLS() config.TLS {
	p.T.Helper()
	p.serverCA = NewCA(p.T, "the listener's authority", p.Clock.Now())
	made := p.serverCA.server()
	dir := p.T.TempDir()
	files := config.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	for name, content := range map[string][]byte{files.Cert: []byte(made.PEM()), files.Key: made.keyPEM(p.T)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			p.T.Fatal(err)
		}
	}
	return files
}

// Over is a client whose connections to the listener for decisions present a client
// certificate, none for nil. It is for a PDP with TLS.
func (p *PDP) Over(certificate *Certificate) *http.Client {
	p.T.Helper()
	if p.serverCA == nil {
		p.T.Fatal("this PDP serves no TLS")
	}
	settings := &tls.Config{RootCAs: p.serverCA.pool(), Time: p.Clock.Now}
	if certificate != nil {
		settings.Certificates = []tls.Certificate{certificate.tls()}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	p.T.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
