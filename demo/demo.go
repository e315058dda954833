package demo

import (
	"bytes"
	_ "embed"
	"io"
)

//go:embed brightfold.ndjson
var brightfold []byte

// Import is the body of an import that sets Brightfold up.
func Import() io.Reader { return bytes.NewReader(brightfold) }

// The issuer of Brightfold's tokens.
const (
	IssuerID  = "demo"
	IssuerURL = "https://issuer.brightfold.example"
	// Audience is the aud of tokens meant for Brightfold's services.
	Audience = "brightfold"
)
