package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/sources"
)

// TestBundleFilesAreReadStrictly reads files of keys and of sources that cannot
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
		"not a key":             {keys: "keys: {ci: {algorithm: ES256, key: nonsense}}\n", says: []string{"keys[0].pem is not PEM"}},
		"broken YAML":           {sources: "sources: [\n", says: []string{"bundles.sources"}},
		"no name":               {sources: "sources: [{url: 'https://a.example/b'}]\n", says: []string{"bundles.sources", "name"}},
		"our own name":          {sources: "sources: [{name: modes, url: 'https://a.example/b'}]\n", says: []string{"bundles.sources", "modes"}},
		"url and folder":        {sources: "sources: [{name: a, url: 'https://a.example/b', folder: x}]\n", says: []string{"url or folder is required, and not both"}},
		"neither":               {sources: "sources: [{name: a}]\n", says: []string{"url or folder is required, and not both"}},
		"twice":                 {sources: "sources: [{name: a, folder: x}, {name: a, folder: y}]\n", says: []string{"a has a source already"}},
		"plain http":            {sources: "sources: [{name: a, url: 'http://a.example/b'}]\n", says: []string{"https"}},
		"no such file":          {sources: "-", says: []string{"bundles.sources", "cannot be read"}},
		"unknown member":        {sources: "sources: [{name: a, folder: x, intervall: 1s}]\n", says: []string{"intervall not found"}},
		"interval no unit":      {sources: "sources: [{name: a, folder: x, interval: 5x}]\n", says: []string{"bundles.sources", "5x"}},
		"interval without unit": {sources: "sources: [{name: a, folder: x, interval: 1}]\n", says: []string{"write it with its unit, such as 60s"}},
		"twice in the YAML":     {sources: "sources: []\nsources: []\n", says: []string{"bundles.sources", "already defined"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if text == "" {
					return ""
				}
				if text == "-" {
					return path
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			files := config.Bundles{Keys: write("keys.yaml", test.keys), Sources: write("sources.yaml", test.sources)}
			keys, err := files.ReadKeys()
			if err == nil {
				err = bundles.Verification{Keys: keys}.Validate()
			}
			if err == nil {
				_, err = files.ReadSources()
			}
			if err == nil {
				t.Fatal("the files were taken, want an error")
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "config.") || strings.Contains(err.Error(), "struct {") {
				t.Errorf("a type of ours is in: %v", err)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the key's text is in: %v", err)
			}
		})
	}
}

func TestBundleSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sources.yaml")
	text := "sources:\n- {name: a, url: 'https://a.example/b', token_file: t, interval: 30s, long_poll: 5s}\n- {name: b, folder: x, activate: false}\n- {name: c, folder: y, activate: true}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Bundles{Sources: path, MaxSize: 7}.ReadSources()
	if err != nil {
		t.Fatal(err)
	}
	want := []config.BundleSource{
		{Source: sources.Source{Name: "a", URL: "https://a.example/b", TokenFile: "t", MinDelay: 30 * time.Second, MaxDelay: time.Minute, LongPoll: 5 * time.Second, MaxBytes: 7}},
		{Source: sources.Source{Name: "b", Folder: "x", MaxBytes: 7}, Candidate: true},
		{Source: sources.Source{Name: "c", Folder: "y", MaxBytes: 7}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sources read (-want +got):\n%s", diff)
	}
	if none, err := (config.Bundles{}).ReadSources(); none != nil || err != nil {
		t.Errorf("without a file: %v, %v; want none", none, err)
	}
}
