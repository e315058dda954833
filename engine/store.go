package engine

import (
	"context"
	"errors"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/verdict-pdp/verdict/authz"
)

// store is OPA's view of data: the bundle data, with the fact collections as
// roots read through the evaluation's view. It is immutable and shared; what
// belongs to one evaluation is in the view, which is its transaction.
type store struct {
	storage.WritesNotSupported
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	data  ast.Object
	names names
}

var errNotFound = &storage.Error{Code: storage.NotFoundErr, Message: "document does not exist"}

// Read implements storage.Store.
func (s *store) Read(_ context.Context, txn storage.Transaction, path storage.Path) (any, error) {
	if len(path) > 0 && !authz.Collection(path[0]).Fact() {
		return walk(s.data, path, s.names)
	}
	v, ok := txn.(*view)
	if !ok {
		return nil, errors.New("facts were read outside an evaluation")
	}
	if len(path) == 0 {
		return nil, v.refuseWhole("data")
	}
	return v.read(authz.Collection(path[0]), path[1:], s.names)
}

// walk follows path into a document.
func walk(value ast.Value, path []string, known names) (any, error) {
	for _, name := range path {
		var next *ast.Term
		switch document := value.(type) {
		case ast.Object:
			next = document.Get(known.term(name))
		case *ast.Array:
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < document.Len() {
				next = document.Elem(i)
			}
		}
		if next == nil {
			return nil, errNotFound
		}
		value = next.Value
	}
	return value, nil
}

// none is the transaction of preparing a query, which reads no facts.
type none struct{}

func (none) ID() uint64 { return 0 }

// NewTransaction implements storage.Store; evaluations bring their own.
func (*store) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return none{}, nil
}

// Commit implements storage.Store.
func (*store) Commit(context.Context, storage.Transaction) error { return nil }

// Abort implements storage.Store.
func (*store) Abort(context.Context, storage.Transaction) {}

// Truncate implements storage.Store; a snapshot is never replaced in place.
func (*store) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errors.New("a policy's store cannot be written")
}
