package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
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
	return begun.rotation(), r.tellStarted(begun)
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
	return begun.rotation(), r.tellSaved(begun, paths)
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

// tellStarted prints the new secrets, the one time they are shown.
func (r *rotate) tellStarted(begun *started) error {
	if r.output == formatJSON {
		return r.print(begun.raw, nil)
	}
	if len(begun.Secrets) == 0 {
		return nil
	}
	if err := r.tellSecrets("NEW SECRET", begun.Secrets); err != nil {
		return err
	}
	const printed = "the new secrets are printed to standard output, and this is the only time they are shown"
	if r.emergency {
		return r.note(printed)
	}
	return r.note(printed + "; the old ones work until they are retired")
}

// tellSaved says which file each new secret is in.
func (r *rotate) tellSaved(begun *started, paths map[string]string) error {
	if r.output == formatJSON {
		document, err := savedDocument(begun.raw, paths)
		if err != nil {
			return err
		}
		return r.print(document, nil)
	}
	return r.tellSecrets("NEW SECRET IS IN", paths)
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

func (r *rotate) tellSecrets(header string, of map[string]string) error {
	if len(of) == 0 {
		return nil
	}
	var rows [][]string
	for _, member := range slices.Sorted(maps.Keys(of)) {
		rows = append(rows, []string{member, of[member]})
	}
	return newTable(r.out, "MACHINE USER", header).page(rows)
}
