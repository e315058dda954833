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

// KeyFile is where the private key of the issuer lies in a data directory.
func KeyFile(data string) string { return filepath.Join(data, "demo", "issuer.key") }

// Issuer is the issuer with the key of a data directory, which is made when there is none.
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

// signerOf reads the key in file, making it when there is none.
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

// TokenService is the issuer URL of a token service where decisions are served: at
// listen, over TLS or not. It is empty on a port that is not known yet, where others reach
// it unprotected, and on a socket.
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
