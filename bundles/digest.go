package bundles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// digest names what a policy set evaluates: roots, policies byte for byte and
// data by value. Tests, the manifest's revision and metadata, and how data was
// spread over files do not change it.
func digest(a Archive, data ast.Object) string {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s\n", len(s), s) }
	part("verdict policy set 1")
	roots := slices.Clone(a.Manifest.Roots)
	slices.Sort(roots)
	fmt.Fprintf(h, "rego %d roots %d\n", a.Manifest.RegoVersion, len(roots))
	for _, root := range roots {
		part(root)
	}
	part(data.String())
	for _, f := range a.Policies {
		part(f.Path)
		sum := sha256.Sum256(f.Bytes)
		part(string(sum[:]))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
