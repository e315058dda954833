package server

import (
	_ "embed"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/ijson"
)

//go:generate go run -C .. ./cmd/openapi

//go:embed openapi.yaml
var openAPISource []byte

// Document is the OpenAPI 3.1 document of every listener, as it is served. It is made of
// the rows of the rooms by the command cmd/openapi.
func Document() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openAPISource, &document); err != nil {
		return nil, err
	}
	return ijson.Marshal(document)
}
