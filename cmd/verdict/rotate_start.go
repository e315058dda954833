package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/ijson"
)

// start starts a rotation, hands out the new secrets and returns how far it is.
func (r *rotate) start(ctx context.Context, now rotation) (rotation, error) {
	material, err := r.readMaterial()
	if err != nil {
		return rotation{}, err
	}
	if r.secretsDir != "" {
		return r.startAndSave(ctx, now, material)
	}
	begun, err := r.set.start(ctx, r.startRequest(material))
	if err != nil {
		return rotation{}, err
	}
	return begun.rotation(), r.printStarted(begun)
}

func (r *rotate) startRequest(material map[string]api.Material) api.StartRotation {
	request := api.StartRotation{Members: material}
	if r.noAdvance {
		request.Advance = authz.AdvanceManual
	}
	return request
}

// startAndSave makes room for the secrets before, so that none is made that cannot be
// kept.
func (r *rotate) startAndSave(ctx context.Context, now rotation, material map[string]api.Material) (rotation, error) {
	files, err := newSecretFiles(r.secretsDir, membersOf(now))
	if err != nil {
		return rotation{}, err
	}
	begun, err := r.set.start(ctx, r.startRequest(material))
	if err != nil {
		return rotation{}, files.abort(err)
	}
	paths, err := files.save(begun.Secrets)
	if err != nil {
		return rotation{}, &failure{status: exitError, code: authz.CodeInternal, message: "the rotation has started, but not every new secret could be saved: " + err.Error(),
			fix: "Go back with `verdict rotate " + r.set.id + " --abort`, then start again.", cause: err}
	}
	return begun.rotation(), r.printSaved(begun, paths)
}

// readMaterial reads --material: by machine user, what its new credential is known by.
func (r *rotate) readMaterial() (map[string]api.Material, error) {
	if r.material == "" {
		return nil, nil
	}
	data, err := readInput(r.material, r.in)
	if err != nil {
		return nil, err
	}
	var members map[string]api.Material
	if err := ijson.Unmarshal(data, &members); err != nil {
		return nil, usage(inputName(r.material)+": "+err.Error(), `Write {"MACHINE_USER": {"keys": {"keys": [...]}}} for public keys, {"MACHINE_USER": {"issuer": "...", "names": ["..."]}} for certificates.`)
	}
	return members, nil
}

func membersOf(now rotation) []string {
	var names []string
	for _, m := range now.Members {
		names = append(names, m.MachineUser)
	}
	return names
}

// printStarted prints the new secrets, the one time they are shown.
func (r *rotate) printStarted(begun *started) error {
	if r.output == formatJSON {
		return r.print(begun.raw, nil)
	}
	if len(begun.Secrets) == 0 {
		return nil
	}
	if err := r.printSecrets("NEW SECRET", begun.Secrets); err != nil {
		return err
	}
	const printed = "the new secrets are printed to standard output, and this is the only time they are shown"
	if r.emergency {
		return r.note(printed)
	}
	return r.note(printed + "; the old ones work until they are retired")
}

// printSaved says which file each new secret is in.
func (r *rotate) printSaved(begun *started, paths map[string]string) error {
	if r.output == formatJSON {
		document, err := savedDocument(begun.raw, paths)
		if err != nil {
			return err
		}
		return r.print(document, nil)
	}
	return r.printSecrets("NEW SECRET IS IN", paths)
}

// savedDocument is the answer of a start with the secrets' files in their place.
func savedDocument(answer []byte, paths map[string]string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(answer, &members); err != nil {
		return nil, unreadable(err)
	}
	delete(members, "secrets")
	files, err := ijson.Marshal(paths)
	if err != nil {
		return nil, err
	}
	members["secret_files"] = files
	return ijson.Marshal(members)
}

func (r *rotate) printSecrets(header string, of map[string]string) error {
	if len(of) == 0 {
		return nil
	}
	var rows [][]string
	for _, member := range slices.Sorted(maps.Keys(of)) {
		rows = append(rows, []string{member, of[member]})
	}
	return newTable(r.out, "MACHINE USER", header).page(rows)
}

