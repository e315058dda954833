package store

import (
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
)

// Op is one operation of a write.
type Op struct {
	// Collection may be left out when Entity is given.
	Collection authz.Collection
	// Key names the entity; it may be left out when Entity carries its id.
	Key string
	// Entity is what to store under Key, nil to delete. The store normalizes and
	// validates it. Once the write is committed it is as it was stored: its Header
	// is filled, and an authz.Successor is what Succeed made of it. A write that
	// fails leaves it normalized.
	Entity authz.Entity
	// If must hold for the write to happen. The zero Precondition always holds.
	If authz.Precondition
}

// checkCondition compares a precondition with the entity as it is, nil when there is
// none.
func checkCondition(p authz.Precondition, r ref, current *record) error {
	switch {
	case p.New && current != nil:
		return authz.Errorf(authz.CodeConflict, "%s %s exists already, at revision %d", r.code.collection(), strconv.Quote(r.key), current.revision)
	case p.Absent && current != nil:
		return authz.Errorf(authz.CodePrecondition, "%s %s exists, at revision %d", r.code.collection(), strconv.Quote(r.key), current.revision)
	case (p.Present || p.Revision > 0) && current == nil:
		return authz.Errorf(authz.CodePrecondition, "%s %s does not exist", r.code.collection(), strconv.Quote(r.key))
	case p.Revision > 0 && current.revision != p.Revision:
		return authz.Errorf(authz.CodePrecondition, "%s %s is at revision %d, not %d; read it again", r.code.collection(), strconv.Quote(r.key), current.revision, p.Revision)
	}
	return nil
}

// Result is what a write did.
type Result struct {
	// Revision is the data revision the write made; 0 when it changed nothing,
	// which only an import does.
	Revision uint64
	// Entities are those of the Ops in order, nil for a delete, as they were
	// stored: with their Header and with what Succeed changed.
	Entities []authz.Entity
	// Created says of each of the Ops whether its entity did not exist before.
	Created []bool
	// Before and After are the JSON of each entity as it was and is stored, nil when
	// there was or is none. They are shared and must not be changed.
	Before, After [][]byte
}

// intent says what an operation of a write may do instead of failing.
type intent uint8

const (
	asAsked      intent = iota // a put writes, a delete deletes, or the write fails
	unlessSame                 // an import: an entity equal to the stored one is left alone
	unlessNotDue               // the sweeper: an entity that no longer expires is left alone
)

// operation is an Op made ready outside the commit lock. Evaluating a write does
// not change it: one that did not fit into its group is evaluated again.
type operation struct {
	ref
	entity authz.Entity // nil deletes; the caller's
	form
	pre    authz.Precondition
	intent intent
	due    int64 // unlessNotDue: delete only what expired at or before it
}

// form is how an entity is stored.
type form struct {
	content content
	// sideKeys are its index and expiry entries.
	sideKeys [][]byte
}

func newForm(r ref, entity authz.Entity) (form, error) {
	made, err := newContent(entity)
	if err != nil {
		return form{}, err
	}
	return form{content: made, sideKeys: sideKeysOf(r.code, r.key, entity)}, nil
}

// prepare checks op and does all the work that does not depend on what is stored.
func prepare(op Op) (operation, error) {
	if op.Entity == nil {
		return prepareDelete(op)
	}
	return preparePut(op)
}

func prepareDelete(op Op) (operation, error) {
	code := codeOf(op.Collection)
	if code == 0 {
		return operation{}, unknownCollection(op.Collection)
	}
	if err := op.Collection.ValidateKey(op.Key); err != nil {
		return operation{}, err
	}
	if op.If.New || op.If.Absent {
		return operation{}, authz.Errorf(authz.CodePrecondition, "a delete cannot ask for the entity to be absent")
	}
	return operation{ref: ref{code: code, key: op.Key}, pre: op.If}, nil
}

func preparePut(op Op) (operation, error) {
	c := op.Entity.Collection()
	if op.Collection != "" && op.Collection != c {
		return operation{}, authz.Invalid("collection", "is "+strconv.Quote(string(op.Collection))+" but the entity belongs to "+string(c))
	}
	code := codeOf(c)
	if code == 0 {
		return operation{}, unknownCollection(c)
	}
	head := op.Entity.Head()
	if head.ID == "" && !c.Pair() {
		head.ID = op.Key
	}
	op.Entity.Normalize()
	if err := op.Entity.Validate(); err != nil {
		return operation{}, err
	}
	if op.Key != "" && op.Key != head.ID {
		return operation{}, authz.Invalid("id", "is "+strconv.Quote(head.ID)+" but the request names "+strconv.Quote(op.Key))
	}
	r := ref{code: code, key: head.ID}
	made, err := newForm(r, op.Entity)
	if err != nil {
		return operation{}, err
	}
	return operation{ref: r, entity: op.Entity, form: made, pre: op.If}, nil
}

func unknownCollection(c authz.Collection) error {
	return authz.Invalid("collection", "is "+strconv.Quote(string(c))+", which is not known")
}
