package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/ijson"
)

// credentialFlags are the credential of a decide call.
type credentialFlags struct {
	token, tokenFile, issuer      string
	claimsFile                    string
	clientID                      string
	clientSecret                  string
	clientSecretFile              string
	assertionFile                 string
	certificate                   string
	dpopFile, dpopMethod, dpopURL string
}

// flags adds the flags and returns their names.
func (p *credentialFlags) flags(cmd *cobra.Command) []string {
	var names []string
	for _, flag := range []struct {
		value       *string
		name, usage string
	}{
		{&p.token, "token", "- reads the token from standard input"},
		{&p.tokenFile, "token-file", "file with the token"},
		{&p.issuer, "issuer", "id of the issuer of a token that does not say itself"},
		{&p.claimsFile, "claims-file", "file with claims that were verified already, JSON"},
		{&p.clientID, "client-id", "machine user whose secret or assertion it is"},
		{&p.clientSecret, "client-secret", "- reads the machine user's secret from standard input"},
		{&p.clientSecretFile, "client-secret-file", "file with the machine user's secret"},
		{&p.assertionFile, "client-assertion-file", "file with a JWT the machine user signed"},
		{&p.certificate, "certificate", "PEM file with the machine user's client certificate"},
		{&p.dpopFile, "dpop-file", "file with the DPoP proof sent beside the token"},
		{&p.dpopMethod, "dpop-method", "method of the request the proof was sent with, such as POST"},
		{&p.dpopURL, "dpop-url", "URL of that request"},
	} {
		cmd.Flags().StringVar(flag.value, flag.name, "", flag.usage)
		names = append(names, flag.name)
	}
	cmd.MarkFlagsMutuallyExclusive("token", "token-file", "claims-file", "client-secret", "client-secret-file", "client-assertion-file")
	cmd.MarkFlagsMutuallyExclusive("client-id", "token")
	cmd.MarkFlagsMutuallyExclusive("client-id", "token-file")
	cmd.MarkFlagsMutuallyExclusive("client-id", "claims-file")
	return names
}

// credential reads what the flags name; nil when they name nothing.
func (p *credentialFlags) credential(c *cli) (*api.Credential, error) {
	if err := p.complete(); err != nil {
		return nil, err
	}
	of := &api.Credential{Issuer: p.issuer, ClientID: p.clientID}
	for _, secret := range []struct {
		flag, value, file, what string
		into                    *string
	}{
		{"token", p.token, p.tokenFile, "token", &of.Token},
		{"client-secret", p.clientSecret, p.clientSecretFile, "secret", &of.ClientSecret},
		{"client-assertion", "", p.assertionFile, "assertion", &of.ClientAssertion},
	} {
		source, err := secretSource(secret.flag, secret.value, secret.file)
		if err != nil {
			return nil, err
		}
		if source == "" {
			continue
		}
		if *secret.into, err = c.readSecret(secret.what, source); err != nil {
			return nil, err
		}
	}
	if err := p.files(c, of); err != nil {
		return nil, err
	}
	if *p == (credentialFlags{}) {
		return nil, nil
	}
	return of, nil
}

// files reads what is not one line of text.
func (p *credentialFlags) files(c *cli, of *api.Credential) error {
	if p.claimsFile != "" {
		claims, err := readInput(p.claimsFile, c.in)
		if err != nil {
			return err
		}
		if err := ijson.Check(claims); err != nil {
			return usage(p.claimsFile+": "+err.Error(), "The file holds the claims as one JSON object.")
		}
		of.Claims = json.RawMessage(claims)
	}
	if p.certificate != "" {
		chain, err := c.readCertificates(p.certificate)
		if err != nil {
			return err
		}
		of.Certificate = pemText(chain)
	}
	if p.dpopFile == "" {
		return nil
	}
	text, err := c.readSecret("DPoP proof", p.dpopFile)
	of.DPoP = &api.DPoP{Proof: text, Method: p.dpopMethod, URL: p.dpopURL}
	return err
}

// complete refuses flags that are nothing without others.
func (p *credentialFlags) complete() error {
	token := p.token != "" || p.tokenFile != ""
	secret := p.clientSecret != "" || p.clientSecretFile != ""
	switch {
	case secret && p.clientID == "":
		return usage("a secret needs its --client-id", "Name the machine user whose secret it is.")
	case p.clientID != "" && !secret && p.assertionFile == "":
		return usage("--client-id proves nothing alone", "Give its secret with --client-secret - or --client-secret-file, or an assertion with --client-assertion-file.")
	case p.issuer != "" && !token:
		return usage("--issuer is of a token, and none is given", "Give it with --token - or --token-file.")
	case p.dpopFile != "" && (p.dpopMethod == "" || p.dpopURL == ""):
		return usage("a DPoP proof is of one request", "Name it with --dpop-method and --dpop-url.")
	case p.dpopFile == "" && (p.dpopMethod != "" || p.dpopURL != ""):
		return usage("--dpop-method and --dpop-url are of a proof, and none is given", "Give it with --dpop-file.")
	case p.dpopFile != "" && !token:
		return usage("a DPoP proof is sent beside a token, and none is given", "Give it with --token - or --token-file.")
	}
	return nil
}
