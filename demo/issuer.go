package demo

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/token"
)

// The issuer of Brightfold's tokens.
const (
	IssuerID  = "demo"
	IssuerURL = "https://issuer.brightfold.example"
	// Audience is the aud of tokens meant for Brightfold's services.
	Audience = "brightfold"
)

// KeyFile returns the file of the issuer's private key in a data directory.
func KeyFile(data string) string { return filepath.Join(data, "demo", "issuer.key") }

// Issuer returns the issuer with the key of a data directory. If there is no key, it
// makes one.
func Issuer(data string) (*authz.Issuer, error) {
	signer, err := signerOf(KeyFile(data))
	if err != nil {
		return nil, err
	}
	set, err := signer.PublicSet()
	if err != nil {
		return nil, err
	}
	return &authz.Issuer{
		Header:     authz.Header{ID: IssuerID},
		URL:        IssuerURL,
		Keys:       set,
		Algorithms: []string{signer.Algorithm()},
		Audiences:  []string{Audience},
		Own:        true,
	}, nil
}

// signerOf reads the key in file. If there is none, it makes one.
func signerOf(file string) (*token.Signer, error) {
	data, err := os.ReadFile(file)
	if err == nil {
		return token.ParseSigner(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	signer, err := token.NewSigner("ES256")
	if err != nil {
		return nil, err
	}
	if data, err = signer.MarshalPrivate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return signer, disk.WriteFile(file, data, 0o600)
}

// TokenService returns the issuer URL of a token service at the address that decisions
// are served at, over TLS or not. It is empty if the port is not known yet, if others
// could reach it without TLS, and for a socket.
func TokenService(listen string, overTLS bool) string {
	host, port, err := net.SplitHostPort(listen) // a socket has none
	if err != nil || port == "0" || authz.ValidateFetchURL("listen", "http://"+net.JoinHostPort(host, port)) != nil {
		return ""
	}
	if overTLS {
		return "https://" + listen
	}
	return "http://" + listen
}
