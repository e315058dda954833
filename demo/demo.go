// Package demo has the data of Brightfold, the invented company that --demo and the
// decision corpus use: a business-to-business invoicing service with three tenants,
// fourteen services, seventeen machine users and the edges between them. All its addresses
// and names are reserved for documentation.
//
// The data is NDJSON for POST /v1/import, one entity a line, each after those that it
// refers to. The issuer of Brightfold's tokens is not in it: its key is made together with
// a data directory.
package demo

import (
	"bytes"
	_ "embed"
	"io"
)

//go:embed brightfold.ndjson
var brightfold []byte

// Import returns the body of an import with the data of Brightfold.
func Import() io.Reader { return bytes.NewReader(brightfold) }
