package client_test

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/verdict-pdp/verdict/server/servertest"
)

// exchanges holds what a client sends and what it is answered against the OpenAPI
// document, and remembers which operations were called.
type exchanges struct {
	t  testing.TB
	to http.RoundTripper

	mu     sync.Mutex
	called []string // operation ids, in order
}

func (e *exchanges) RoundTrip(request *http.Request) (*http.Response, error) {
	sent, err := sentBody(request)
	if err != nil {
		return nil, err
	}
	response, err := e.to.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	e.hold(request, sent, servertest.Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)})
	return response, nil
}

func sentBody(request *http.Request) (string, error) {
	if request.Body == nil {
		return "", nil
	}
	sent, err := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(sent))
	return string(sent), err
}

func (e *exchanges) hold(request *http.Request, sent string, answer servertest.Answer) {
	name := request.Method + " " + request.URL.RequestURI()
	id, err := servertest.CheckRequest(request, sent)
	if err != nil {
		e.t.Errorf("%s was sent, which is not as documented: %v", name, err)
	}
	if err := servertest.CheckExchange(request, sent, answer); err != nil {
		e.t.Errorf("%s was answered %d, which is not as documented: %v\n%s", name, answer.Status, err, answer.Body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.called = append(e.called, id)
}

// forget returns the operations called since it was asked last.
func (e *exchanges) forget() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	called := e.called
	e.called = nil
	return called
}
