package servertest

import (
	"context"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
)

// Lifecycle is a stage for what Control does with credentials, and for
// admin.Rotations: it answers what its fields say, and remembers what it was asked.
type Lifecycle struct {
	admin.Control // for everything else

	Err     error // answered instead, when set
	Made    authz.Written
	Secret  string // of Made
	Started api.StartedRotation
	Rotated api.Rotation
	Asked   []string // methods, with what they were asked, in order
	Entry   authz.Entity
	Token   string
}

// NewSecret implements admin.Control.
func (l *Lifecycle) NewSecret(_ context.Context, _ authz.Author, machineUser, id string, notAfter time.Time) (authz.Written, string, error) {
	l.Asked = append(l.Asked, "secret "+machineUser+" "+id)
	return l.Made, l.Secret, l.Err
}

// Revoke implements admin.Control.
func (l *Lifecycle) Revoke(_ context.Context, _ authz.Author, r *authz.Revocation, token string) (authz.Written, error) {
	return l.list(r, token)
}

// Renew implements admin.Control.
func (l *Lifecycle) Renew(_ context.Context, _ authz.Author, r *authz.Renewal, token string) (authz.Written, error) {
	return l.list(r, token)
}

func (l *Lifecycle) list(entry authz.Entity, token string) (authz.Written, error) {
	l.Entry, l.Token = entry, token
	if r, ok := entry.(*authz.Revocation); ok && token != "" {
		r.Of = authz.TokenID("https://i", token)
	}
	entry.Normalize()
	return authz.Written{Entity: entry, Revision: 9}, l.Err
}

// ReplaceTokenKeys implements admin.Control.
func (l *Lifecycle) ReplaceTokenKeys(context.Context, authz.Author) error {
	l.Asked = append(l.Asked, "replace keys")
	return l.Err
}

// RotationStatus implements admin.Rotations.
func (l *Lifecycle) RotationStatus(_ context.Context, set string) (api.Rotation, error) {
	l.Asked = append(l.Asked, "status "+set)
	return l.Rotated, l.Err
}

// StartRotation implements admin.Control.
func (l *Lifecycle) StartRotation(_ context.Context, by authz.Author, set, advance string, _ map[string]api.Material) (api.Rotation, map[string]string, error) {
	l.Asked = append(l.Asked, strings.Join(strings.Fields("start "+set+" "+advance+" by "+by.Key), " "))
	return l.Started.Rotation, l.Started.Secrets, l.Err
}

// StepRotation implements admin.Control.
func (l *Lifecycle) StepRotation(_ context.Context, by authz.Author, set, action, phase string) (api.Rotation, error) {
	l.Asked = append(l.Asked, strings.Join(strings.Fields(action+" "+set+" "+phase+" by "+by.Key), " "))
	return l.Rotated, l.Err
}
