package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// federated finds the credential of the machine user an issuer calls name.
func (v *Verifier) federated(ctx context.Context, p *authz.Presentation, issuer *authz.Issuer, name string) (*authz.Credential, *authz.Fault) {
	named, err := p.Directory.CredentialsNamed(name)
	if err != nil {
		return nil, v.lookupFault(ctx, causeCredentialLookup, err)
	}
	named = slices.DeleteFunc(slices.Clone(named), func(c *authz.Credential) bool {
		return c.Kind != authz.KindFederated || c.Issuer != issuer.ID || !slices.Contains(c.Names, name)
	})
	if len(named) == 0 {
		return nil, unknown("federated_unknown", "The token's subject is the name of no registered federated credential of its issuer.",
			"Register a credential of kind federated with the issuer's id and this name.")
	}
	return choose(named, p.Now)
}

// causeCertificateUnknown: a good certificate of nobody who is registered.
const causeCertificateUnknown = "certificate_unknown"

func certificateUnknown() *authz.Fault {
	return unknown(causeCertificateUnknown, "The certificate's names are those of no registered certificate credential.",
		"Register a credential of kind certificate with the issuer's id and one of the certificate's names.")
}

// certified finds the credential of the machine user a verified certificate is
// of, and the name it was found by.
func (v *Verifier) certified(ctx context.Context, p *authz.Presentation, of *peer) (*authz.Credential, string, *authz.Fault) {
	var found []*authz.Credential
	for _, name := range of.names {
		named, err := p.Directory.CredentialsNamed(name)
		if err != nil {
			return nil, "", v.lookupFault(ctx, causeCredentialLookup, err)
		}
		for _, c := range named {
			if c.Kind == authz.KindCertificate && slices.Contains(c.Names, name) && of.speaksFor(c, name) {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		return nil, "", certificateUnknown()
	}
	credential, fault := choose(found, p.Now)
	if fault != nil {
		return nil, "", fault
	}
	at := slices.IndexFunc(of.names, func(name string) bool {
		return slices.Contains(credential.Names, name) && of.speaksFor(credential, name)
	})
	return credential, of.names[at], nil
}

// thumbprinted finds the credential that is registered for one certificate, whoever
// issued it; nil when none is.
func (v *Verifier) thumbprinted(ctx context.Context, p *authz.Presentation, thumbprint string) (*authz.Credential, *authz.Fault) {
	name := authz.NameThumbprint + thumbprint
	named, err := p.Directory.CredentialsNamed(name)
	if err != nil {
		return nil, v.lookupFault(ctx, causeCredentialLookup, err)
	}
	named = slices.DeleteFunc(slices.Clone(named), func(c *authz.Credential) bool {
		return c.Kind != authz.KindCertificate || !slices.Contains(c.Names, name)
	})
	if len(named) == 0 {
		return nil, nil
	}
	return choose(named, p.Now)
}

// speaksFor says whether name means c in a certificate of p's issuer: a thumbprint
// names one certificate whoever issued it.
func (p *peer) speaksFor(c *authz.Credential, name string) bool {
	return c.Issuer == p.issuer || c.Issuer == "" && strings.HasPrefix(name, authz.NameThumbprint)
}

// choose picks of the credentials found by a name the one that is judged: one that is
// accepted now before the others, then one that is accepted at another time, then the
// newest generation, then the first id. There is at least one, and all must be of one
// machine user.
func choose(found []*authz.Credential, now time.Time) (*authz.Credential, *authz.Fault) {
	best := found[0]
	for _, c := range found[1:] {
		if c.MachineUser != best.MachineUser {
			return nil, unknown("ambiguous", "The name is registered for more than one machine user.", "Take the name off the credentials of all machine users but one.")
		}
		if better(c, best, now) {
			best = c
		}
	}
	return best, nil
}

func better(c, than *authz.Credential, now time.Time) bool {
	switch {
	case c.AcceptedAt(now) != than.AcceptedAt(now):
		return c.AcceptedAt(now)
	case c.Accepted() != than.Accepted():
		return c.Accepted()
	case c.Generation != than.Generation:
		return c.Generation > than.Generation
	}
	return c.ID < than.ID
}

// resolve finds the registered credential a token says it was got with. Of our own
// issuers it must be registered. A third party may name credentials of its own there,
// which we do not know, and it has no word on ours: that a machine user holds a secret,
// a key or a certificate is proved to us alone, so naming one that is accepted says
// nothing. One that is not is judged whoever names it.
func (v *Verifier) resolve(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
	if x.credential != nil || x.Token == nil || x.Token.Credential == "" {
		return nil
	}
	credential, ok, err := p.Directory.Credential(x.Token.Credential)
	switch {
	case err != nil:
		return v.lookupFault(ctx, causeCredentialLookup, err)
	case !ok && x.Token.Own:
		return unknown("credential_removed", "The token was got with a credential that is no longer registered.", fixNewToken)
	case !ok:
		return nil
	case credential.MachineUser != x.Subject:
		return unknown("credential_subject", "The token was got with a credential of another machine user.", fixNewToken)
	case !x.Token.Own && !provedElsewhere(credential, x.Token.Issuer) && credential.AcceptedAt(p.Now):
		return nil
	}
	x.credential = credential
	return nil
}

// provedElsewhere says whether a credential may be proved to an issuer rather than to
// us: it is registered for that issuer, or with nothing that we could verify.
func provedElsewhere(c *authz.Credential, issuer string) bool {
	return c.Issuer == issuer || c.SecretHash == "" && len(c.Keys) == 0 && len(c.Names) == 0
}

// judged is the credential policies judge. A certificate beside other evidence
// adds its own when there is no other, or when it is no longer accepted: what one
// dead credential supports must not pass because another is well.
func (x *proven) judged(now time.Time) *authz.Credential {
	if x.companion != nil && (x.credential == nil || !x.companion.AcceptedAt(now)) {
		return x.companion
	}
	return x.credential
}

// proved is what policies see of a credential; nil of none.
func proved(c *authz.Credential) *authz.Proved {
	if c == nil {
		return nil
	}
	made := c.NotBefore
	if made.IsZero() {
		made = c.CreatedAt
	}
	return &authz.Proved{
		ID: c.ID, Type: c.Kind, State: c.State, Generation: c.Generation,
		MadeAt: made, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}
}
