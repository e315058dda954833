package daemon

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// keysFile is the file of bundles.keys, in the shape of OPA's configuration.
type keysFile struct {
	Keys map[string]struct {
		Algorithm string `yaml:"algorithm"`
		Key       string `yaml:"key"`
		Scope     string `yaml:"scope"`
	} `yaml:"keys"`
}

// readBundleKeys reads the keys bundles may be signed by, in the order of their ids.
func readBundleKeys(path string) ([]bundles.Key, error) {
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
	Sources []bundleSource `yaml:"sources"`
}

// bundleSource is where one bundle is pulled from: a bundle server, or a folder that
// is watched.
type bundleSource struct {
	Name      string        `yaml:"name"`
	URL       string        `yaml:"url"`
	Folder    string        `yaml:"folder"`
	TokenFile string        `yaml:"token_file"` // with the bearer token the server wants
	Interval  time.Duration `yaml:"interval"`   // between two requests; the default is a minute
	LongPoll  time.Duration `yaml:"long_poll"`  // how long the server may hold a request; 0 asks for none
	// Activate says whether what passes the gate becomes active; the default is that
	// it does. Otherwise it waits as a candidate.
	Activate *bool `yaml:"activate"`
}

func (s bundleSource) activates() bool { return s.Activate == nil || *s.Activate }

// readBundleSources reads the sources to pull bundles from.
func readBundleSources(path string) ([]bundleSource, error) {
	if path == "" {
		return nil, nil
	}
	var file sourcesFile
	if err := readYAML("bundles.sources", path, &file); err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, s := range file.Sources {
		switch {
		case authz.ValidateBundleName("name", s.Name) != nil || s.Name == authz.ModesBundle:
			return nil, authz.Invalid("bundles.sources", path+" has a source whose name is no bundle's: "+s.Name)
		case named[s.Name]:
			return nil, authz.Invalid("bundles.sources", path+" has two sources for the bundle "+s.Name)
		case (s.URL == "") == (s.Folder == ""):
			return nil, authz.Invalid("bundles.sources", path+": the source "+strconv.Quote(s.Name)+" must have either a url or a folder")
		}
		named[s.Name] = true
	}
	return file.Sources, nil
}

// typesOfOurs are how the YAML library names what it reads into; who writes the file
// does not know them.
var typesOfOurs = regexp.MustCompile(` (?:in type|into) (?:daemon|struct)\S*(?: \{.*\})?`)

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
