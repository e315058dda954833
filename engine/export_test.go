package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-pdp/verdict/authz"
)

// The seams the external tests look through.
var (
	QuestionValue = questionValue
	Judge         = judgement
	DecodeJSON    = decodeJSON
	AppendJSON    = appendJSON
	MasksIn       = func(v any) ([]authz.Mask, error) { return masksIn(v.(ast.Value)) }
)

// Prepare makes a policy of what bundles.Compile would not let through, to see
// that the engine does not rely on it.
func Prepare(compiler *ast.Compiler, data ast.Object, config Config) (*Policy, error) {
	return prepare(authz.PolicyRef{}, compiler, data, config.withDefaults())
}

// NewStore and NewView are the store and the transaction of one evaluation.
func NewStore(data ast.Object) storage.Store { return &store{data: data} }

func NewView(facts authz.Facts, maxKeys int) storage.Transaction {
	decoded, err := newDecodedFacts(maxKeys)
	if err != nil {
		panic(err)
	}
	return newView(facts, decoded, maxKeys)
}

// NewRuleCache is the cache of rules of one evaluation, and how it ends.
func NewRuleCache() (topdown.VirtualCache, func()) {
	a := newRuleCache()
	return a, a.release
}
