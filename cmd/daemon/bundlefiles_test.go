package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/cmd/daemon"
)

// TestBundleFilesAreReadStrictly opens with files of keys and of sources that cannot
// be used. Each error names the setting and the file, and what to do.
func TestBundleFilesAreReadStrictly(t *testing.T) {
	for name, test := range map[string]struct {
		keys, sources string
		says          []string
	}{
		"no such member":        {keys: "keyz: {}\n", says: []string{"bundles.keys", "keyz not found"}},
		"no keys":               {keys: "keys: {}\n", says: []string{"bundles.keys", "has no keys; write keys:"}},
		"empty file":            {keys: "\n", says: []string{"bundles.keys", "has no keys"}},
		"a shared secret":       {keys: "keys: {ci: {algorithm: HS256, key: s3cr3t-text}}\n", says: []string{"keys that both sign and verify are refused"}},
		"not a key":             {keys: "keys: {ci: {algorithm: ES256, key: nonsense}}\n", says: []string{"ci"}},
		"broken YAML":           {sources: "sources: [\n", says: []string{"bundles.sources"}},
		"no name":               {sources: "sources: [{url: 'https://a.example/b'}]\n", says: []string{"bundles.sources", "name"}},
		"our own name":          {sources: "sources: [{name: modes, url: 'https://a.example/b'}]\n", says: []string{"bundles.sources", "modes"}},
		"url and folder":        {sources: "sources: [{name: a, url: 'https://a.example/b', folder: x}]\n", says: []string{"must have either a url or a folder"}},
		"neither":               {sources: "sources: [{name: a}]\n", says: []string{"must have either a url or a folder"}},
		"twice":                 {sources: "sources: [{name: a, folder: x}, {name: a, folder: y}]\n", says: []string{"two sources for the bundle a"}},
		"plain http":            {sources: "sources: [{name: a, url: 'http://a.example/b'}]\n", says: []string{"https"}},
		"no such file":          {sources: "-", says: []string{"bundles.sources", "cannot be read"}},
		"unknown member":        {sources: "sources: [{name: a, folder: x, intervall: 1s}]\n", says: []string{"intervall not found"}},
		"interval no unit":      {sources: "sources: [{name: a, folder: x, interval: 5x}]\n", says: []string{"bundles.sources", "5x"}},
		"interval without unit": {sources: "sources: [{name: a, folder: x, interval: 1}]\n", says: []string{"write it with its unit, such as 60s"}},
		"twice in the YAML":     {sources: "sources: []\nsources: []\n", says: []string{"bundles.sources", "already defined"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := settings(t, filepath.Join(dir, "data"))
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if text == "-" {
					return path
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			if test.keys != "" {
				c.Bundles.Keys = write("keys.yaml", test.keys)
			}
			if test.sources != "" {
				c.Bundles.Sources = write("sources.yaml", test.sources)
			}
			d, err := daemon.Open(t.Context(), c)
			if err == nil {
				t.Error(d.Close())
				t.Fatal("it was opened")
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "daemon.") || strings.Contains(err.Error(), "struct {") {
				t.Errorf("a type of ours is in: %v", err)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the key's text is in: %v", err)
			}
		})
	}
}
