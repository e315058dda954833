package bundles

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-pdp/verdict/authz"
)

// Entrypoint is the one document a policy set is asked for.
const Entrypoint = "data.verdict.decision"

// Snapshot is a compiled policy set. It is immutable: what its methods return
// is shared and must not be changed.
type Snapshot struct {
	ref      authz.PolicyRef
	roots    []string
	compiler *ast.Compiler
	data     ast.Object
	guards   []Guard
}

// Ref names the snapshot: its generation, and the digest of what it evaluates.
func (s *Snapshot) Ref() authz.PolicyRef { return s.ref }

// Roots are the data paths the policy set owns.
func (s *Snapshot) Roots() []string { return s.roots }

// Compiler holds the compiled policies.
func (s *Snapshot) Compiler() *ast.Compiler { return s.compiler }

// Data is the bundle data, without the facts of the store.
func (s *Snapshot) Data() ast.Object { return s.data }

// Guards lists the guards by name, with the denials each can give.
func (s *Snapshot) Guards() []Guard { return s.guards }
