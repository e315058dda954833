package remote

import (
	"bytes"
	"errors"
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

// readProblem makes a Problem of an answer of server that is not 2xx.
func readProblem(response *http.Response, server string) *Problem {
	if host := response.Request.URL.Host; !strings.HasPrefix(server, "unix:") {
		server = host
	}
	foreign := &Problem{
		Problem: api.Problem{
			Status: response.StatusCode,
			Detail: fmt.Sprintf("%s answered %s without saying why", server, response.Status),
		},
		Fix: "Check that this is the address of a Verdict server, and of the right one of its two listeners.",
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return foreign
	}
	if speaksTLS(response, body) {
		foreign.Detail = server + " speaks TLS, and was asked without"
		foreign.Fix = "Write https:// in the address of the server."
		return foreign
	}
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || media != api.TypeProblem && media != api.TypeJSON {
		return foreign
	}
	p := &Problem{}
	read := readDocument
	if media == api.TypeJSON {
		read = readRefusal
	}
	if err := read(body, p); err != nil {
		return foreign
	}
	p.Status = response.StatusCode
	p.Raw = bytes.TrimSpace(body)
	if p.RequestID == "" {
		p.RequestID = response.Header.Get(api.HeaderRequestID)
	}
	return p
}

// speaksTLS recognises what Go's HTTP server answers on a TLS port to plain HTTP.
func speaksTLS(response *http.Response, body []byte) bool {
	return response.StatusCode == http.StatusBadRequest && response.Request.URL.Scheme == "http" &&
		bytes.HasPrefix(body, []byte("Client sent an HTTP request to an HTTPS server."))
}

// ParseProblem reads a problem document that came within an answer, such as the last
// line of a stream that broke off.
func ParseProblem(document []byte) (*Problem, error) {
	p := &Problem{}
	if err := readDocument(document, p); err != nil {
		return nil, err
	}
	p.Raw = bytes.TrimSpace(document)
	return p, nil
}

func readDocument(body []byte, p *Problem) error { return ijson.UnmarshalOpen(body, p) }

// readRefusal reads the error of a token endpoint (RFC 6749 section 5.2). It has no
// code of ours: the status says what kind of error it is.
func readRefusal(body []byte, p *Problem) error {
	var refusal struct {
		Error       string   `json:"error"`
		Description string   `json:"error_description"`
		Reasons     []string `json:"reasons"` // of the decision that refused it
	}
	if err := ijson.UnmarshalOpen(body, &refusal); err != nil {
		return err
	}
	if refusal.Error == "" {
		return errors.New("it has no error")
	}
	p.Detail = refusal.Error
	if refusal.Description != "" {
		p.Detail += ": " + refusal.Description
	}
	if len(refusal.Reasons) > 0 {
		p.Detail += " (" + strings.Join(refusal.Reasons, ", ") + ")"
	}
	return nil
}

// Unreachable is the error of a server that gave no answer.
type Unreachable struct {
	Server string // its base URL, or its socket
	Cause  error
	// AskedCertificate is set when the server asked for a client certificate, and
	// PresentedCertificate when it was given one.
	AskedCertificate, PresentedCertificate bool
}

// Error names the server and why it gave no answer.
func (u *Unreachable) Error() string {
	return "the server at " + u.Server + " gave no answer: " + u.Cause.Error()
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }
