package token

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Secrets compares client secrets with the hashes of credentials, and limits how many
// may be guessed.
type Secrets interface {
	// CheckSecret returns the index of the candidate that the secret matches. For an
	// unknown client it is called without candidates, and must take as long then. source
	// is who presents the secret and from where. The errors, which may be wrapped, are
	// authz.ErrSecretMismatch, authz.ErrSecretThrottled and authz.ErrSecretBusy.
	CheckSecret(ctx context.Context, clientID, source, secret string, candidates []authz.SecretCandidate) (int, error)
}

// maxAcceptedSecrets is how many secrets of a client one attempt is compared with,
// apart from one that would be denied anyway. Each of them costs a run of the hash
// function for a wrong guess, too.
const maxAcceptedSecrets = 4

// checkSecret verifies a client secret and finds the machine user it belongs to.
func (v *Verifier) checkSecret(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	clientID := p.Evidence.ClientID
	if clientID == "" {
		return proven{}, missing("no_client_id", "The secret comes without the id of whose it is.", "Send credential.client_id: the machine user's id.")
	}
	if v.secrets == nil {
		return proven{}, secretMismatch()
	}
	all, err := p.Directory.CredentialsOf(clientID)
	if err != nil {
		return proven{}, v.lookupFault(ctx, causeCredentialLookup, err)
	}
	credentials := withSecrets(all, clientID, p.Now)
	candidates := make([]authz.SecretCandidate, len(credentials))
	for i, c := range credentials {
		candidates[i] = authz.SecretCandidate{ID: c.ID, Version: uint64(c.Generation), Hash: c.SecretHash, Spent: !c.AcceptedAt(p.Now)}
	}
	match, err := v.secrets.CheckSecret(ctx, clientID, secretSource(p), p.Evidence.ClientSecret, candidates)
	if err != nil {
		return proven{}, v.secretFault(ctx, err)
	}
	if match < 0 || match >= len(credentials) {
		return proven{}, secretMismatch()
	}
	return proven{
		Principal:  authz.Principal{Subject: clientID, Evidence: authz.EvidenceSecret, Freshness: authz.Fresh},
		credential: credentials[match],
	}, nil
}

// withSecrets returns the credentials that a secret of the client may belong to: those
// accepted now, then those that will be, newest generation first as the directory has
// them. Then comes the newest of those that are no longer accepted, so that the denial
// of a secret that was just replaced can say so.
func withSecrets(all []*authz.Credential, clientID string, now time.Time) []*authz.Credential {
	var accepted, early, over []*authz.Credential
	for _, c := range all {
		switch {
		case c.Kind != authz.KindSharedSecret || c.SecretHash == "" || c.MachineUser != clientID:
		case c.AcceptedAt(now):
			accepted = append(accepted, c)
		case c.Accepted() && !c.OverAt(now):
			early = append(early, c)
		case len(over) == 0:
			over = append(over, c)
		}
	}
	listed := append(accepted, early...)
	return append(listed[:min(len(listed), maxAcceptedSecrets)], over...)
}

// secretSource returns the source that guesses are counted for. IPv6 addresses are cut
// to their /64, because a client has all of it.
func secretSource(p *authz.Presentation) string {
	source := p.Source
	if address, err := netip.ParseAddr(source); err == nil && address.Is6() && !address.Is4In6() {
		source = netip.PrefixFrom(address.WithZone(""), 64).Masked().String()
	}
	return p.Caller + "|" + source
}

func (v *Verifier) secretFault(ctx context.Context, err error) *authz.Fault {
	limited := func(cause, message string) *authz.Fault {
		return &authz.Fault{Code: authz.RateLimited, Cause: cause, Message: message, Fix: "Retry later, with the right secret."}
	}
	switch {
	case errors.Is(err, authz.ErrSecretThrottled):
		return limited("secret_throttled", "Too many wrong secrets were sent for this client from this source.")
	case errors.Is(err, authz.ErrSecretBusy):
		return limited("secret_busy", "Too many secrets are being compared just now.")
	case !errors.Is(err, authz.ErrSecretMismatch):
		v.log.ErrorContext(ctx, "client secret cannot be compared", "error", err)
	}
	return secretMismatch()
}

// secretMismatch returns the same fault for a wrong secret and an unknown client, so
// that an attacker cannot tell them apart.
func secretMismatch() *authz.Fault {
	return unknown("secret_mismatch", "The client id and secret are of no registered credential.", "Send the machine user's id and its current secret.")
}
