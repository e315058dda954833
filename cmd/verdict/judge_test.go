package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/token"
)

// judgeCommand is `judge [TOKEN METHOD URL]`: verify the token the last command
// printed, or the one in the file TOKEN with the DPoP proof it printed, against the
// demo issuer's key of demo-data, and print what it says and is worth.
func judgeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 && len(args) != 3 {
		ts.Fatalf("usage: judge [TOKEN METHOD URL]")
	}
	evidence := authz.Evidence{Token: strings.TrimSpace(ts.ReadFile("stdout"))}
	if len(args) == 3 {
		evidence.Proof = &authz.Proof{JWT: evidence.Token, Method: args[1], URL: args[2]}
		evidence.Token = strings.TrimSpace(ts.ReadFile(args[0]))
	}
	issuer, err := demoIssuer(filepath.Join(ts.Getenv("WORK"), "demo-data", "demo", "issuer.key"))
	ts.Check(err)
	now := time.Now()
	// It was there before the proof was made, else it might be one used before.
	verifier, err := token.New(token.Config{Now: func() time.Time { return now.Add(-time.Hour) }})
	ts.Check(err)
	p := verifier.Verify(context.Background(), authz.Presentation{Evidence: evidence, Directory: issuer, Now: now})
	_, err = fmt.Fprintln(ts.Stdout(), describe(p, now))
	ts.Check(err)
}

func describe(p authz.Principal, now time.Time) string {
	if p.Fault != nil {
		return fmt.Sprintf("%s %s", p.Fault.Code, p.Fault.Cause)
	}
	t := p.Token
	state := "valid"
	if now.After(t.ExpiresAt) {
		state = "expired"
	} else if now.Before(t.NotBefore) {
		state = "not yet valid"
	}
	return fmt.Sprintf("%s for %s, tenant %q, env %s, methods %v, level %d, age %s, %s",
		p.Subject, t.Audiences, t.Tenant, t.Env, t.Methods, p.Level, now.Sub(t.IssuedAt).Round(time.Minute), state)
}

// oneIssuer finds the demo issuer, and nothing else.
type oneIssuer struct {
	authz.Directory // nil: the token of an issuer of ours needs no more
	issuer          *authz.Issuer
}

func (o oneIssuer) IssuerByURL(url string) (*authz.Issuer, bool, error) {
	return o.issuer, url == o.issuer.URL, nil
}

func demoIssuer(keyFile string) (oneIssuer, error) {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return oneIssuer{}, err
	}
	signer, err := token.ParseSigner(key)
	if err != nil {
		return oneIssuer{}, err
	}
	keys, err := signer.PublicSet()
	if err != nil {
		return oneIssuer{}, err
	}
	issuer := &authz.Issuer{
		Header: authz.Header{ID: demo.IssuerID}, URL: demo.IssuerURL, Keys: keys,
		Algorithms: []string{signer.Algorithm()}, Audiences: []string{demo.Audience}, Own: true,
	}
	issuer.Normalize()
	return oneIssuer{issuer: issuer}, issuer.Validate()
}
