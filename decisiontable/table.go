package decisiontable

import (
	"encoding/json"

	"github.com/verdict-pdp/verdict/authz"
)

// Table is one file of cases, ready to run.
type Table struct {
	File  string
	About string
	Cases []Case
}

// Case is one question with the answer it must get.
type Case struct {
	Name  string
	About string
	Line  int // of its name
	// Input is the policy's input document, with its defaults.
	Input json.RawMessage
	Want  Answer

	facts *facts
}

// Answer is what a table says of a judgement: codes and ids, each once, sorted.
type Answer struct {
	Outcome     authz.Outcome `json:"decision"`
	Reasons     []string      `json:"reasons,omitempty"`
	WouldDeny   []string      `json:"would_deny,omitempty"`
	Obligations []string      `json:"obligations,omitempty"`
	Advice      []string      `json:"advice,omitempty"`
}
