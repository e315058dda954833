package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/token"
)

// DemoKeyFile is where the demo issuer's private key lies in a data directory.
func DemoKeyFile(data string) string { return filepath.Join(data, "demo", "issuer.key") }

// setUpDemo imports the demo data once, into a store that does not know the
// demo issuer, and registers that issuer with the key of this data directory.
func (d *Daemon) setUpDemo(ctx context.Context) error {
	if !d.config.Demo {
		return nil
	}
	if _, err := d.store.Get(authz.Issuers, demo.IssuerID); err == nil {
		return nil
	} else if authz.CodeOf(err) != authz.CodeNotFound {
		return err
	}
	report, err := d.control.Import(ctx, node, demo.Import(), nil)
	if err != nil {
		return err
	}
	if report.Failed > 0 {
		return authz.Errorf(authz.CodeInternal, "the demo data has bad lines, the first at line %d: %s", report.Errors[0].Line, report.Errors[0].Message)
	}
	return d.registerDemoIssuer(ctx)
}

func (d *Daemon) registerDemoIssuer(ctx context.Context) error {
	signer, err := demoSigner(DemoKeyFile(d.config.Data))
	if err != nil {
		return err
	}
	set, err := signer.PublicSet()
	if err != nil {
		return err
	}
	issuer := &authz.Issuer{
		Header:     authz.Header{ID: demo.IssuerID},
		URL:        demo.IssuerURL,
		Keys:       set,
		Algorithms: []string{signer.Algorithm()},
		Audiences:  []string{demo.Audience},
		Own:        true,
	}
	_, err = d.control.Put(ctx, node, issuer, authz.Precondition{})
	return err
}

// node is the author of what the node does by itself.
var node = authz.Author{Key: authz.AuthorNode}

// demoSigner reads the key in file, making it when there is none.
func demoSigner(file string) (*token.Signer, error) {
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
	return signer, writeSecret(file, data)
}
