package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

// rotationSet is one set on the server.
type rotationSet struct {
	client *remote.Client
	id     string
}

// rotation is how far a set is, with the bytes it was read from.
type rotation struct {
	api.Rotation
	raw []byte
}

func (r rotation) running() bool {
	return r.Phase == authz.PhasePropagate || r.Phase == authz.PhaseDrain
}

// manual reports whether an operator takes the steps of the rotation, which runs.
func (r rotation) manual() bool { return r.running() && r.Advance == authz.AdvanceManual }

func (s rotationSet) path(action string) string {
	return api.PathRotationSets + url.PathEscape(s.id) + "/" + action
}

func (s rotationSet) status(ctx context.Context) (rotation, error) {
	return s.ask(ctx, remote.Call{Method: http.MethodGet, Path: s.path("status")})
}

// step takes one of the steps authz.RotationAdvance and so on; from phase alone, unless
// that is "".
func (s rotationSet) step(ctx context.Context, action, phase string) (rotation, error) {
	call := remote.Call{Method: http.MethodPost, Path: s.path(action)}
	if phase != "" {
		call.Query = url.Values{"phase": {phase}}
	}
	return s.ask(ctx, call)
}

func (s rotationSet) ask(ctx context.Context, call remote.Call) (rotation, error) {
	answer, err := s.client.Do(ctx, call)
	if err != nil {
		return rotation{}, s.refused(err, "`verdict rotate "+s.id+" --once` shows how far the rotation is.")
	}
	now := rotation{raw: answer.Body}
	if err := ijson.UnmarshalOpen(answer.Body, &now.Rotation); err != nil {
		return rotation{}, unreadable(err)
	}
	if now.Phase == "" {
		return rotation{}, unreadable(errors.New("it has no phase"))
	}
	return now, nil
}

// started is the answer of a start, with its bytes.
type started struct {
	api.StartedRotation
	raw []byte
}

func (s *started) rotation() rotation { return rotation{Rotation: s.Rotation} }

func (s rotationSet) start(ctx context.Context, request api.StartRotation) (*started, error) {
	body, err := ijson.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(ctx, remote.Call{Method: http.MethodPost, Path: s.path(authz.RotationStart), Body: bytes.NewReader(body)})
	if err != nil {
		return nil, s.refused(err, "`verdict credential list --machine-user ID` shows what a member has, `verdict revoke credential ID` ends what it no longer uses; `verdict rotate "+s.id+" --once` shows whether a rotation runs already.")
	}
	begun := &started{raw: answer.Body}
	if err := ijson.UnmarshalOpen(answer.Body, &begun.StartedRotation); err != nil {
		return nil, unreadable(err)
	}
	return begun, nil
}

// refused names what to do in the words of rotations; inConflict is for what stands
// in the way.
func (rotationSet) refused(err error, inConflict string) error {
	f := failureOf(err)
	switch f.code {
	case authz.CodeNotFound:
		f.fix = fixOfSets
	case authz.CodeConflict:
		f.fix = inConflict
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return f
}
