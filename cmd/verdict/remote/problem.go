package remote

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/ijson"
)

// maxProblem bounds what is read of an answer that is an error.
const maxProblem = 1 << 20

// Problem is an error the server answered with, RFC 9457.
type Problem struct {
	api.Problem
	// Fix says what to do, when the server did.
	Fix string `json:"fix"`
	// Raw is the document as the server sent it; nil when it sent none, which
	// means that something else than Verdict answered.
	Raw []byte `json:"-"`
}

// Error says what the server found wrong, with the field at fault.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Field != "" && !strings.HasPrefix(text, p.Field) {
		text = p.Field + " " + text
	}
	return text
}

// readProblem makes a Problem of an answer that is not 2xx.
func readProblem(response *http.Response) *Problem {
	foreign := &Problem{
		Problem: api.Problem{
			Status: response.StatusCode,
			Detail: fmt.Sprintf("%s answered %s without saying why", response.Request.URL.Host, response.Status),
		},
		Fix: "Check that this is the address of a Verdict server, and of the right one of its two listeners.",
	}
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || media != api.TypeProblem {
		return foreign
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return foreign
	}
	p := &Problem{}
	if err := ijson.UnmarshalOpen(body, p); err != nil {
		return foreign
	}
	p.Status = response.StatusCode
	p.Raw = bytes.TrimSpace(body)
	if p.RequestID == "" {
		p.RequestID = response.Header.Get(api.HeaderRequestID)
	}
	return p
}

// Unreachable is the error of a server that gave no answer.
type Unreachable struct {
	Server string // its base URL
	Cause  error
}

// Error names the server and why it gave no answer.
func (u *Unreachable) Error() string {
	return "the server at " + u.Server + " gave no answer: " + u.Cause.Error()
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }
