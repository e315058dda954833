package authz

import (
	"context"
	"slices"
	"time"
)

// Author is who asks for a change, and from where.
type Author struct {
	// Key is the id of the API key, or AuthorOffline or AuthorNode.
	Key  string `json:"key"`
	Name string `json:"name,omitempty"` // of the key
	// From is the address of the connection's other end; empty without one.
	From      string `json:"from,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Roles are what the author may do; an Unbound author may do everything. Neither is
	// stored: an author that is read back may do nothing.
	Roles   []Role `json:"-"`
	Unbound bool   `json:"-"`
}

// Offline is the author of a command that opens the data directory itself. What it may do
// comes from being made here and not from its name, which an API key could have too.
func Offline() Author { return Author{Key: AuthorOffline, Unbound: true} }

// Node is the author of what the node does by itself; see Offline.
func Node() Author { return Author{Key: AuthorNode, Unbound: true} }

// Authors without an API key.
const (
	// AuthorOffline is a command that opens the data directory itself.
	AuthorOffline = "offline"
	// AuthorNode is the node itself: its first start, its token service.
	AuthorNode = "node"
)

// Has reports whether the author may act in role.
func (a Author) Has(role Role) bool {
	return a.Unbound || slices.Contains(a.Roles, role)
}

// ChangeKind names what an author asked for.
type ChangeKind string

// Kinds of changes.
const (
	ChangePut               ChangeKind = "entity.put"
	ChangeDelete            ChangeKind = "entity.delete"
	ChangeImport            ChangeKind = "import" // one a committed chunk
	ChangeKeyCreate         ChangeKind = "key.create"
	ChangeKeyRevoke         ChangeKind = "key.revoke"
	ChangeSecret            ChangeKind = "secret.create"
	ChangeRevoke            ChangeKind = "revoke"
	ChangeRenew             ChangeKind = "renew"
	ChangeRotationStart     ChangeKind = "rotation.start"
	ChangeRotationAdvance   ChangeKind = "rotation.advance"
	ChangeRotationForce     ChangeKind = "rotation.force"
	ChangeRotationAbort     ChangeKind = "rotation.abort"
	ChangeRotationEmergency ChangeKind = "rotation.emergency"
	ChangeTokenKeys         ChangeKind = "token_keys.replace"
	ChangePush              ChangeKind = "bundle.push"
	ChangeRemove            ChangeKind = "bundle.remove"
	ChangeActivate          ChangeKind = "generation.activate"
	ChangeRollback          ChangeKind = "generation.rollback"
	ChangeMode              ChangeKind = "guard.mode"
	ChangeShadowStart       ChangeKind = "shadow.start"
	ChangeShadowStop        ChangeKind = "shadow.stop"
	ChangeReplay            ChangeKind = "replay"
	ChangeRestore           ChangeKind = "restore" // of a backup, into a directory without data
)

// changeRoles are the roles that may ask for a kind of change, of which an author
// needs one.
var changeRoles = map[ChangeKind]Role{
	ChangePut:               RoleOperate,
	ChangeDelete:            RoleOperate,
	ChangeImport:            RoleOperate,
	ChangeKeyCreate:         RoleOperate,
	ChangeKeyRevoke:         RoleOperate,
	ChangeSecret:            RoleOperate,
	ChangeRevoke:            RoleOperate,
	ChangeRenew:             RoleOperate,
	ChangeRotationStart:     RoleOperate,
	ChangeRotationAdvance:   RoleOperate,
	ChangeRotationForce:     RoleOperate,
	ChangeRotationAbort:     RoleOperate,
	ChangeRotationEmergency: RoleOperate,
	ChangeTokenKeys:         RoleOperate,
	ChangePush:              RoleAuthor,
	ChangeRemove:            RoleAuthor,
	ChangeActivate:          RoleAuthor,
	ChangeRollback:          RoleAuthor,
	ChangeMode:              RoleOperate,
	ChangeShadowStart:       RoleAuthor,
	ChangeShadowStop:        RoleAuthor,
	ChangeReplay:            RoleAuthor,
	ChangeRestore:           RoleOperate,
}

// ChangeKinds lists every kind, sorted.
func ChangeKinds() []ChangeKind {
	kinds := make([]ChangeKind, 0, len(changeRoles))
	for kind := range changeRoles {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Role returns the role that may ask for the change; ok is false for an unknown kind.
func (k ChangeKind) Role() (role Role, ok bool) {
	role, ok = changeRoles[k]
	return role, ok
}

// Outcomes of an audited change.
const (
	// ChangePending is a change that was announced and whose outcome is not recorded
	// yet: it is in progress, or the node died during it and has not been started since.
	ChangePending = "pending"
	ChangeMade    = "made"
	ChangeRefused = "refused" // by its role, its rules or its condition: nothing was changed
	ChangeFailed  = "failed"  // by a fault of the node: Error says what is known
	// ChangeNotMade and ChangeInterrupted are recorded at the start after the node died
	// during the change: it was not made, or that cannot be determined.
	ChangeNotMade     = "not_made"
	ChangeInterrupted = "interrupted"
)

// AuditedChange is one requested change, made or refused, as the audit stores it. Nothing in it is a secret.
type AuditedChange struct {
	ID      string     `json:"id"` // the write it made carries it too, see WithChange
	Kind    ChangeKind `json:"kind"`
	Outcome string     `json:"outcome"` // ChangePending in an intent
	At      time.Time  `json:"at"`      // when it was asked for
	By      Author     `json:"by"`

	// What it was of: an entity, a bundle, a generation or a guard.
	Collection Collection `json:"collection,omitempty"`
	Key        string     `json:"key,omitempty"` // of the entity
	Bundle     string     `json:"bundle,omitempty"`
	Generation uint64     `json:"generation,omitzero"` // made, or made active
	Guard      string     `json:"guard,omitempty"`
	Mode       string     `json:"mode,omitempty"` // that the guard was given
	Message    string     `json:"message,omitempty"`

	// Revision is the data revision the change made; 0 when it wrote no data.
	Revision uint64 `json:"revision,omitzero"`
	// Base is, of an intent, the data revision before the change: what it wrote is
	// found after it.
	Base uint64 `json:"base,omitzero"`
	// Before and After are digests ("sha256:<hex>") of the entity as stored, or of the
	// policy set, empty when there was or is none.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Import is what a chunk of an import did.
	Import *ImportedChunk `json:"import,omitempty"`

	// Code and Error say why it was refused or failed.
	Code  ErrorCode `json:"code,omitempty"`
	Error string    `json:"error,omitempty"`
	// Omitted counts refusals of the same author before this one that were too many
	// to be recorded one by one.
	Omitted uint64 `json:"omitted,omitzero"`

	// PrevChange is the hash of the record of the change before, of intents too, so
	// that the chain of changes holds when decisions between them are no longer kept.
	// The log sets it. It and Number stay the last members: the log appends them.
	PrevChange string `json:"prev_change,omitempty"`
	// Number counts the records of changes from 1, without a gap. The log sets it.
	Number uint64 `json:"number,omitzero"`
}

// ImportedChunk is one committed chunk of an import.
type ImportedChunk struct {
	First     int    `json:"first"` // line
	Last      int    `json:"last"`
	Written   int    `json:"written"`
	Unchanged int    `json:"unchanged"`
	Failed    int    `json:"failed"`
	Digest    string `json:"digest"` // "sha256:<hex>" of its lines as they were read
}

// AuditFilter selects changes. Zero members select all; given ones all hold.
type AuditFilter struct {
	By         string     `json:"by,omitempty"` // id of the API key
	Kind       ChangeKind `json:"kind,omitempty"`
	Collection Collection `json:"collection,omitempty"`
	Key        string     `json:"key,omitempty"` // id of the entity
	Bundle     string     `json:"bundle,omitempty"`
	Outcome    string     `json:"outcome,omitempty"`
	From       time.Time  `json:"from,omitzero"` // at or after
	To         time.Time  `json:"to,omitzero"`   // before
}

// Selects reports whether f selects a change.
func (f *AuditFilter) Selects(c *AuditedChange) bool {
	return (f.By == "" || f.By == c.By.Key) &&
		(f.Kind == "" || f.Kind == c.Kind) &&
		(f.Collection == "" || f.Collection == c.Collection) &&
		(f.Key == "" || f.Key == c.Key) &&
		(f.Bundle == "" || f.Bundle == c.Bundle) &&
		(f.Outcome == "" || f.Outcome == c.Outcome) &&
		(f.From.IsZero() || !c.At.Before(f.From)) &&
		(f.To.IsZero() || c.At.Before(f.To))
}

// AuditPage is one page of audited changes. Its numbers are those of the audit's own
// records.
type AuditPage = LogPage[AuditedChange]

type changeKey struct{}

// WithChange returns a context for the work of the change id: writes made with it carry
// the id, by which they are found after a crash.
func WithChange(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, changeKey{}, id)
}

// ChangeOf returns the change id in ctx, empty when there is none.
func ChangeOf(ctx context.Context) string {
	id, _ := ctx.Value(changeKey{}).(string)
	return id
}
