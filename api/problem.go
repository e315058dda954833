package api

import "github.com/verdict-pdp/verdict/authz"

// Problem is the body of every answer that is not 2xx (RFC 9457). From a
// decision path it means that no decision was made.
type Problem struct {
	Type     string `json:"type"` // about:blank: Title is the status' own phrase
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"` // the path asked for
	// Code is stable; branch on it.
	Code string `json:"code"`
	// Field is the JSON member, parameter or header at fault.
	Field     string `json:"field,omitempty"`
	RequestID string `json:"request_id"`
	// Errors lists the problems in files, by file and line.
	Errors []FileError `json:"errors,omitempty"`
}

// FileError is one thing wrong with a file that was sent.
type FileError = authz.Problem

// Health answers PathHealth: the process serves.
type Health struct {
	OK bool `json:"ok"`
}

// Readiness answers PathReady, with 200 when Ready and 503 when not.
type Readiness struct {
	Ready bool `json:"ready"`
	// NotReady names the parts that keep the node from answering.
	NotReady []string `json:"not_ready,omitempty"`
	// Warnings name the parts that an operator should look at, while the node keeps
	// answering.
	Warnings []string `json:"warnings,omitempty"`
}
