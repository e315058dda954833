package main

import (
	"crypto/rand"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/ijson"
)

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
