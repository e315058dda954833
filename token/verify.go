package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Verify says who the evidence proves, by the issuers of one frozen view of the
// data. Whatever is wrong with the evidence, the issuer or its keys comes back
// as a Principal with a Fault, which proves nobody. now decides only whether
// fetched keys are fresh, stale or too old.
//
// The lists in the Principal's Token are shared and must not be changed;
// appending to them is safe.
func (v *Verifier) Verify(ctx context.Context, evidence authz.Evidence, issuers authz.IssuerFinder, now time.Time) authz.Principal {
	view := view{issuers: issuers, now: now}
	switch {
	case evidence.Token != "" && len(evidence.Claims) > 0:
		return refused(authz.EvidenceNone, invalid("ambiguous", "Both a token and claims were sent.", "Send one of them."))
	case evidence.Token != "":
		return v.verifyToken(ctx, view, evidence.Token)
	case len(evidence.Claims) > 0:
		return v.acceptClaims(ctx, view, evidence.Claims)
	}
	return refused(authz.EvidenceNone, &authz.Fault{
		Code: authz.CredentialMissing, Cause: "no_evidence",
		Message: "The request proves no subject.", Fix: "Send credential.token: the caller's access token.",
	})
}

// view is what one call to Verify sees.
type view struct {
	issuers authz.IssuerFinder
	now     time.Time
}

// verifyToken answers from memory when it can, and verifies otherwise.
func (v *Verifier) verifyToken(ctx context.Context, view view, token string) authz.Principal {
	if len(token) > MaxTokenBytes {
		return refused(authz.EvidenceJWT, tooLarge())
	}
	name := sha256.Sum256([]byte(token))
	if p, ok := v.recall(view, name); ok {
		return p
	}
	known, ring, fault := v.verifySignature(ctx, view, token)
	if fault != nil {
		return refused(authz.EvidenceJWT, fault)
	}
	v.remember(name, known)
	return known.at(ring.freshness)
}

// verifySignature is the whole check of a token not seen before.
func (v *Verifier) verifySignature(ctx context.Context, view view, token string) (*verified, ring, *authz.Fault) {
	compact, fault := parseCompact(token)
	if fault != nil {
		return nil, ring{}, fault
	}
	header, fault := parseHeader(compact.header)
	if fault != nil {
		return nil, ring{}, fault
	}
	payload, issuer, fault := v.readPayload(ctx, view, "token's payload", compact.payload)
	if fault != nil {
		return nil, ring{}, fault
	}
	if fault := header.checkProfile(issuer); fault != nil {
		return nil, ring{}, fault
	}
	keys, fault := v.ring(issuer, view.now)
	if fault != nil {
		return nil, ring{}, fault
	}
	key, fault := v.pick(keys, issuer, header)
	if fault != nil {
		return nil, ring{}, fault
	}
	if fault := key.verify(compact); fault != nil {
		return nil, ring{}, fault
	}
	claims, fault := readClaims(payload, issuer, compact.fingerprint())
	if fault != nil {
		return nil, ring{}, fault
	}
	if fault := checkUnbound(payload); fault != nil {
		return nil, ring{}, fault
	}
	claims.KeyID = authz.IssuerKeyID(issuer.URL, key.kid)
	return &verified{set: keys.id, token: *claims, level: level(claims)}, keys, nil
}

// acceptClaims checks claims that the enforcement point says it has verified:
// the same checks, without a signature. The caller's right to assert claims is
// not this room's to check.
func (v *Verifier) acceptClaims(ctx context.Context, view view, raw []byte) authz.Principal {
	if len(raw) > MaxTokenBytes {
		return refused(authz.EvidenceClaims, tooLarge())
	}
	payload, issuer, fault := v.readPayload(ctx, view, "asserted claims", raw)
	if fault != nil {
		return refused(authz.EvidenceClaims, fault)
	}
	sum := sha256.Sum256(raw)
	claims, fault := readClaims(payload, issuer, hex.EncodeToString(sum[:]))
	if fault != nil {
		return refused(authz.EvidenceClaims, fault)
	}
	return authz.Principal{
		Subject: claims.Subject, Evidence: authz.EvidenceClaims, Token: claims,
		Level: level(claims), Freshness: authz.Fresh,
	}
}

// readPayload reads a part of the evidence as one JSON object of claims and finds
// who issued them.
func (v *Verifier) readPayload(ctx context.Context, view view, part string, raw []byte) (object, *authz.Issuer, *authz.Fault) {
	payload, err := readObject(raw)
	if err != nil {
		return nil, nil, jsonFault(part, err)
	}
	url, fault := issuerURL(payload)
	if fault != nil {
		return nil, nil, fault
	}
	issuer, ok, err := view.issuers.IssuerByURL(url)
	if err != nil {
		v.log.ErrorContext(ctx, "issuer cannot be looked up", "error", err)
		return nil, nil, unavailable("issuer_lookup", "The registered issuers cannot be read.")
	}
	if !ok || issuer.URL != url {
		return nil, nil, &authz.Fault{
			Code: authz.IssuerUntrusted, Cause: "issuer_unknown",
			Message: "The token's iss is not the URL of a registered issuer.",
			Fix:     "Register the issuer; its url must equal iss byte for byte, final slash included.",
		}
	}
	return payload, issuer, nil
}

// pick finds the key that signed. Only a fresh set can say that a key does not
// exist (an issuer may have rotated while we could not reach it).
func (v *Verifier) pick(keys ring, issuer *authz.Issuer, h header) (*key, *authz.Fault) {
	k, ok := keys.set.find(h.kid)
	if !ok {
		v.askFor(issuer, h.kid)
		if keys.freshness != authz.Fresh {
			return nil, unavailable("keys_unavailable", "The token's key is not in the issuer's keys, which are stale because they cannot be fetched.")
		}
		return nil, invalid("unknown_key", "The token's key is not among its issuer's keys.", "Get a new token; if the issuer has just changed keys, retry shortly.")
	}
	if k.alg != h.alg {
		return nil, invalid("alg_not_allowed", "The token is signed with another algorithm than its key is for.", fixNewToken)
	}
	return k, nil
}

// checkUnbound refuses sender-constrained tokens (RFC 8705, RFC 9449): nothing
// here can check that the sender holds the key, and without that such a token
// must not pass.
func checkUnbound(payload object) *authz.Fault {
	if payload.get("cnf") == nil {
		return nil
	}
	return invalid("bound_token", "The token is bound to a key of its sender (cnf), which this version cannot check.", "Send a bearer token, or let the enforcement point check the binding and assert the claims.")
}

func tooLarge() *authz.Fault {
	return invalid("too_large", "The token is larger than 16 kB.", "Ask the issuer for a smaller token.")
}
