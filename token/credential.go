package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// federatedCredential returns the credential of the machine user that an issuer calls
// name.
func (v *Verifier) federatedCredential(ctx context.Context, p *authz.Presentation, issuer *authz.Issuer, name string) (*authz.Credential, *authz.Fault) {
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
	return chooseCredential(named, p.Now)
}

// causeCertificateUnknown is the cause if a verified certificate is not registered.
const causeCertificateUnknown = "certificate_unknown"

func certificateUnknown() *authz.Fault {
	return unknown(causeCertificateUnknown, "The certificate's names are those of no registered certificate credential.",
		"Register a credential of kind certificate with the issuer's id and one of the certificate's names.")
}

// certificateCredential returns the credential of a verified certificate, and the name
// it was found by.
func (v *Verifier) certificateCredential(ctx context.Context, p *authz.Presentation, of *peer) (*authz.Credential, string, *authz.Fault) {
	var found []*authz.Credential
	for _, name := range of.names {
		named, err := p.Directory.CredentialsNamed(name)
		if err != nil {
			return nil, "", v.lookupFault(ctx, causeCredentialLookup, err)
		}
		for _, c := range named {
			if c.Kind == authz.KindCertificate && slices.Contains(c.Names, name) && of.matches(c, name) {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		return nil, "", certificateUnknown()
	}
	credential, fault := chooseCredential(found, p.Now)
	if fault != nil {
		return nil, "", fault
	}
	at := slices.IndexFunc(of.names, func(name string) bool {
		return slices.Contains(credential.Names, name) && of.matches(credential, name)
	})
	return credential, of.names[at], nil
}

// thumbprintCredential returns the credential that is registered for one certificate,
// whichever issuer it has, or nil.
func (v *Verifier) thumbprintCredential(ctx context.Context, p *authz.Presentation, thumbprint string) (*authz.Credential, *authz.Fault) {
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
	return chooseCredential(named, p.Now)
}

// matches reports whether a name that c has means p: c must be for p's issuer. A
// thumbprint means one certificate, whichever issuer it has.
func (p *peer) matches(c *authz.Credential, name string) bool {
	return c.Issuer == p.issuer || c.Issuer == "" && strings.HasPrefix(name, authz.NameThumbprint)
}

// chooseCredential returns the credential that policies judge, of those found by a
// name: first one that is accepted now, then one that is accepted at another time, then
// the newest generation, then the first id. There is at least one, and all must belong
// to one machine user.
func chooseCredential(found []*authz.Credential, now time.Time) (*authz.Credential, *authz.Fault) {
	best := found[0]
	for _, c := range found[1:] {
		if c.MachineUser != best.MachineUser {
			return nil, unknown("ambiguous", "The name is registered for more than one machine user.", "Take the name off the credentials of all machine users but one.")
		}
		if preferred(c, best, now) {
			best = c
		}
	}
	return best, nil
}

// preferred reports whether c comes before than.
func preferred(c, than *authz.Credential, now time.Time) bool {
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

// addCredential adds the registered credential that a token says it was issued for. For
// our own issuers it must be registered. A third party may name its own credentials
// there, which we do not know. Its tokens prove none of ours: that a machine user holds
// a secret, a key or a certificate is proved to us only, so naming an accepted one says
// nothing. One that is not accepted is judged, whichever issuer names it.
func (v *Verifier) addCredential(ctx context.Context, p *authz.Presentation, x *proven) *authz.Fault {
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
	case !x.Token.Own && !mayBeProvedTo(credential, x.Token.Issuer) && credential.AcceptedAt(p.Now):
		return nil
	}
	x.credential = credential
	return nil
}

// mayBeProvedTo reports whether a credential may be proved to an issuer rather than to
// us: it is registered for that issuer, or with nothing that we could verify.
func mayBeProvedTo(c *authz.Credential, issuer string) bool {
	return c.Issuer == issuer || c.SecretHash == "" && len(c.Keys) == 0 && len(c.Names) == 0
}

// judgedCredential returns the credential that policies judge. The companion is judged
// if there is no other, or if it is not accepted: a good credential must not hide a
// revoked one beside it.
func (x *proven) judgedCredential(now time.Time) *authz.Credential {
	if x.companion != nil && (x.credential == nil || !x.companion.AcceptedAt(now)) {
		return x.companion
	}
	return x.credential
}

// provedCredential returns what policies see of a credential, or nil.
func provedCredential(c *authz.Credential) *authz.Proved {
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
