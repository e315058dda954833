package bundles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// digest names what policy sets evaluate together: the roots of each, policies
// byte for byte and data by value. Tests, the manifests' revisions and metadata,
// and how data was spread over files do not change it.
func digest(parts []part, data ast.Object) string {
	h := sha256.New()
	write := func(s string) { fmt.Fprintf(h, "%d:%s\n", len(s), s) }
	write("verdict policy set 1")
	for _, p := range parts {
		roots := slices.Clone(p.Manifest.Roots)
		slices.Sort(roots)
		fmt.Fprintf(h, "rego %d roots %d\n", p.Manifest.RegoVersion, len(roots))
		for _, root := range roots {
			write(root)
		}
	}
	write(data.String())
	for _, p := range parts {
		for _, f := range p.Policies {
			write(p.shown(f.Path))
			sum := sha256.Sum256(f.Bytes)
			write(string(sum[:]))
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
