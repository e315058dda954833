package tokenservice

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// beat is how often Run looks whether a key is due and publishes the keys there are:
// how late a step may be, how soon one that failed is tried again, and how long the
// issuer entity stays other than it was published.
const beat = time.Minute

// Run makes, publishes and drops keys when they are due, until ctx ends; then it
// returns nil. A step that fails is logged and tried again.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.config.After(beat):
		}
		if err := s.takeDueSteps(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.ErrorContext(ctx, "signing keys are not up to date; tried again in a minute", "error", err)
		}
	}
}

// RotateNow is for signing keys that leaked: it drops them all, next and previous
// ones as well, and signs with a new one from now on. When it returns nil the decision
// path refuses every token issued before. With an error it may still take them; new
// tokens are then signed only once Run, or a call to RotateNow, has published the new
// key.
func (s *Service) RotateNow(ctx context.Context) error {
	s.turning.Lock()
	defer s.turning.Unlock()
	leaked := s.ring.Load().keys
	if err := s.addLocked(true); err != nil {
		return err
	}
	s.config.Log.WarnContext(ctx, "signing keys dropped by emergency rotation", "dropped", len(leaked), "kid", s.ring.Load().newest().signer.KeyID())
	return errors.Join(s.folder().remove(leaked), s.publishLocked(ctx))
}

// takeDueSteps takes every step that is due. Each can be repeated, and none waits for another:
// a crash or an error between two of them is made good by the next call, and a folder
// that takes no key keeps none from being published.
func (s *Service) takeDueSteps(ctx context.Context) error {
	s.turning.Lock()
	defer s.turning.Unlock()
	now := s.config.Now()
	return errors.Join(s.addDueLocked(now), s.dropLocked(ctx, now), s.publishLocked(ctx))
}

// addDueLocked makes the next key when it is time.
func (s *Service) addDueLocked(now time.Time) error {
	if !s.ring.Load().wantsNext(now, s.config.KeyLifetime-s.config.Overlap) {
		return nil
	}
	return s.addLocked(false)
}

// addLocked makes a key, as the newest of the ring or, if it drops those before it, as the
// only one. It cannot sign yet.
func (s *Service) addLocked(dropsEarlier bool) error {
	keys, sequence := []*key(nil), 1
	if old := s.ring.Load(); old != nil {
		keys, sequence = old.keys, old.newest().Sequence+1
	}
	if dropsEarlier {
		keys = nil
	}
	k, err := makeKey(sequence, dropsEarlier)
	if err != nil {
		return err
	}
	if err := s.folder().write(k); err != nil {
		return err
	}
	return s.useLocked(append(slices.Clone(keys), k))
}

// dropLocked deletes the keys that are of no more use.
func (s *Service) dropLocked(ctx context.Context, now time.Time) error {
	old := s.ring.Load()
	outlived := old.outlived(now)
	if len(outlived) == 0 {
		return nil
	}
	if err := s.folder().remove(outlived); err != nil {
		return err
	}
	s.config.Log.InfoContext(ctx, "signing keys retired", "retired", len(outlived))
	return s.useLocked(old.keys[len(outlived):])
}

// publishLocked publishes the ring, also when that was done before: what became of it
// since is not known here. Then it lets a key sign that had to wait for it.
func (s *Service) publishLocked(ctx context.Context) error {
	if err := s.config.Publish(ctx, s.issuer(s.ring.Load().set)); err != nil {
		return err
	}
	s.counters.publishedAt(s.config.Now())
	return s.stampLocked(ctx)
}

// stampLocked gives the newest key, which has just been published, its time to sign.
func (s *Service) stampLocked(ctx context.Context) error {
	keys := slices.Clone(s.ring.Load().keys)
	newest := keys[len(keys)-1]
	if !newest.SignsFrom.IsZero() {
		return nil
	}
	from := s.config.Now()
	if len(keys) > 1 {
		from = from.Add(s.config.Overlap) // and so when the key before it ends, or later
	}
	newest = newest.signingFrom(from)
	if err := s.folder().write(newest); err != nil {
		return err
	}
	keys[len(keys)-1] = newest
	s.config.Log.InfoContext(ctx, "signing key published", "kid", newest.signer.KeyID(), "signs_from", newest.SignsFrom)
	return s.useLocked(keys)
}

// useLocked makes keys the ring.
func (s *Service) useLocked(keys []*key) error {
	r, err := newRing(keys)
	if err != nil {
		return err
	}
	s.ring.Store(r)
	return nil
}

// issuer is the entity that makes the decision path take our tokens.
func (s *Service) issuer(set []byte) *authz.Issuer {
	issuer := &authz.Issuer{
		Header:     authz.Header{ID: s.config.IssuerID},
		URL:        s.config.Issuer,
		Kind:       authz.IssuerJWT,
		Keys:       set,
		Algorithms: []string{algorithm},
		Audiences:  []string{s.config.Service},
		Types:      []string{"at+jwt"},
		Claims:     authz.ClaimMapping{Subject: "client_id"},
		Own:        true,
	}
	issuer.Normalize()
	return issuer
}
