package token

import (
	"context"
	"slices"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// federated finds the credential of the machine user an issuer calls name.
func (v *Verifier) federated(ctx context.Context, directory authz.Directory, issuer *authz.Issuer, name string) (*authz.Credential, *authz.Fault) {
	named, err := directory.CredentialsNamed(name)
	if err != nil {
		return nil, v.lookupFault(ctx, causeCredentialLookup, err)
	}
	named = slices.DeleteFunc(slices.Clone(named), func(c *authz.Credential) bool {
		return c.Kind != authz.KindFederated || c.Issuer != issuer.ID || !slices.Contains(c.Names, name)
	})
	return choose(named, "federated_unknown", "The token's subject is the name of no registered federated credential of its issuer.",
		"Register a credential of kind federated with the issuer's id and this name.")
}

// causeCertificateUnknown: a good certificate of nobody who is registered.
const causeCertificateUnknown = "certificate_unknown"

// certified finds the credential of the machine user a verified certificate is
// of, and the name it was found by.
func (v *Verifier) certified(ctx context.Context, directory authz.Directory, p *peer) (*authz.Credential, string, *authz.Fault) {
	var found []*authz.Credential
	for _, name := range p.names {
		named, err := directory.CredentialsNamed(name)
		if err != nil {
			return nil, "", v.lookupFault(ctx, causeCredentialLookup, err)
		}
		for _, c := range named {
			if c.Kind == authz.KindCertificate && slices.Contains(c.Names, name) && p.speaksFor(c, name) {
				found = append(found, c)
			}
		}
	}
	credential, fault := choose(found, causeCertificateUnknown, "The certificate's names are those of no registered certificate credential.",
		"Register a credential of kind certificate with the issuer's id and one of the certificate's names.")
	if fault != nil {
		return nil, "", fault
	}
	at := slices.IndexFunc(p.names, func(name string) bool {
		return slices.Contains(credential.Names, name) && p.speaksFor(credential, name)
	})
	return credential, p.names[at], nil
}

// speaksFor says whether name means c in a certificate of p's issuer: a thumbprint
// names one certificate whoever issued it.
func (p *peer) speaksFor(c *authz.Credential, name string) bool {
	return c.Issuer == p.issuer.ID || c.Issuer == "" && len(name) > len(authz.NameThumbprint) && name[:len(authz.NameThumbprint)] == authz.NameThumbprint
}

// choose picks of the credentials found by a name the one that is judged: an
// accepted one before the others, then the newest generation, then the first id.
// All must be of one machine user.
func choose(found []*authz.Credential, cause, message, fix string) (*authz.Credential, *authz.Fault) {
	if len(found) == 0 {
		return nil, unknown(cause, message, fix)
	}
	best := found[0]
	for _, c := range found[1:] {
		if c.MachineUser != best.MachineUser {
			return nil, unknown("ambiguous", "The name is registered for more than one machine user.", "Take the name off the credentials of all machine users but one.")
		}
		if better(c, best) {
			best = c
		}
	}
	return best, nil
}

func better(c, than *authz.Credential) bool {
	switch {
	case c.Accepted() != than.Accepted():
		return c.Accepted()
	case c.Generation != than.Generation:
		return c.Generation > than.Generation
	}
	return c.ID < than.ID
}

// resolve finds the registered credential a token says it was got with. A third
// party may name credentials of its own there, which we do not know; ours must be
// registered.
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
	}
	x.credential = credential
	return nil
}

// judged is the credential policies judge. A certificate beside other evidence
// adds its own when there is no other, or when it is no longer accepted: what one
// dead credential supports must not pass because another is well.
func (x *proven) judged(now time.Time) *authz.Credential {
	if x.companion != nil && (x.credential == nil || dead(x.companion, now)) {
		return x.companion
	}
	return x.credential
}

func dead(c *authz.Credential, now time.Time) bool {
	return !c.Accepted() || now.Before(c.NotBefore) || !c.NotAfter.IsZero() && !now.Before(c.NotAfter)
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
