package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
)

// trust is what a client command trusts a server by, and proves itself with, when
// they speak TLS. Each file is that of the flag, else that of the environment.
type trust struct {
	ca        string // the authorities to trust instead of the system's
	cert, key string // the certificate to present, and its private key
}

func (t *trust) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.ca, "ca", "", "PEM file of the authorities to trust over TLS ($"+envCA+", else the system's)")
	f.StringVar(&t.cert, "cert", "", "PEM file of the client certificate to present over TLS ($"+envCert+")")
	f.StringVar(&t.key, "key", "", "PEM file of its private key ($"+envCertKey+", else the file of --cert)")
}

// named is a file and who named it.
type named struct{ path, by string }

func (c *cli) fileOf(flag, name, env string) named {
	if flag != "" {
		return named{flag, "--" + name}
	}
	if path, ok := c.lookupEnv(env); ok && path != "" {
		return named{path, "$" + env}
	}
	return named{}
}

// tlsOf reads the files that t and the environment name; nil when they name none, or
// server does not speak TLS. What only the environment names is of no matter then,
// but a flag that would do nothing is a mistake.
func (c *cli) tlsOf(t *trust, server string) (*tls.Config, error) {
	if strings.HasPrefix(t.key, "vk_") {
		return nil, usage("--key names the file of a private key, and not an API key", "Name the file of the API key with --key-file; there is no flag for the key itself.")
	}
	if !strings.HasPrefix(server, "https://") {
		if *t != (trust{}) {
			return nil, usage("--ca, --cert and --key are for TLS, and "+server+" is reached without", "Write https:// in the address of the server, or leave them out.")
		}
		return nil, nil
	}
	ca, cert, key := c.fileOf(t.ca, "ca", envCA), c.fileOf(t.cert, "cert", envCert), c.fileOf(t.key, "key", envCertKey)
	if key.path != "" && cert.path == "" {
		return nil, usage(key.by+" names a private key, and no certificate is named", "Name its certificate with --cert or $"+envCert+".")
	}
	over := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca.path != "" {
		text, err := readPEM(ca, "authorities")
		if err != nil {
			return nil, err
		}
		over.RootCAs = x509.NewCertPool()
		if !over.RootCAs.AppendCertsFromPEM(text) {
			return nil, usage(ca.path+" (from "+ca.by+") has no certificate in it", "Name a PEM file with the certificates of the authorities to trust.")
		}
	}
	if cert.path == "" {
		return over, nil
	}
	pair, err := readPair(cert, key)
	if err != nil {
		return nil, err
	}
	over.Certificates = []tls.Certificate{pair}
	return over, nil
}

func readPair(cert, key named) (tls.Certificate, error) {
	if key.path == "" {
		key = cert
	}
	chain, err := readPEM(cert, "client certificate")
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := readPEM(key, "private key")
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return tls.Certificate{}, &failure{
			status: exitUsage, code: authz.CodeInvalid, cause: err,
			message: "the certificate " + cert.path + " (from " + cert.by + ") and the key " + key.path + " (from " + key.by + ") cannot be used together: " + err.Error(),
			fix:     "Name the certificate with --cert and the private key that belongs to it with --key, both PEM and not encrypted.",
		}
	}
	return pair, nil
}

// readPEM reads a file that somebody named.
func readPEM(file named, what string) ([]byte, error) {
	text, err := os.ReadFile(file.path)
	if err == nil {
		return text, nil
	}
	fix := "Correct the path, or make the file readable by this user."
	if errors.Is(err, fs.ErrNotExist) {
		fix = "Correct the path in " + file.by + ", or leave it out."
	}
	f := usage("the file of the "+what+" "+file.path+" (from "+file.by+") cannot be read: "+reason(err), fix)
	f.cause = err
	return nil, f
}
