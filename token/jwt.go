package token

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// readJWT answers from memory when it can, and verifies otherwise. What may change
// while a token lives is for complete.
func (v *Verifier) readJWT(ctx context.Context, p *authz.Presentation) (word, *authz.Fault) {
	text := p.Evidence.Token
	if len(text) > MaxTokenBytes {
		return word{}, tooLarge()
	}
	name := sha256.Sum256([]byte(text))
	known, issuer, keys, ok := v.recall(p, name)
	if !ok {
		var fault *authz.Fault
		if known, issuer, keys, fault = v.verifySignature(ctx, p, text); fault != nil {
			return word{}, fault
		}
		v.remember(name, known, issuer)
	}
	return word{said: &known.said, issuer: issuer, standing: keys.standing}, nil
}

// verifySignature is the whole check of a token not seen before.
func (v *Verifier) verifySignature(ctx context.Context, p *authz.Presentation, text string) (*verified, *authz.Issuer, ring, *authz.Fault) {
	refuse := func(fault *authz.Fault) (*verified, *authz.Issuer, ring, *authz.Fault) {
		return nil, nil, ring{}, fault
	}
	compact, fault := parseCompact(text)
	if fault != nil {
		return refuse(fault)
	}
	header, fault := parseHeader(compact.header)
	if fault != nil {
		return refuse(fault)
	}
	payload, err := readObject(compact.payload)
	if err != nil {
		return refuse(jsonFault("token's payload", err))
	}
	issuer, fault := v.issuerOf(ctx, p.Directory, payload)
	if fault != nil {
		return refuse(fault)
	}
	if fault := header.checkProfile(issuer); fault != nil {
		return refuse(fault)
	}
	keys, fault := v.ring(issuer, p.Now)
	if fault != nil {
		return refuse(fault)
	}
	key, fault := v.pick(keys, issuer, header)
	if fault != nil {
		return refuse(fault)
	}
	if fault := key.verify(compact); fault != nil {
		return refuse(fault)
	}
	said, fault := readClaims(payload, issuer, compact.fingerprint())
	if fault != nil {
		return refuse(fault)
	}
	said.token.KeyID = authz.IssuerKeyID(issuer.URL, key.kid)
	return &verified{set: keys.id, said: *said}, issuer, keys, nil
}

// issuerOf finds who issued a JWT, or asserted claims: the trust domain of a
// subject that is a SPIFFE id of a registered one (JWT-SVIDs need no iss), or else
// the issuer that iss names.
func (v *Verifier) issuerOf(ctx context.Context, directory authz.Directory, payload object) (*authz.Issuer, *authz.Fault) {
	domain, isSPIFFE := trustDomain(payload)
	if isSPIFFE {
		issuer, fault := v.issuerByURL(ctx, directory, domain)
		if fault != nil {
			return nil, fault
		}
		if issuer != nil && issuer.Kind == authz.IssuerSPIFFE {
			return issuer, nil
		}
	}
	if isSPIFFE && payload.get("iss") == nil {
		return nil, refusedIssuer("issuer_unknown", "The token's sub is of a SPIFFE trust domain that is not registered.",
			"Register the trust domain as an issuer of kind spiffe.")
	}
	url, fault := issuerURL(payload)
	if fault != nil {
		return nil, fault
	}
	issuer, fault := v.issuerByURL(ctx, directory, url)
	if fault != nil {
		return nil, fault
	}
	if issuer == nil {
		return nil, refusedIssuer("issuer_unknown", "The token's iss is not the URL of a registered issuer.",
			"Register the issuer; its url must equal iss byte for byte, final slash included.")
	}
	return issuer, nil
}

// issuerByURL returns nil when no issuer has exactly this URL.
func (v *Verifier) issuerByURL(ctx context.Context, directory authz.Directory, url string) (*authz.Issuer, *authz.Fault) {
	issuer, ok, err := directory.IssuerByURL(url)
	if err != nil {
		return nil, v.lookupFault(ctx, causeIssuerLookup, err)
	}
	if !ok || issuer.URL != url {
		return nil, nil
	}
	return issuer, nil
}

// Causes of a directory that cannot be read.
const (
	causeIssuerLookup     = "issuer_lookup"
	causeCredentialLookup = "credential_lookup"
)

// lookupFault is the fault when the directory cannot be read. The log has it once,
// until evidence proves somebody again.
func (v *Verifier) lookupFault(ctx context.Context, cause string, err error) *authz.Fault {
	if !v.unreadable.Swap(true) {
		v.log.ErrorContext(ctx, "the directory cannot be read", "lookup", cause, "error", err)
	}
	return unavailable(cause, "The registered issuers and credentials cannot be read.")
}

// readable notes that the directory was read.
func (v *Verifier) readable() {
	if v.unreadable.Load() { // not to have all cores write on every decision
		v.unreadable.Store(false)
	}
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

// checkProfile holds the header against what the issuer is registered with.
func (h header) checkProfile(issuer *authz.Issuer) *authz.Fault {
	if issuer.Kind != authz.IssuerJWT && issuer.Kind != authz.IssuerSPIFFE {
		return refusedIssuer("issuer_kind", "The token's issuer is registered as one that signs no tokens.", "Register the issuer with kind jwt, or send the token with its issuer's id if it is opaque.")
	}
	if !h.signedWithin(issuer) {
		return invalid("alg_not_allowed", "The token is signed with an algorithm its issuer is not registered with.", "Sign with one of the issuer's algorithms, or add this one to the issuer.")
	}
	if issuer.Kind == authz.IssuerSPIFFE {
		return h.checkSVID()
	}
	typ := ""
	if h.typ != nil {
		if typ = mediaType(*h.typ); typ == "" {
			return invalid("bad_type", "The token's typ is empty.", fixNewToken)
		}
	}
	if slices.Contains(foreignTypes(), typ) {
		return invalid("bad_type", "The token is a "+typ+", which is not an access token.", "Send the access token.")
	}
	if !slices.ContainsFunc(issuer.Types, func(accepted string) bool { return mediaType(accepted) == typ }) {
		return invalid("bad_type", "The token's typ is not one its issuer is registered with.", "Send an access token, or add its typ to the issuer's types.")
	}
	return nil
}

// checkSVID holds the header to the JWT-SVID specification, section 2, whatever
// the issuer's types say.
func (h header) checkSVID() *authz.Fault {
	if h.hinted {
		return invalid("header_member", "The token's header has a member other than alg, kid and typ, which a JWT-SVID must not have.", fixNewToken)
	}
	if h.typ != nil && *h.typ != "JWT" && *h.typ != "JOSE" {
		return invalid("bad_type", "The token's typ is neither JWT nor JOSE, so it is no JWT-SVID.", "Send the JWT-SVID.")
	}
	return nil
}

// signedWithin says whether the issuer may sign with the header's algorithm.
func (h header) signedWithin(issuer *authz.Issuer) bool {
	return slices.Contains(algorithmsOf(issuer), h.alg) && slices.Contains(authz.Algorithms(), h.alg)
}

// algorithmsOf is the issuer's list, without the one no JWT-SVID is signed with.
func algorithmsOf(issuer *authz.Issuer) []string {
	if issuer.Kind != authz.IssuerSPIFFE || !slices.Contains(issuer.Algorithms, "EdDSA") {
		return issuer.Algorithms
	}
	return slices.DeleteFunc(slices.Clone(issuer.Algorithms), func(alg string) bool { return alg == "EdDSA" })
}

func tooLarge() *authz.Fault {
	return invalid("too_large", "The token is larger than 16 kB.", "Ask the issuer for a smaller token.")
}
