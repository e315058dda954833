package client_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

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
	operation, err := servertest.OperationOf(request.Method, request.URL.Path)
	if err != nil || operation == nil {
		e.t.Errorf("%s is no operation of the document: %v", name, err)
		return
	}
	if err := checkRequest(operation, request, sent); err != nil {
		e.t.Errorf("%s was sent, which is not as documented: %v", name, err)
	}
	if err := servertest.CheckExchange(request, sent, answer); err != nil {
		e.t.Errorf("%s was answered %d, which is not as documented: %v\n%s", name, answer.Status, err, answer.Body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.called = append(e.called, operation.OperationID)
}

// checkRequest holds parameters, conditions and the body of a request against its
// operation.
func checkRequest(operation *openapi3.Operation, request *http.Request, sent string) error {
	for name, values := range request.URL.Query() {
		if err := checkParameter(operation, "query", name, values); err != nil {
			return err
		}
	}
	for _, name := range []string{"If-Match", "If-None-Match", "Prefer"} {
		if values := request.Header.Values(name); len(values) > 0 {
			if err := checkParameter(operation, "header", name, values); err != nil {
				return err
			}
		}
	}
	media, _, _ := strings.Cut(request.Header.Get("Content-Type"), ";")
	if operation.RequestBody == nil {
		if sent != "" && media != "application/x-www-form-urlencoded" && media != "multipart/form-data" {
			return fmt.Errorf("a body of type %q where none is documented", media)
		}
		return nil
	}
	content := operation.RequestBody.Value.Content[media]
	if content == nil {
		return fmt.Errorf("the media type %q is not documented", media)
	}
	if media != "application/json" {
		return nil
	}
	return servertest.Validate(content.Schema, []byte(sent))
}

func checkParameter(operation *openapi3.Operation, in, name string, values []string) error {
	parameter := operation.Parameters.GetByInAndName(in, name)
	if parameter == nil {
		return fmt.Errorf("the parameter %q is not documented", name)
	}
	for _, value := range values {
		var typed any = value
		schema := parameter.Schema.Value
		if schema.Type.Is("array") {
			schema = schema.Items.Value
		}
		switch {
		case schema.Type.Is("integer"):
			var n float64
			if _, err := fmt.Sscanf(value, "%g", &n); err != nil {
				return fmt.Errorf("the parameter %q is %q: %w", name, value, err)
			}
			typed = n
		case schema.Type.Is("boolean"):
			typed = value == "true"
		}
		if err := schema.VisitJSON(typed, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()); err != nil {
			return fmt.Errorf("the parameter %q is %q: %w", name, value, err)
		}
	}
	return nil
}

// forget returns the operations called since it was asked last.
func (e *exchanges) forget() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	called := e.called
	e.called = nil
	return called
}
