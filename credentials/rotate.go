package credentials

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// Progress is how far a rotation is after a step, and the data revision of it.
type Progress struct {
	rotation.View
	Revision uint64
}

// RotationStatus says how far the rotation of a set is.
func (k *Keeper) RotationStatus(_ context.Context, set string) (Progress, error) {
	view, err := k.config.Store.View()
	if err != nil {
		return Progress{}, err
	}
	defer view.Close()
	state, err := k.state(view, set, "")
	if err != nil {
		return Progress{}, err
	}
	return Progress{View: rotation.Look(state), Revision: k.config.Store.Revision()}, nil
}

// Material is what a member's new credential is known by, when it is no secret;
// see authz.Credential for the fields.
type Material struct {
	Keys     json.RawMessage
	Issuer   string
	Names    []string
	NotAfter time.Time
}

// StartRotation makes the new generation of every member and answers the secrets
// of a set of shared secrets, by machine user: one for all when the set shares it.
func (k *Keeper) StartRotation(ctx context.Context, set, by string, material map[string]Material) (Progress, map[string]string, error) {
	var secrets map[string]string
	progress, err := k.step(ctx, set, by, func(s rotation.State) (rotation.Plan, error) {
		issuing := &issuing{keeper: k, set: s.Set, material: material, secrets: map[string]string{}}
		secrets = issuing.secrets
		if err := issuing.check(); err != nil {
			return rotation.Plan{}, err
		}
		return rotation.Start(s, issuing.issue)
	})
	if err != nil {
		return Progress{}, nil, err
	}
	return progress, secrets, nil
}

// StepRotation takes one step of a rotation: one of the functions of the rotation
// room.
func (k *Keeper) StepRotation(ctx context.Context, set, by string, take func(rotation.State) (rotation.Plan, error)) (Progress, error) {
	return k.step(ctx, set, by, take)
}

func (k *Keeper) step(ctx context.Context, set, by string, take func(rotation.State) (rotation.Plan, error)) (Progress, error) {
	_, err := k.write(ctx, func(view View) ([]Put, error) {
		state, err := k.state(view, set, by)
		if err != nil {
			return nil, err
		}
		plan, err := take(state)
		return puts(plan), err
	})
	if err != nil {
		return Progress{}, err
	}
	return k.RotationStatus(ctx, set)
}

func puts(plan rotation.Plan) []Put {
	all := make([]Put, len(plan.Put))
	for i, entity := range plan.Put {
		all[i] = Put{Entity: entity, AtRevision: entity.Head().Revision}
	}
	return all
}

// state reads what a step of a set is computed from.
func (k *Keeper) state(view View, id, by string) (rotation.State, error) {
	entity, err := view.Entity(authz.RotationSets, id)
	if err != nil {
		return rotation.State{}, err
	}
	state := rotation.State{
		Set:         entity.(*authz.RotationSet),
		Credentials: map[string][]*authz.Credential{},
		LastUse:     k.config.LastUse,
		Exists: func(credential string) bool {
			_, taken, err := view.Credential(credential)
			return taken || err != nil
		},
		Now: k.config.Now().UTC(),
		By:  by,
	}
	last, err := view.Entity(authz.Rotations, id)
	switch authz.CodeOf(err) {
	case "":
		state.Rotation = last.(*authz.Rotation)
	case authz.CodeNotFound:
	default:
		return rotation.State{}, err
	}
	for _, member := range rotation.Members(state.Set, state.Rotation) {
		if _, err := view.Entity(authz.MachineUsers, member); err != nil {
			return rotation.State{}, memberError(member, err)
		}
		if state.Credentials[member], err = view.CredentialsOf(member); err != nil {
			return rotation.State{}, err
		}
	}
	return state, nil
}

func memberError(member string, err error) error {
	if authz.CodeOf(err) != authz.CodeNotFound {
		return err
	}
	return authz.Errorf(authz.CodeConflict, "the set names %s, which is no machine user; register it, or take it out of the set", member)
}

// issuing makes the new credentials of one start.
type issuing struct {
	keeper   *Keeper
	set      *authz.RotationSet
	material map[string]Material
	secrets  map[string]string // :: machine user -> its new secret
	shared   string            // the one secret of a set that shares it, once made
}

// check refuses material nobody asked for.
func (i *issuing) check() error {
	for member := range i.material {
		field := "members." + member
		switch {
		case !slices.Contains(i.set.Members, member):
			return authz.Invalid(field, "is no member of the set")
		case i.set.Kind == authz.KindSharedSecret && hasMaterial(i.material[member]):
			return authz.Invalid(field, "brings material, but Verdict makes the secrets of a set of shared secrets")
		}
	}
	return nil
}

func hasMaterial(m Material) bool { return len(m.Keys) > 0 || len(m.Names) > 0 || m.Issuer != "" }

func (i *issuing) issue(member string) (*authz.Credential, error) {
	given := i.material[member]
	made := &authz.Credential{NotAfter: given.NotAfter, Keys: given.Keys, Issuer: given.Issuer, Names: given.Names}
	if i.set.Kind != authz.KindSharedSecret {
		return made, nil
	}
	text := i.shared
	if text == "" {
		text = i.keeper.config.NewSecret()
	}
	if i.set.Shared {
		i.shared = text
	}
	hash, err := i.keeper.config.HashSecret(text)
	if err != nil {
		return nil, err
	}
	made.SecretHash, i.secrets[member] = hash, text
	return made, nil
}
