package authz

import "strconv"

// Problem is one thing a policy set, or a file an author wrote, must change
// before it can be used.
type Problem struct {
	File    string `json:"file"`          // path within the policy set
	Line    int    `json:"line,omitzero"` // from 1; 0 when the whole file is meant
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// String is "file:line: message; fix".
func (p Problem) String() string {
	at := p.File
	if p.Line > 0 {
		at += ":" + strconv.Itoa(p.Line)
	}
	if p.Fix == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Message + "; " + p.Fix
}
