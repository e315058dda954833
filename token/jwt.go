package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/verdict-pdp/verdict/authz"
)

// readJWT verifies a JWT, from the cache if it can. What may change while the token is
// valid is left to complete.
func (v *Verifier) readJWT(ctx context.Context, p *authz.Presentation) (authenticToken, *authz.Fault) {
	text := p.Evidence.Token
	if len(text) > MaxTokenBytes {
		return authenticToken{}, tooLarge()
	}
	hash := sha256.Sum256([]byte(text))
	known, issuer, keys, ok := v.lookupToken(p, hash)
	if !ok {
		var fault *authz.Fault
		if known, issuer, keys, fault = v.verifySignature(ctx, p, text); fault != nil {
			return authenticToken{}, fault
		}
		v.cacheToken(hash, known, issuer)
	}
	return authenticToken{tokenClaims: &known.claims, issuer: issuer, freshness: keys.freshness}, nil
}

// verifySignature verifies a token that is not cached.
func (v *Verifier) verifySignature(ctx context.Context, p *authz.Presentation, text string) (*verifiedToken, *authz.Issuer, issuerKeys, *authz.Fault) {
	refuse := func(fault *authz.Fault) (*verifiedToken, *authz.Issuer, issuerKeys, *authz.Fault) {
		return nil, nil, issuerKeys{}, fault
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
	keys, fault := v.issuerKeys(issuer, p.Now)
	if fault != nil {
		return refuse(fault)
	}
	key, fault := v.findKey(keys, issuer, header)
	if fault != nil {
		return refuse(fault)
	}
	if fault := key.verify(compact); fault != nil {
		return refuse(fault)
	}
	claims, fault := readClaims(payload, issuer, compact.fingerprint())
	if fault != nil {
		return refuse(fault)
	}
	claims.token.KeyID = authz.IssuerKeyID(issuer.URL, key.kid)
	return &verifiedToken{keys: keys.id, claims: *claims}, issuer, keys, nil
}

// issuerOf returns the issuer of a JWT, or of asserted claims: the trust domain, if the
// subject is a SPIFFE ID of a registered one (JWT-SVIDs need no iss), or else the
// issuer that iss names.
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

// issuerByURL returns the issuer with exactly this URL, or nil.
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

// Causes of faults when the directory cannot be read.
const (
	causeIssuerLookup     = "issuer_lookup"
	causeCredentialLookup = "credential_lookup"
)

// lookupFault returns the fault for a directory that cannot be read. It is logged once,
// until evidence is verified again.
func (v *Verifier) lookupFault(ctx context.Context, cause string, err error) *authz.Fault {
	if !v.directoryDown.Swap(true) {
		v.log.ErrorContext(ctx, "the directory cannot be read", "lookup", cause, "error", err)
	}
	return unavailable(cause, "The registered issuers and credentials cannot be read.")
}

// directoryRead notes that evidence was verified, so the directory can be read.
func (v *Verifier) directoryRead() {
	if v.directoryDown.Load() { // read first, so that not every decision writes
		v.directoryDown.Store(false)
	}
}

// findKey returns the key that the header names. Only a fresh set can tell that a key
// does not exist: the issuer may have rotated since a stale one was fetched.
func (v *Verifier) findKey(keys issuerKeys, issuer *authz.Issuer, h header) (*key, *authz.Fault) {
	k, ok := keys.set.find(h.kid)
	if !ok {
		v.requestRefetch(issuer, h.kid)
		if keys.grade != authz.Fresh {
			return nil, unavailable("keys_unavailable", "The token's key is not in the issuer's keys, which are stale because they cannot be fetched.")
		}
		return nil, invalid("unknown_key", "The token's key is not among its issuer's keys.", "Get a new token; if the issuer has just changed keys, retry shortly.")
	}
	if k.alg != h.alg {
		return nil, invalid("alg_not_allowed", "The token is signed with another algorithm than its key is for.", fixNewToken)
	}
	return k, nil
}

// checkProfile checks the header against the issuer's registration.
func (h header) checkProfile(issuer *authz.Issuer) *authz.Fault {
	if issuer.Kind != authz.IssuerJWT && issuer.Kind != authz.IssuerSPIFFE {
		return refusedIssuer("issuer_kind", "The token's issuer is registered as one that signs no tokens.", "Register the issuer with kind jwt, or send the token with its issuer's id if it is opaque.")
	}
	if !h.allowedBy(issuer) {
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

// checkSVID checks the header as the JWT-SVID specification, section 2, says, whatever
// the issuer's types are.
func (h header) checkSVID() *authz.Fault {
	if h.namesCertificate {
		return invalid("header_member", "The token's header has a member other than alg, kid and typ, which a JWT-SVID must not have.", fixNewToken)
	}
	if h.typ != nil && *h.typ != "JWT" && *h.typ != "JOSE" {
		return invalid("bad_type", "The token's typ is neither JWT nor JOSE, so it is no JWT-SVID.", "Send the JWT-SVID.")
	}
	return nil
}

// allowedBy reports whether the issuer may sign with the header's algorithm.
func (h header) allowedBy(issuer *authz.Issuer) bool {
	return slices.Contains(algorithmsOf(issuer), h.alg) && slices.Contains(authz.Algorithms(), h.alg)
}

// algorithmsOf returns the issuer's algorithms, without EdDSA for trust domains,
// because no JWT-SVID is signed with it.
func algorithmsOf(issuer *authz.Issuer) []string {
	if issuer.Kind != authz.IssuerSPIFFE || !slices.Contains(issuer.Algorithms, "EdDSA") {
		return issuer.Algorithms
	}
	return slices.DeleteFunc(slices.Clone(issuer.Algorithms), func(alg string) bool { return alg == "EdDSA" })
}

func tooLarge() *authz.Fault {
	return invalid("too_large", "The token is larger than 16 kB.", "Ask the issuer for a smaller token.")
}

// verifiedToken is the cache entry of a token whose signature and claims were good. Its
// key is the SHA-256 of the token. It holds for one revision of the issuer and one
// document of its keys. Credential, status and binding are not part of it, and are
// checked each time.
type verifiedToken struct {
	keys   keySetID
	claims tokenClaims
}

// lookupToken returns the cached token, if its issuer is still registered and neither
// the issuer nor its keys have changed since. All others are verified again, which also
// finds the fault.
func (v *Verifier) lookupToken(p *authz.Presentation, hash [sha256.Size]byte) (*verifiedToken, *authz.Issuer, issuerKeys, bool) {
	if v.verifiedTokens == nil {
		return nil, nil, issuerKeys{}, false
	}
	known, ok := v.verifiedTokens.Get(hash)
	if !ok {
		return nil, nil, issuerKeys{}, false
	}
	issuer, ok, err := p.Directory.IssuerByURL(known.claims.token.IssuerURL)
	if err != nil || !ok {
		return nil, nil, issuerKeys{}, false // verifying it reports the same
	}
	keys, fault := v.issuerKeys(issuer, p.Now)
	if fault != nil || keys.id != known.keys {
		return nil, nil, issuerKeys{}, false
	}
	return known, issuer, keys, true
}

// cacheToken caches a verified token. One whose subject is in a trust domain, but which
// another issuer signed, is not cached: it must be noticed when the trust domain is
// registered.
func (v *Verifier) cacheToken(hash [sha256.Size]byte, known *verifiedToken, issuer *authz.Issuer) {
	if v.verifiedTokens == nil || issuer.Kind != authz.IssuerSPIFFE && isSPIFFEName(known.claims.federatedName) {
		return
	}
	v.verifiedTokens.Add(hash, known)
}

// acceptClaims checks claims that the enforcement point says it has verified: as those
// of a token, without a signature. Whether the caller may assert claims is checked
// elsewhere.
func (v *Verifier) acceptClaims(ctx context.Context, p *authz.Presentation) (proven, *authz.Fault) {
	raw := p.Evidence.Claims
	if len(raw) > MaxTokenBytes {
		return proven{}, tooLarge()
	}
	payload, err := readObject(raw)
	if err != nil {
		return proven{}, jsonFault("asserted claims", err)
	}
	issuer, fault := v.issuerOf(ctx, p.Directory, payload)
	if fault != nil {
		return proven{}, fault
	}
	if issuer.Kind == authz.IssuerX509 {
		return proven{}, refusedIssuer("issuer_kind", "The claims' issuer is registered as a certificate authority, which makes no claims.", "Register the issuer with the kind it has.")
	}
	sum := sha256.Sum256(raw)
	claims, fault := readClaims(payload, issuer, hex.EncodeToString(sum[:]))
	if fault != nil {
		return proven{}, fault
	}
	return v.complete(ctx, p, authz.EvidenceClaims, authenticToken{tokenClaims: claims, issuer: issuer, freshness: alwaysFresh})
}
