package config

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/sources"
)

// keysFile is the file of bundles.keys, in the shape of OPA's configuration.
type keysFile struct {
	Keys map[string]struct {
		Algorithm string `yaml:"algorithm"`
		Key       string `yaml:"key"`
		Scope     string `yaml:"scope"`
	} `yaml:"keys"`
}

// ReadKeys reads the file of the keys that bundles may be signed by; they are in the
// order of their ids.
func (b Bundles) ReadKeys() ([]bundles.Key, error) {
	path := b.Keys
	if path == "" {
		return nil, nil
	}
	var file keysFile
	if err := readYAML("bundles.keys", path, &file); err != nil {
		return nil, err
	}
	if len(file.Keys) == 0 {
		return nil, authz.Invalid("bundles.keys", path+` has no keys; write keys: {"<id>": {"algorithm": "ES256", "key": "<PEM>"}}`)
	}
	var keys []bundles.Key
	for _, id := range slices.Sorted(maps.Keys(file.Keys)) {
		k := file.Keys[id]
		keys = append(keys, bundles.Key{ID: id, Algorithm: cmp.Or(k.Algorithm, "RS256"), PEM: k.Key, Scope: k.Scope})
	}
	return keys, nil
}

// sourcesFile is the file of bundles.sources.
type sourcesFile struct {
	Sources []struct {
		Name      string        `yaml:"name"`
		URL       string        `yaml:"url"`
		Folder    string        `yaml:"folder"`
		TokenFile string        `yaml:"token_file"` // with the bearer token the server wants
		Interval  time.Duration `yaml:"interval"`   // between two requests; the default is a minute
		LongPoll  time.Duration `yaml:"long_poll"`  // how long the server may hold a request; 0 asks for none
		// Activate makes what passes the gate active, which is the default; otherwise it
		// stays a candidate.
		Activate *bool `yaml:"activate"`
	} `yaml:"sources"`
}

// BundleSource is a source that one bundle is pulled from.
type BundleSource struct {
	sources.Source
	// Candidate leaves what passes the gate a candidate until an operator activates it.
	Candidate bool
}

// ReadSources reads the file of the sources to pull bundles from.
func (b Bundles) ReadSources() ([]BundleSource, error) {
	if b.Sources == "" {
		return nil, nil
	}
	var file sourcesFile
	if err := readYAML("bundles.sources", b.Sources, &file); err != nil {
		return nil, err
	}
	var all []sources.Source
	var read []BundleSource
	for _, s := range file.Sources {
		source := sources.Source{
			Name: s.Name, URL: s.URL, Folder: s.Folder, TokenFile: s.TokenFile,
			MinDelay: s.Interval, MaxDelay: 2 * s.Interval, LongPoll: s.LongPoll, MaxBytes: b.MaxSize,
		}
		all = append(all, source)
		read = append(read, BundleSource{Source: source, Candidate: s.Activate != nil && !*s.Activate})
	}
	if err := sources.Validate(all); err != nil {
		return nil, authz.Invalid("bundles.sources", b.Sources+": "+err.Error())
	}
	return read, nil
}

// typesOfOurs are the Go types in errors of the YAML library, which mean nothing to the
// author of the file.
var typesOfOurs = regexp.MustCompile(` (?:in type|into) (?:config|struct)\S*(?: \{.*\})?`)

// plainYAML is an error of the YAML library in words of the file.
func plainYAML(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(text, "into time.Duration", "as a duration; write it with its unit, such as 60s")
	return typesOfOurs.ReplaceAllString(text, "")
}

// readYAML reads a file of settings strictly: YAML, and so JSON.
func readYAML(setting, path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return &authz.Error{Code: authz.CodeInvalid, Field: setting, Message: path + " cannot be read: " + err.Error(), Cause: err}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(to); err != nil && !errors.Is(err, io.EOF) {
		return authz.Invalid(setting, path+": "+plainYAML(err))
	}
	return nil
}
