package credentials

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// RotationStatus is how far the rotation of a set is.
func (s *Service) RotationStatus(_ context.Context, set string) (authz.RotationView, error) {
	view, err := s.config.Store.View()
	if err != nil {
		return authz.RotationView{}, err
	}
	defer view.Close()
	state, err := s.state(view, set, "")
	if err != nil {
		return authz.RotationView{}, err
	}
	return at(rotation.Look(state), s.config.Store.Revision()), nil
}

// at is a rotation as it was read or made at a data revision.
func at(view authz.RotationView, revision uint64) authz.RotationView {
	view.Revision = revision
	return view
}

// CheckIdle is a conflict while a rotation of a set runs: without the set its
// next step could not be taken, nor could it be aborted.
func (s *Service) CheckIdle(set string) error {
	view, err := s.config.Store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	last, err := lastRotation(view, set)
	if err != nil || last == nil || !last.Running() {
		return err
	}
	return authz.Errorf(authz.CodeConflict, "a rotation of %s is running, in phase %s; let it end or abort it first", set, last.Phase)
}

// StartRotation makes the new generation of every member and answers the secrets
// of a set of shared secrets, by machine user: one for all when the set shares it.
// Advance says who takes the further steps: authz.AdvanceAuto, which "" means too, or
// authz.AdvanceManual. CodeConflict when a member is no machine user, or rotates in
// another set.
func (s *Service) StartRotation(ctx context.Context, set, by, advance string, material map[string]authz.RotationMaterial) (authz.RotationView, map[string]string, error) {
	advance = cmp.Or(advance, authz.AdvanceAuto)
	if advance != authz.AdvanceAuto && advance != authz.AdvanceManual {
		return authz.RotationView{}, nil, authz.Invalid("advance", "must be "+authz.AdvanceAuto+" or "+authz.AdvanceManual)
	}
	var secrets map[string]string
	progress, err := s.step(ctx, set, by, func(view View, state rotation.State) (rotation.Plan, error) {
		if err := s.checkMembers(ctx, view, state.Set); err != nil {
			return rotation.Plan{}, err
		}
		issuing := &issuing{service: s, set: state.Set, material: material, secrets: map[string]string{}}
		secrets = issuing.secrets
		if err := issuing.check(); err != nil {
			return rotation.Plan{}, err
		}
		plan, err := rotation.Start(state, advance, issuing.issue)
		if err != nil {
			return rotation.Plan{}, err
		}
		return plan, s.checkNew(plan)
	})
	if err != nil {
		return authz.RotationView{}, nil, err
	}
	return progress, secrets, nil
}

// checkNew checks the credentials that a plan makes.
func (s *Service) checkNew(plan rotation.Plan) error {
	for _, put := range plan.Put {
		c, ok := put.(*authz.Credential)
		if !ok || c.Revision > 0 {
			continue
		}
		if err := s.config.Check(c); err != nil {
			return inMember(c.MachineUser, err)
		}
	}
	return nil
}

// inMember says whose credential an error is about.
func inMember(machineUser string, err error) error {
	var fault *authz.Error
	if !errors.As(err, &fault) {
		return err
	}
	named := *fault
	named.Field = "members." + machineUser
	if fault.Field != "" {
		named.Field += "." + fault.Field
	}
	return &named
}

// checkMembers refuses a member that does not exist, or whose credentials of the
// kind another set is rotating: each would end what the other goes back to. Should
// both start at once, they make credentials of one id, and one starts over.
func (s *Service) checkMembers(ctx context.Context, view View, set *authz.RotationSet) error {
	for _, member := range set.Members {
		if _, err := view.Entity(authz.MachineUsers, member); err != nil {
			return memberError(member, err)
		}
	}
	running, err := s.running(ctx)
	if err != nil {
		return err
	}
	for _, other := range running {
		if err := checkOther(set, other); err != nil {
			return err
		}
	}
	return nil
}

// running are the rotations that have not ended, of every set.
func (s *Service) running(ctx context.Context) (running []*authz.Rotation, err error) {
	for _, phase := range []string{authz.PhasePropagate, authz.PhaseDrain} {
		in, err := s.config.Store.List(ctx, authz.Rotations, "phase", phase)
		if err != nil {
			return nil, err
		}
		for _, entity := range in {
			running = append(running, entity.(*authz.Rotation))
		}
	}
	return running, nil
}

// RunningRotations are the sets whose rotations have not ended and go on by themselves.
func (s *Service) RunningRotations(ctx context.Context) (sets []string, err error) {
	running, err := s.running(ctx)
	for _, r := range running {
		if r.Advance == authz.AdvanceAuto {
			sets = append(sets, r.ID)
		}
	}
	return sets, err
}

func memberError(member string, err error) error {
	if authz.CodeOf(err) != authz.CodeNotFound {
		return err
	}
	return authz.Errorf(authz.CodeConflict, "the set names %s, which is no machine user; register it, or take it out of the set", member)
}

