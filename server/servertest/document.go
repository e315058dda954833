package servertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/verdict-pdp/verdict/server"
)

// document is the OpenAPI document exchanges are held against.
type document struct{ doc *openapi3.T }

// readDocument reads it once for all tests of a package.
var readDocument = sync.OnceValues(func() (*document, error) {
	data, err := server.Document()
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, err
	}
	return &document{doc: doc}, doc.Validate(context.Background())
})

// check holds one exchange against the document. Requests that no operation
// covers must have been answered by a problem. HEAD is that of GET, without content.
func (d *document) check(request *http.Request, sent string, answer Answer) error {
	if request.Method == http.MethodHead {
		return d.checkHead(request, answer)
	}
	operation := d.operation(request.Method, request.URL.Path)
	if operation == nil {
		if answer.Status < 400 {
			return errors.New("no such operation is documented")
		}
		return Validate(d.doc.Components.Schemas["Problem"], []byte(answer.Body))
	}
	if answer.Status < 300 && operation.RequestBody != nil {
		if err := checkBody(operation.RequestBody.Value.Content, request.Header.Get("Content-Type"), sent); err != nil {
			return fmt.Errorf("accepted a body the document forbids: %w", err)
		}
	}
	return checkAnswer(operation, answer)
}

func checkAnswer(operation *openapi3.Operation, answer Answer) error {
	response := operation.Responses.Value(strconv.Itoa(answer.Status))
	if response == nil {
		response = operation.Responses.Default()
	}
	return checkBody(response.Value.Content, answer.Header.Get("Content-Type"), answer.Body)
}

func (d *document) checkHead(request *http.Request, answer Answer) error {
	switch operation := d.operation(http.MethodGet, request.URL.Path); {
	case answer.Body != "":
		return errors.New("an answer to HEAD with content")
	case operation == nil && answer.Status < 400:
		return errors.New("no such operation is documented for GET")
	}
	return nil
}

func checkBody(documented openapi3.Content, contentType, body string) error {
	if len(documented) == 0 {
		if body != "" {
			return errors.New("a body where none is documented")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	content := documented[mediaType]
	if content == nil {
		return fmt.Errorf("the media type %q is not documented", mediaType)
	}
	if content.Schema == nil || !strings.HasSuffix(mediaType, "json") || mediaType == "application/x-ndjson" {
		return nil
	}
	return Validate(content.Schema, []byte(body))
}

// ValidateAs holds JSON against a schema of the document by its name.
func ValidateAs(schema string, data []byte) error {
	d, err := readDocument()
	if err != nil {
		return err
	}
	return Validate(d.doc.Components.Schemas[schema], data)
}

// Validate holds JSON against a schema of an OpenAPI 3.1 document.
func Validate(schema *openapi3.SchemaRef, data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	return schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation())
}

// operation finds what is documented for method and path, a path without
// parameters first.
func (d *document) operation(method, path string) *openapi3.Operation {
	if item := d.doc.Paths.Value(path); item != nil {
		return item.GetOperation(method)
	}
	for template, item := range d.doc.Paths.Map() {
		if matches(template, path) {
			return item.GetOperation(method)
		}
	}
	return nil
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

// CheckExchange holds a request, of which sent is the body, and its answer against the
// document, as Node.Do does.
func CheckExchange(request *http.Request, sent string, answer Answer) error {
	d, err := readDocument()
	if err != nil {
		return err
	}
	return d.check(request, sent, answer)
}

// CheckAnswer holds an answer to a request of method and path against the document.
func CheckAnswer(method, path string, answer Answer) error {
	d, err := readDocument()
	if err != nil {
		return err
	}
	operation := d.operation(method, path)
	if operation == nil {
		return errors.New("no such operation is documented")
	}
	return checkAnswer(operation, answer)
}

// CheckRequest holds a request, of which sent is the body, against the document: its
// parameters, its conditions and its body. It returns the id of the operation.
func CheckRequest(request *http.Request, sent string) (operation string, err error) {
	d, err := readDocument()
	if err != nil {
		return "", err
	}
	of := d.operation(request.Method, request.URL.Path)
	if of == nil {
		return "", errors.New("no such operation is documented")
	}
	return of.OperationID, checkRequest(of, request, sent)
}

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
	return Validate(content.Schema, []byte(sent))
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

// OperationOf is what the document has for method and path; nil when it has nothing.
func OperationOf(method, path string) (*openapi3.Operation, error) {
	d, err := readDocument()
	if err != nil {
		return nil, err
	}
	return d.operation(method, path), nil
}
