package credentials

import (
	"context"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Revoke puts an entry on the revocation list. It stops what the one of its name
// stopped, too, and what is written says what it came to. A token given whole, when
// text is not empty, names what the entry is of and when it may end. A credential
// revoked without a time limit is put in the state revoked too, so that it is never
// accepted again. CodeNotFound when there is no such credential, subject, tenant or
// issuer: a revocation that stops nothing would look as if it did.
func (s *Service) Revoke(ctx context.Context, r *authz.Revocation, text string) (authz.Written, error) {
	if err := s.name(ctx, &r.Listed, &r.Until, text); err != nil {
		return authz.Written{}, err
	}
	forGood := r.By == authz.ByCredential && r.IssuedBefore.IsZero() && r.Until.IsZero()
	return s.list(ctx, r, func(view View) (authz.Entity, bool, []authz.Entity, error) {
		entry := *r
		created, err := merge(view, &entry, s.config.Now())
		if err != nil || !forGood {
			return &entry, created, nil, err
		}
		c, err := view.Entity(authz.Credentials, r.Of)
		if err != nil {
			return nil, false, nil, err
		}
		return &entry, created, revoked([]authz.Entity{c}), nil
	})
}

// Renew puts an entry on the renewal list: likewise, it has all tokens renewed that
// the one of its name had, and no later.
func (s *Service) Renew(ctx context.Context, r *authz.Renewal, text string) (authz.Written, error) {
	if err := s.name(ctx, &r.Listed, &r.Until, text); err != nil {
		return authz.Written{}, err
	}
	return s.list(ctx, r, func(view View) (authz.Entity, bool, []authz.Entity, error) {
		entry := *r
		created, err := merge(view, &entry, s.config.Now())
		return &entry, created, nil, err
	})
}

// name has a token given whole, when text is not empty, say which one an entry is of
// and, unless the caller has, when it ends: when the token does, or, of one that says
// not when, once no token lives any more.
func (s *Service) name(ctx context.Context, l *authz.Listed, until *time.Time, text string) error {
	if text == "" {
		return nil
	}
	token, err := s.config.Token(ctx, text)
	if err != nil {
		return err
	}
	l.Of = token.ID
	switch {
	case !until.IsZero():
	case token.ExpiresAt.IsZero():
		*until = s.config.Now().UTC().Add(authz.LongestTokenLife)
	default:
		*until = token.ExpiresAt.Add(token.Leeway)
	}
	return nil
}

// list writes an entry of a list, made from what is there, with what goes with it.
func (s *Service) list(ctx context.Context, asked authz.Entity, entry func(View) (e authz.Entity, created bool, with []authz.Entity, err error)) (authz.Written, error) {
	asked.Normalize()
	if err := asked.Validate(); err != nil {
		return authz.Written{}, err
	}
	var written authz.Written
	revision, err := s.write(ctx, func(view View) ([]authz.Entity, error) {
		if err := exists(view, listedOf(asked)); err != nil {
			return nil, err
		}
		e, created, with, err := entry(view)
		written.Entity, written.Created = e, created
		return append(with, e), err
	})
	if err != nil {
		return authz.Written{}, err
	}
	written.Revision = revision
	return written, nil
}

// growing is an entry of a list: *authz.Revocation, *authz.Renewal.
type growing[E any] interface {
	authz.Entity
	AtLeast(was E)
}

// merge has e replace the entry of its name that is there, no weaker than it is
// unless that has ended. When there is none it is created.
func merge[E growing[E]](view View, e E, now time.Time) (created bool, err error) {
	was, err := view.Entity(e.Collection(), e.Head().ID)
	switch authz.CodeOf(err) {
	case "":
	case authz.CodeNotFound:
		return true, nil
	default:
		return false, err
	}
	*e.Head() = *was.Head()
	if until := was.Expires(); until.IsZero() || now.Before(until) {
		e.AtLeast(was.(E))
	}
	return false, nil
}

func listedOf(entry authz.Entity) authz.Listed {
	switch e := entry.(type) {
	case *authz.Revocation:
		return e.Listed
	case *authz.Renewal:
		return e.Listed
	}
	return authz.Listed{}
}

// exists looks for what an entry is of, where that is an entity.
func exists(view View, l authz.Listed) error {
	var c authz.Collection
	switch l.By {
	case authz.ByCredential:
		c = authz.Credentials
	case authz.BySubject:
		c = authz.MachineUsers
	case authz.ByTenant:
		c = authz.Tenants
	case authz.ByIssuer:
		c = authz.Issuers
	default:
		return checkIssuer(view, l)
	}
	_, err := view.Entity(c, l.Of)
	return err
}

// CheckListed refuses an entry of a list that names a token or a key by an issuer
// that is not registered: it would stop nothing, and look as if it did.
func CheckListed(directory authz.Directory, entry authz.Entity) error {
	return checkIssuer(directory, listedOf(entry))
}

func checkIssuer(directory authz.Directory, l authz.Listed) error {
	if l.Issuer == "" || l.By == authz.ByCertificate {
		return nil
	}
	_, known, err := directory.IssuerByURL(l.Issuer)
	if err != nil || known {
		return err
	}
	return authz.Invalid("issuer", "is not the url of a registered issuer; write the url exactly as the issuer's tokens have it in iss")
}