// The questions asked before a rotation is started or hurried. Each ends with a
// line that can be answered with yes.

func startQuestion(now rotation) string {
	return fmt.Sprintf("Each of %s gets a new generation. The old ones go on working until they are retired.\nStart a rotation of %s?",
		strings.Join(membersOf(now), ", "), now.ID)
}

func forceQuestion(now rotation) string {
	text := fmt.Sprintf("Take the next step of the rotation of %s without evidence?", now.ID)
	if len(now.WaitingFor) > 0 {
		text = "It waits for " + strings.Join(now.WaitingFor, "\nand for ") + ".\n" + text
	}
	return text
}

func emergencyQuestion(now rotation) string {
	breaks := fmt.Sprintf("Nobody breaks: every member of %s has proved its new generation.", now.ID)
	if names := unproved(now); len(names) > 0 {
		breaks = "Until they use their new generation these cannot authenticate: " + strings.Join(names, ", ") + "."
	}
	return fmt.Sprintf("%s\nRevoke the old generations of %s now?", breaks, now.ID)
}

// unproved are the members that have not proved a new generation: all, while no
// rotation runs.
func unproved(now rotation) []string {
	if !now.running() {
		return membersOf(now)
	}
	var names []string
	for _, m := range now.Members {
		if m.Light != authz.LightGreen && m.Light != authz.LightAmber {
			names = append(names, m.MachineUser)
		}
	}
	return names
}

// rotationSet is one set on the server.
type rotationSet struct {
	pdp *client.Client
	id  string
}

// rotation is how far a set is, with the bytes it was read from.
type rotation struct {
	api.Rotation
	raw []byte
}

func (r rotation) running() bool { return authz.RunningPhase(r.Phase) }

// manual reports whether an operator takes the steps of the rotation, which runs.
func (r rotation) manual() bool { return r.running() && r.Advance == authz.AdvanceManual }

func (s rotationSet) status(ctx context.Context) (rotation, error) {
	return s.ask(ctx, func(ctx context.Context) (api.Rotation, error) { return s.pdp.RotationStatus(ctx, s.id) })
}

// step takes one of the steps authz.RotationAdvance and so on; from phase alone, unless
// that is "".
func (s rotationSet) step(ctx context.Context, action, phase string) (rotation, error) {
	return s.ask(ctx, func(ctx context.Context) (api.Rotation, error) {
		switch action {
		case authz.RotationAbort:
			return s.pdp.AbortRotation(ctx, s.id)
		case authz.RotationEmergency:
			return s.pdp.EmergencyRotation(ctx, s.id)
		case authz.RotationForce:
			return s.pdp.ForceRotation(ctx, s.id, phase)
		}
		return s.pdp.AdvanceRotation(ctx, s.id, phase)
	})
}

func (s rotationSet) ask(ctx context.Context, call func(context.Context) (api.Rotation, error)) (rotation, error) {
	now, raw, err := withAnswer(ctx, call)
	if err != nil {
		return rotation{}, s.refused(err, "`verdict rotate "+s.id+" --once` shows how far the rotation is.")
	}
	return rotation{now, raw}, nil
}

// started is the answer of a start, with its bytes.
type started struct {
	api.StartedRotation
	raw []byte
}

func (s *started) rotation() rotation { return rotation{Rotation: s.Rotation} }

func (s rotationSet) start(ctx context.Context, request api.StartRotation) (*started, error) {
	begun, raw, err := withAnswer(ctx, func(ctx context.Context) (api.StartedRotation, error) {
		return s.pdp.StartRotation(ctx, s.id, request)
	})
	if err != nil {
		return nil, s.refused(err, "`verdict credential list --machine-user ID` shows what a member has, `verdict revoke credential ID` ends what it no longer uses; `verdict rotate "+s.id+" --once` shows whether a rotation runs already.")
	}
	return &started{begun, raw}, nil
}

// refused names what to do in the words of rotations; inConflict is for what stands
// in the way.
func (rotationSet) refused(err error, inConflict string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fixes{authz.CodeNotFound: fixOfSets, authz.CodeConflict: inConflict}.of(err)
}
