package redact

import "github.com/verdict-pdp/verdict/ijson"

// MaxPaths bounds what is listed as masked.
const MaxPaths = maxPaths

// MayContainSecret is the quick look at a document.
var MayContainSecret = mayContainSecret

// Document is document, the decoded input of a record, after redaction, and what was masked.
func Document(document any) (redacted any, masked []string) {
	d := newDocument(document, nil)
	d.redact()
	return d.parts["input"], d.masked
}

// Pointer joins the tokens of a JSON pointer.
func Pointer(tokens []string) string { return ijson.Pointer(tokens).String() }
