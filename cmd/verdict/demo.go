package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/ijson"
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
			document, err := ijson.Marshal(map[string]string{"token": text})
			if err != nil {
				return err
			}
			return c.print(document, func(w io.Writer) error { return say(w, "%s", text) })
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

// demoKey is the key a machine user of the demo binds its tokens to and makes DPoP
// proofs with: P-256, in a PEM file (PKCS #8) such as openssl makes.
type demoKey struct{ private *ecdsa.PrivateKey }

// demoKeyAt reads the key at path, or makes one there when there is none.
func demoKeyAt(path string) (*demoKey, error) {
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
			return &demoKey{private}, nil
		}
	}
	return nil, usage("there is no P-256 key in "+inputName(path), "Name a file that is not there yet, and a key is made.")
}

func makeDemoKey(path string) (*demoKey, error) {
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
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &demoKey{private}, file.finish(string(text))
}

// jwk is the public key with the members that its thumbprint is made of.
func (k *demoKey) jwk() (map[string]string, error) {
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	half := 1 + len(point)/2
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:half]), "y": encode(point[half:])}, nil
}

// thumbprint is that of RFC 7638, which a token bound to the key has in cnf.jkt.
func (k *demoKey) thumbprint() (string, error) {
	jwk, err := k.jwk()
	if err != nil {
		return "", err
	}
	canonical, err := ijson.Marshal(jwk) // members in the order of their names
	return hashText(canonical), err
}

// sign makes a JWT (RFC 7515, compact) with exactly this header, and alg ES256.
func (k *demoKey) sign(header, claims map[string]any) (string, error) {
	header["alg"] = "ES256"
	var text string
	for _, part := range []map[string]any{header, claims} {
		data, err := ijson.Marshal(part)
		if err != nil {
			return "", err
		}
		if text != "" {
			text += "."
		}
		text += base64.RawURLEncoding.EncodeToString(data)
	}
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// hashText is the base64url SHA-256 that thumbprints and hashes of tokens are.
func hashText(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func newDemoDPoP(c *cli) *cobra.Command {
	var token, tokenFile, keyFile, method, target string
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
	f.StringVar(&token, "token", "", "- reads the token from standard input")
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
		source, err := secretSource("token", token, tokenFile)
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
		proof, err := key.proof(text, method, htu, c.now())
		if err != nil {
			return err
		}
		document, err := ijson.Marshal(map[string]string{"proof": proof})
		if err != nil {
			return err
		}
		return c.print(document, func(w io.Writer) error { return say(w, "%s", proof) })
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

// proof makes a DPoP proof (RFC 9449 section 4.2).
func (k *demoKey) proof(token, method, htu string, now time.Time) (string, error) {
	jwk, err := k.jwk()
	if err != nil {
		return "", err
	}
	return k.sign(
		map[string]any{"typ": "dpop+jwt", "jwk": jwk},
		map[string]any{"jti": rand.Text(), "htm": method, "htu": htu, "iat": now.Unix(), "ath": hashText([]byte(token))},
	)
}
