package servertest

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
)

// Lifecycle is a stage for admin.Credentials and admin.Rotations: it answers what
// its fields say, and remembers what it was asked.
type Lifecycle struct {
	Err     error // answered instead, when set
	Secret  admin.NewSecret
	Started api.StartedRotation
	Rotated api.Rotation
	Asked   []string // methods, with what they were asked, in order
	Entry   authz.Entity
	Token   string
}

// NewSecret implements admin.Credentials.
func (l *Lifecycle) NewSecret(_ context.Context, machineUser, id string, notAfter time.Time) (admin.NewSecret, error) {
	l.Asked = append(l.Asked, "secret "+machineUser+" "+id)
	return l.Secret, l.Err
}

// Revoke implements admin.Credentials.
func (l *Lifecycle) Revoke(_ context.Context, r *authz.Revocation, token string) (authz.Written, error) {
	return l.list(r, token)
}

// Renew implements admin.Credentials.
func (l *Lifecycle) Renew(_ context.Context, r *authz.Renewal, token string) (authz.Written, error) {
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

// RotationStatus implements admin.Rotations.
func (l *Lifecycle) RotationStatus(_ context.Context, set string) (api.Rotation, error) {
	l.Asked = append(l.Asked, "status "+set)
	return l.Rotated, l.Err
}

// StartRotation implements admin.Rotations.
func (l *Lifecycle) StartRotation(_ context.Context, set, by string, _ map[string]api.Material) (api.StartedRotation, error) {
	l.Asked = append(l.Asked, "start "+set+" by "+by)
	return l.Started, l.Err
}

// StepRotation implements admin.Rotations.
func (l *Lifecycle) StepRotation(_ context.Context, set, by, action string) (api.Rotation, error) {
	l.Asked = append(l.Asked, action+" "+set+" by "+by)
	return l.Rotated, l.Err
}
