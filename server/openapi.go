package server

import (
	_ "embed"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/ijson"
)

//go:generate go run -C .. ./cmd/openapi

//go:embed openapi.yaml
var openAPISource []byte

// Document is the OpenAPI 3.1 document of every listener, as it is served, for callers to
// read and not to change. It is made of the rows of the rooms by the command cmd/openapi.
func Document() ([]byte, error) { return document() }

// document is made once: reading YAML takes longer than building a server.
var document = sync.OnceValues(func() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openAPISource, &document); err != nil {
		return nil, err
	}
	return ijson.Marshal(document)
})
