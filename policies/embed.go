// Package policies carries the base policy bundle: the entrypoint
// data.verdict.decision, the guards, their settings and their tests, as an OPA
// bundle directory. Everything a decision depends on besides the data is here.
package policies

import "embed"

// Bundle is the bundle's tree with its manifest at the root. Files ending in
// _test.rego are for `opa test`; an evaluator leaves them out.
//
//go:embed .manifest guards verdict
var Bundle embed.FS
