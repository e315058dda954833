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
