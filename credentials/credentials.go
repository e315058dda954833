package credentials

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/rotation"
)

// View is one frozen view of the data. Whoever opened it closes it.
type View interface {
	authz.Directory
	// Entity reads one entity as a value the caller may change. CodeNotFound when
	// there is none.
	Entity(c authz.Collection, key string) (authz.Entity, error)
	Close()
}

// Put is one entity of a write.
type Put struct {
	Entity authz.Entity
	// AtRevision is what the stored entity must still be at; 0 when there must be
	// none. Any takes whatever is there.
	AtRevision uint64
	Any        bool
}

// Store reads and writes entities.
type Store interface {
	View() (View, error)
	// Write makes one write of all puts, durably, and gives its data revision.
	// CodePrecondition when one of them is not at its revision any more. The
	// entities come to show what was stored.
	Write(ctx context.Context, puts []Put) (revision uint64, err error)
	Revision() uint64
}

// Config is what a Keeper works with. Every field is required.
type Config struct {
	Store Store
	// LastUse is when a credential was last used as far as this process knows, which
	// may be fresher than what is stored; the zero time when it does not.
	LastUse func(credential string) (at time.Time, from string)
	// Token verifies a token somebody names by sending it whole. It is an error when
	// it does not verify.
	Token func(ctx context.Context, text string) (*authz.Token, error)
	// NewSecret makes a secret, HashSecret the hash that is kept of it.
	NewSecret  func() string
	HashSecret func(secret string) (string, error)
	Now        func() time.Time
}

// Keeper acts on credentials. It is safe for concurrent use.
type Keeper struct {
	config Config
}

// New makes a Keeper.
func New(config Config) *Keeper { return &Keeper{config: config} }

// Written is an entity as it was stored, and the data revision of its write.
type Written struct {
	Entity   authz.Entity
	Created  bool
	Revision uint64
}

// attempts is how often a write that lost a race is computed anew.
const attempts = 8

// write computes puts from a view and writes them, again while another write
// came in between.
func (k *Keeper) write(ctx context.Context, plan func(View) ([]Put, error)) (revision uint64, err error) {
	for range attempts {
		revision, err = k.try(ctx, plan)
		if authz.CodeOf(err) != authz.CodePrecondition || ctx.Err() != nil {
			return revision, err
		}
	}
	return 0, &authz.Error{Code: authz.CodeUnavailable, Message: "other writes kept coming in between; try again", Cause: err}
}

func (k *Keeper) try(ctx context.Context, plan func(View) ([]Put, error)) (uint64, error) {
	view, err := k.config.Store.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	puts, err := plan(view)
	if err != nil {
		return 0, err
	}
	return k.config.Store.Write(ctx, puts)
}

// maxAccepted is how many generations of a shared secret a machine user may have
// at a time: the old one and the new one.
const maxAccepted = 2

// NewSecret makes a new generation of a machine user's shared secret, active at
// once beside the one before. Its id is derived when id is empty. CodeNotFound
// when there is no such machine user, CodeConflict when two generations are
// accepted already.
func (k *Keeper) NewSecret(ctx context.Context, machineUser, id string, notAfter time.Time) (Written, string, error) {
	text := k.config.NewSecret()
	hash, err := k.config.HashSecret(text)
	if err != nil {
		return Written{}, "", err
	}
	var made *authz.Credential
	revision, err := k.write(ctx, func(view View) ([]Put, error) {
		made, err = k.nextSecret(view, machineUser)
		if err != nil {
			return nil, err
		}
		made.SecretHash, made.NotAfter = hash, notAfter
		if id != "" {
			made.ID = id
		}
		if _, taken, err := view.Credential(made.ID); err != nil || taken {
			return nil, orConflict(err, made.ID)
		}
		return []Put{{Entity: made}}, nil
	})
	if err != nil {
		return Written{}, "", err
	}
	return Written{Entity: made, Created: true, Revision: revision}, text, nil
}

func orConflict(err error, id string) error {
	if err != nil {
		return err
	}
	return &authz.Error{Code: authz.CodeConflict, Field: "id", Message: "is " + id + ", which another credential has; leave it out to have one made"}
}

// nextSecret is the generation after a machine user's last, without its hash.
func (k *Keeper) nextSecret(view View, machineUser string) (*authz.Credential, error) {
	if _, err := view.Entity(authz.MachineUsers, machineUser); err != nil {
		return nil, err
	}
	held, err := view.CredentialsOf(machineUser)
	if err != nil {
		return nil, err
	}
	generation, accepted := 0, 0
	for _, c := range held {
		if c.Kind != authz.KindSharedSecret {
			continue
		}
		generation = max(generation, c.Generation)
		if c.Accepted() && !k.over(c) {
			accepted++
		}
	}
	if accepted >= maxAccepted {
		return nil, authz.Errorf(authz.CodeConflict, "%s has %d secrets that are accepted already; revoke the one it does not use, or rotate them as a set", machineUser, accepted)
	}
	generation++
	return &authz.Credential{
		Header:      authz.Header{ID: rotation.CredentialID(machineUser, authz.KindSharedSecret, generation)},
		MachineUser: machineUser,
		Kind:        authz.KindSharedSecret,
		Generation:  generation,
		State:       authz.CredentialActive,
	}, nil
}

func (k *Keeper) over(c *authz.Credential) bool {
	return !c.NotAfter.IsZero() && !k.config.Now().Before(c.NotAfter)
}
