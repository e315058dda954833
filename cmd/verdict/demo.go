package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/token"
)

func newDemo(c *cli) *cobra.Command {
	return group("demo", "Work with the demo data of serve --demo", newDemoToken(c), newDemoDPoP(c))
}

func newDemoToken(c *cli) *cobra.Command {
	var d demoToken
	cmd := &cobra.Command{
		Use:   "token SUBJECT",
		Short: "Print a fresh token of the demo issuer",
		Long: `Print a fresh access token (RFC 9068) for a machine user, signed with the demo
issuer's key in the data directory. It is good for five minutes; flags spoil it, to
see what the server says, or bind it to a key or a certificate, so that it is good
only with a proof of that.`,
		Example: `  verdict demo token mu:user-svc
  verdict demo token mu:user-svc --expired | verdict decide --token - \
    --action audit.write --resource svc:audit`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := authz.ValidateID("SUBJECT", args[0]); err != nil {
				return usage(err.Error(), "Name a machine user, such as mu:user-svc.")
			}
			signer, err := c.demoSigner(cmd)
			if err != nil {
				return err
			}
			binding, err := d.binding(c)
			if err != nil {
				return err
			}
			text, err := d.mint(signer, args[0], binding, c.now())
			if err != nil {
				return err
			}
			return c.printMade(map[string]string{"token": text}, "%s", text)
		},
	}
	addDataFlag(cmd)
	d.flags(cmd)
	return cmd
}

// demoSigner reads the demo issuer's key, which serve --demo has made.
func (c *cli) demoSigner(cmd *cobra.Command) (*token.Signer, error) {
	loaded, err := c.config(cmd)
	if err != nil {
		return nil, err
	}
	path := demo.KeyFile(loaded.Config.Data)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{status: exitError, code: authz.CodeNotFound, message: "there is no demo issuer's key at " + path,
			fix: "`verdict serve --demo` makes it on first start; name its data directory with --data.", cause: err}
	}
	if err != nil {
		return nil, err
	}
	return token.ParseSigner(data)
}

// demoKeyAt reads the key at path that a machine user of the demo binds its tokens to and
// makes DPoP proofs with: P-256, in PEM (PKCS #8) such as openssl makes. Where there is
// none it makes one.
func demoKeyAt(path string) (*token.Prover, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDemoKey(path)
	}
	if err != nil {
		return nil, usage("reading "+inputName(path)+": "+reason(err), "Name a file that is yours to read, or a new one.")
	}
	if block, _ := pem.Decode(data); block != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if private, ok := parsed.(*ecdsa.PrivateKey); err == nil && ok && private.Curve == elliptic.P256() {
			return token.NewProver(private)
		}
	}
	return nil, usage("there is no P-256 key in "+inputName(path), "Name a file that is not there yet, and a key is made.")
}

func makeDemoKey(path string) (*token.Prover, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	file, err := createOut(path, false)
	if err != nil {
		return nil, err
	}
	if err := file.finish(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))); err != nil {
		return nil, err
	}
	return token.NewProver(private)
}

func newDemoDPoP(c *cli) *cobra.Command {
	var given, tokenFile, keyFile, method, target string
	cmd := &cobra.Command{
		Use:   "dpop",
		Short: "Print a DPoP proof for a token and a request",
		Long: `Print a fresh DPoP proof (RFC 9449) for one request with a token that is bound to the
key: one of ` + "`verdict demo token SUBJECT --dpop-key FILE`" + `. A proof is taken once, within
a few minutes.`,
		Example: `  verdict demo token mu:user-svc --dpop-key client.key > token
  verdict demo dpop --dpop-key client.key --token-file token \
    --method POST --url https://email.example/v1/send > proof
  verdict decide --token-file token --dpop-file proof --dpop-method POST \
    --dpop-url https://email.example/v1/send --action email.send --resource svc:email`,
		Args: takes(0, 0),
	}
	f := cmd.Flags()
	f.StringVar(&given, "token", "", "- reads the token from standard input")
	f.StringVar(&tokenFile, "token-file", "", "file with the token")
	f.StringVar(&keyFile, "dpop-key", "", "PEM file with the key")
	f.StringVar(&method, "method", "POST", "method of the request")
	f.StringVar(&target, "url", "", "URL of the request")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.RunE = func(*cobra.Command, []string) error {
		htu, err := proofURL(target)
		if err != nil {
			return err
		}
		source, err := secretSource("token", given, tokenFile)
		if err != nil {
			return err
		}
		if source == "" || keyFile == "" {
			return usage("a proof is made for a token, with the key that is bound to", "Give --token - or --token-file, and --dpop-key.")
		}
		text, err := c.readSecret("token", source)
		if err != nil {
			return err
		}
		key, err := demoKeyAt(keyFile)
		if err != nil {
			return err
		}
		proof, err := key.Prove(text, method, htu, c.now())
		if err != nil {
			return err
		}
		return c.printMade(map[string]string{"proof": proof}, "%s", proof)
	}
	return cmd
}

// proofURL is the htu of a request: its URL without query and fragment.
func proofURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", usage("--url is not the URL of a request", "Write one such as https://email.example/v1/send.")
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}
