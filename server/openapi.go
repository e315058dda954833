package server

import (
	_ "embed"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/ijson"
)

//go:embed openapi.yaml
var openAPISource []byte

// Document is the OpenAPI 3.1 document of both listeners, as it is served.
func Document() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openAPISource, &document); err != nil {
		return nil, err
	}
	return ijson.Marshal(document)
}