func checkOther(set *authz.RotationSet, running *authz.Rotation) error {
	if running.ID == set.ID || running.Kind != set.Kind {
		return nil
	}
	for _, m := range running.Members {
		if slices.Contains(set.Members, m.MachineUser) {
			return authz.Errorf(authz.CodeConflict, "%s is in a rotation of %s, which is running, in phase %s; let it end or abort it first", m.MachineUser, running.ID, running.Phase)
		}
	}
	return nil
}

// rotationSteps are the steps StepRotation takes, by the name of their action.
var rotationSteps = map[string]func(rotation.State) (rotation.Plan, error){
	authz.RotationAdvance:   rotation.Advance,
	authz.RotationForce:     rotation.Force,
	authz.RotationAbort:     rotation.Abort,
	authz.RotationEmergency: rotation.Emergency,
}

// StepRotation takes one step of a rotation: one of the authz.Rotation actions but
// start. CodeConflict, naming who is waited for, when it has no evidence yet; and, of
// an advance or a force, when the rotation is not in phase, which "" leaves open: two
// that ask for the same step take one, however their writes fall.
func (s *Service) StepRotation(ctx context.Context, set, by, action, phase string) (authz.RotationView, error) {
	take, ok := rotationSteps[action]
	if !ok {
		return authz.RotationView{}, authz.Invalid("action", "is no step of a rotation")
	}
	return s.step(ctx, set, by, func(_ View, state rotation.State) (rotation.Plan, error) {
		if action != authz.RotationAdvance && action != authz.RotationForce {
			return take(state)
		}
		if phase == "" && state.Rotation != nil {
			phase = state.Rotation.Phase // and the same, should the write lose a race
		}
		if state.Rotation != nil && state.Rotation.Running() && state.Rotation.Phase != phase {
			return rotation.Plan{}, authz.Errorf(authz.CodeConflict, "the rotation of %s is in phase %s, and not in %s any more: nothing was done", set, state.Rotation.Phase, phase)
		}
		return take(state)
	})
}

// step answers from what it wrote: once that is durable nothing is read that could
// fail, and lose the secrets it made.
func (s *Service) step(ctx context.Context, set, by string, take func(View, rotation.State) (rotation.Plan, error)) (authz.RotationView, error) {
	var state rotation.State
	var plan rotation.Plan
	revision, err := s.write(ctx, func(view View) (_ []authz.Entity, err error) {
		if state, err = s.state(view, set, by); err != nil {
			return nil, err
		}
		plan, err = take(view, state)
		return plan.Put, err
	})
	if err != nil {
		return authz.RotationView{}, err
	}
	return at(rotation.Look(state.After(plan)), revision), nil
}

// state reads what a step of a set is computed from. A member that is no machine
// user any more has what credentials are left of it.
func (s *Service) state(view View, id, by string) (rotation.State, error) {
	entity, err := view.Entity(authz.RotationSets, id)
	if err != nil {
		return rotation.State{}, err
	}
	last, err := lastRotation(view, id)
	if err != nil {
		return rotation.State{}, err
	}
	state := rotation.State{
		Set:         entity.(*authz.RotationSet),
		Rotation:    last,
		Credentials: map[string][]*authz.Credential{},
		LastUse:     s.config.LastUse,
		UsesKnown:   s.config.UsesKnown, StoredWithin: s.config.StoredWithin,
		Exists: takenIn(view), Now: s.config.Now().UTC(), By: by,
	}
	for _, member := range rotation.Members(state.Set, state.Rotation) {
		if state.Credentials[member], err = view.CredentialsOf(member); err != nil {
			return rotation.State{}, err
		}
	}
	return state, nil
}

// lastRotation is the running rotation of a set, or else the last; nil before the
// first.
func lastRotation(view View, set string) (*authz.Rotation, error) {
	entity, err := view.Entity(authz.Rotations, set)
	switch authz.CodeOf(err) {
	case "":
		return entity.(*authz.Rotation), nil
	case authz.CodeNotFound:
		return nil, nil
	}
	return nil, err
}

// issuing makes the new credentials of one start.
type issuing struct {
	service  *Service
	set      *authz.RotationSet
	material map[string]authz.RotationMaterial
	secrets  map[string]string // :: machine user -> its new secret
	shared   string            // the one secret of a set that shares it, once made
}

// check refuses material that the set has no use for.
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

func hasMaterial(m authz.RotationMaterial) bool {
	return len(m.Keys) > 0 || len(m.Names) > 0 || m.Issuer != ""
}

func (i *issuing) issue(member string) (*authz.Credential, error) {
	given := i.material[member]
	made := &authz.Credential{NotAfter: given.NotAfter, Keys: given.Keys, Issuer: given.Issuer, Names: given.Names}
	if i.set.Kind != authz.KindSharedSecret {
		return made, nil
	}
	text := i.shared
	if text == "" {
		text = i.service.config.NewSecret()
	}
	if i.set.Shared {
		i.shared = text
	}
	made.SecretHash, i.secrets[member] = i.service.config.HashSecret(text), text
	return made, nil
}
