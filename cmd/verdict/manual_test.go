package main_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/cmd/config"
	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
)

// manual is the package comment, without its slashes.
func manual(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^// ?`).ReplaceAllString(string(source), "")
}

// The sample file of the manual has every setting, with its default.
func TestManualHasTheConfiguration(t *testing.T) {
	text := manual(t)
	_, after, _ := strings.Cut(text, "\n\tdata: ./data")
	sample, _, _ := strings.Cut("\tdata: ./data"+after, "\n\n")
	got := map[string]string{}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(sample, "\t", "")), &document); err != nil {
		t.Fatalf("the sample is not YAML: %v\n%s", err, sample)
	}
	flatten("", document.Content[0], got)
	want := map[string]string{}
	c := config.Default()
	for _, s := range c.Settings() {
		want[s.Key] = s.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func flatten(path string, node *yaml.Node, into map[string]string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := path + node.Content[i].Value
		if value := node.Content[i+1]; value.Kind == yaml.MappingNode {
			flatten(key+".", value, into)
		} else {
			into[key] = value.Value
		}
	}
}

func TestManualHasTheExitCodes(t *testing.T) {
	text := manual(t)
	for code, meaning := range verdict.ExitCodes() {
		if line := fmt.Sprintf("\t%d  %s\n", code, meaning); !strings.Contains(text, line) {
			t.Errorf("the manual lacks %q", line)
		}
	}
}
