// Package policies embeds the base policy bundle: the entrypoint data.verdict.decision,
// the guards, their settings and their tests, as an OPA bundle directory. A decision
// depends on it and on the data only.
package policies

import "embed"

// Bundle is the bundle's tree with its manifest at the root. Files that end in _test.rego
// are for `opa test`; an evaluator ignores them.
//
//go:embed .manifest guards verdict
var Bundle embed.FS
