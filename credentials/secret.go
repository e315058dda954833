package credentials

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// maxAccepted is how many generations of a shared secret a machine user may have
// at a time: the old one and the new one.
const maxAccepted = 2

// NewSecret makes a new generation of a machine user's shared secret, active at
// once beside the one before. Its id is derived when id is empty. CodeNotFound
// when there is no such machine user, CodeConflict when two generations are
// accepted already or another credential has the id.
func (s *Service) NewSecret(ctx context.Context, machineUser, id string, notAfter time.Time) (authz.Written, string, error) {
	text := s.config.NewSecret()
	hash := s.config.HashSecret(text)
	var made *authz.Credential
	revision, err := s.write(ctx, func(view View) (_ []authz.Entity, err error) {
		made, err = s.nextSecret(view, machineUser, id)
		if err != nil {
			return nil, err
		}
		made.SecretHash, made.NotAfter = hash, notAfter
		return []authz.Entity{made}, s.config.Check(made)
	})
	if err != nil {
		return authz.Written{}, "", err
	}
	return authz.Written{Entity: made, Created: true, Revision: revision}, text, nil
}

// nextSecret is the generation after a machine user's last, without its hash.
func (s *Service) nextSecret(view View, machineUser, id string) (*authz.Credential, error) {
	if _, err := view.Entity(authz.MachineUsers, machineUser); err != nil {
		return nil, err
	}
	held, err := view.CredentialsOf(machineUser)
	if err != nil {
		return nil, err
	}
	if err := s.checkAccepted(machineUser, held); err != nil {
		return nil, err
	}
	derived, generation, err := rotation.Next(machineUser, authz.KindSharedSecret, held, takenIn(view))
	if err != nil {
		return nil, err
	}
	if id == "" {
		id = derived
	} else if err := free(view, id); err != nil {
		return nil, err
	}
	return &authz.Credential{
		Header:      authz.Header{ID: id},
		MachineUser: machineUser,
		Kind:        authz.KindSharedSecret,
		Generation:  generation,
		State:       authz.CredentialActive,
	}, nil
}

func (s *Service) checkAccepted(machineUser string, held []*authz.Credential) error {
	accepted := 0
	for _, c := range held {
		if c.Kind == authz.KindSharedSecret && c.Accepted() && !c.OverAt(s.config.Now()) {
			accepted++
		}
	}
	if accepted >= maxAccepted {
		return authz.Errorf(authz.CodeConflict, "%s has %d secrets that are accepted already; revoke the one it does not use, or rotate them as a set", machineUser, accepted)
	}
	return nil
}

func free(view View, id string) error {
	taken, err := takenIn(view)(id)
	if err != nil || !taken {
		return err
	}
	return &authz.Error{Code: authz.CodeConflict, Field: "id", Message: "is " + id + ", which another credential has or had; leave it out to have one made"}
}

// takenIn reports whether any credential has an id, or had it: tokens that were got
// with one that is gone must not come to life with another of its id.
func takenIn(view View) func(id string) (bool, error) {
	return func(id string) (bool, error) {
		if _, taken, err := view.Credential(id); err != nil || taken {
			return taken, err
		}
		_, err := view.Entity(authz.Revocations, authz.PairKey(authz.ByCredential, id))
		if authz.CodeOf(err) == authz.CodeNotFound {
			return false, nil
		}
		return err == nil, err
	}
}
