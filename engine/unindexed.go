package engine

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
)

// unindexed is compiler with indexes that leave no rule out, so that an evaluation
// shows where each rule stops. It answers as compiler does, which it leaves as it is.
func unindexed(compiler *ast.Compiler) *ast.Compiler {
	c := *compiler
	c.RuleTree = withoutIndexes(compiler.RuleTree)
	return &c
}

func withoutIndexes(node *ast.TreeNode) *ast.TreeNode {
	n := *node
	if node.Index != nil {
		n.Index = everyRule{node.Index}
	}
	n.Children = make(map[ast.Value]*ast.TreeNode, len(node.Children))
	for name, child := range node.Children {
		n.Children[name] = withoutIndexes(child)
	}
	return &n
}

// everyRule is an index that knows nothing of the question, so that it cannot leave a
// rule out.
type everyRule struct{ ast.RuleIndex }

// AllRules implements ast.RuleIndex.
func (x everyRule) AllRules(ast.ValueResolver) (*ast.IndexResult, error) {
	return x.RuleIndex.AllRules(unresolved{})
}

// unresolved resolves nothing.
type unresolved struct{}

var errUnresolved = errors.New("an index does not know the question")

// Resolve implements ast.ValueResolver.
func (unresolved) Resolve(ast.Ref) (ast.Value, error) { return nil, errUnresolved }
