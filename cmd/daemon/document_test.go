package daemon_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestEveryRouteIsDocumented: what the daemon really serves, from its own list of
// listeners, is in the document, and nothing else is. A room that is mounted and not
// given to the generator is found here.
func TestEveryRouteIsDocumented(t *testing.T) {
	c := settings(t, t.TempDir())
	c.TokenService.Issuer = "http://127.0.0.1:8181" // its room is there then
	served := map[string]bool{}
	for _, route := range open(t, c).Routes() {
		if route.Method != http.MethodHead { // which stands beside every GET
			served[route.Method+" "+parameters.ReplaceAllString(route.Path, "{$1}")] = true
		}
	}
	text, err := os.ReadFile("../../server/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, methods := range document.Paths {
		for method := range methods {
			if method != "head" && method != "parameters" {
				documented[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	if len(served) < 50 {
		t.Errorf("%d routes are served, want all of them", len(served))
	}
	for route := range served {
		if !documented[route] {
			t.Errorf("%s is served and not in server/openapi.yaml; run `make generate`", route)
		}
	}
	for route := range documented {
		if !served[route] {
			t.Errorf("%s is in server/openapi.yaml and not served by cmd/daemon/listeners.go", route)
		}
	}
}

var parameters = regexp.MustCompile(`:(\w+)`)
