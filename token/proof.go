package token

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of a DPoP proof.
const (
	maxProofBytes = 8 << 10 // of the JWT, and of each URL
	maxJTIBytes   = 256
	// maxProofSkew is the age of the oldest proof that is accepted.
	maxProofSkew = 60 * time.Second
)

// maxLead is how far the clock of a client that proves possession of a key may be ahead
// of ours.
const maxLead = 10 * time.Second

// proof is a DPoP proof whose header was read, with the key in it.
type proof struct {
	compact compact
	key     key
}

// checkProof returns a fault unless the DPoP proof (RFC 9449 section 4.3) was made for
// this token and request, with the key that jkt names. Every fault is
// TOKEN_BINDING_MISMATCH, with a cause of its own. The proof's jti is used last, so
// only by a proof that passed everything else. A rehearsal checks whether it was used,
// and does not use it.
func (s *proofVerifier) checkProof(p *authz.Proof, token, jkt string, now time.Time, rehearsal bool) *authz.Fault {
	proof, fault := readProof(p.JWT)
	if fault != nil {
		return fault
	}
	if named, err := keyThumbprint(proof.key.public); err != nil || named != jkt {
		return mismatch("proof_key_mismatch", "The DPoP proof is made with another key than the token is bound to.", fixProof)
	}
	if proof.key.verify(proof.compact) != nil {
		return mismatch("proof_signature", "The DPoP proof's signature does not verify with the key in its header.", fixProof)
	}
	payload, err := readObject(proof.compact.payload)
	if err != nil {
		return malformedProof("Its payload is not one JSON object with each member once.")
	}
	claims := claims{object: payload}
	if fault := claims.madeFor(p, token); fault != nil {
		return fault
	}
	return s.useProof(claims, jkt, now, rehearsal)
}

// readProof parses a proof and checks its key before any library uses it.
func readProof(text string) (*proof, *authz.Fault) {
	if len(text) > maxProofBytes {
		return nil, malformedProof("It is larger than 8 kB.")
	}
	c, fault := parseCompact(text)
	if fault != nil {
		return nil, malformedProof("It is not a signed JWT in compact form.")
	}
	header, err := readObject(c.header)
	if err != nil {
		return nil, malformedProof("Its header is not one JSON object with each member once.")
	}
	made := &proof{compact: c}
	if made.key, fault = readProofHeader(header); fault != nil {
		return nil, fault
	}
	return made, nil
}

// readProofHeader accepts exactly typ, alg and jwk.
func readProofHeader(header object) (key, *authz.Fault) {
	for _, m := range header {
		if !slices.Contains([]string{"typ", "alg", "jwk"}, m.name) {
			return key{}, malformedProof("Its header has a member other than typ, alg and jwk.")
		}
	}
	if typ, ok := text(header.get("typ")); !ok || mediaType(typ) != "dpop+jwt" {
		return key{}, mismatch("proof_type", "The DPoP proof's typ is not dpop+jwt.", fixProof)
	}
	alg, ok := text(header.get("alg"))
	if !ok || !slices.Contains(authz.Algorithms(), alg) {
		return key{}, mismatch("proof_algorithm", "The DPoP proof's alg is not an accepted asymmetric signature algorithm.", fixProof)
	}
	public, fitting, fault := readProofKey(header.get("jwk"))
	switch {
	case fault != nil:
		return key{}, fault
	case !slices.Contains(fitting, alg):
		return key{}, mismatch("proof_algorithm", "The DPoP proof's alg does not fit the key in its header.", fixProof)
	}
	return key{alg: alg, public: public}, nil
}

// readProofKey reads the jwk of a proof. It must be public and strong, without members
// that could make a library look beyond the key. fitting are the algorithms that it may
// be used with.
func readProofKey(value jsontext.Value) (public crypto.PublicKey, fitting []string, fault *authz.Fault) {
	jwk, err := readObject(value)
	if err != nil {
		return nil, nil, badProofKey("is missing or not one JSON object")
	}
	problem := checkPublic(jwk)
	if problem == nil {
		problem = checkUse(jwk)
	}
	if problem == nil {
		public, fitting, problem = readPublic(jwk)
	}
	if problem != nil {
		return nil, nil, badProofKey("is not usable: its " + problem.member + " " + problem.message)
	}
	for _, m := range jwk {
		if !slices.Contains([]string{"kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "ext", "kid"}, m.name) {
			return nil, nil, badProofKey("has a member that a public key has no need of")
		}
	}
	if value := jwk.get("alg"); value != nil {
		alg, _ := text(value)
		fitting = slices.DeleteFunc(fitting, func(fits string) bool { return fits != alg })
	}
	return public, fitting, nil
}

// keyThumbprint returns the base64url RFC 7638 SHA-256 thumbprint of a public key.
func keyThumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// madeFor returns a fault unless the proof was made for this request and this token.
func (c *claims) madeFor(p *authz.Proof, token string) *authz.Fault {
	ath := sha256.Sum256([]byte(token))
	method, target, hash := c.text("htm"), c.text("htu"), c.text("ath")
	switch {
	case c.fault != nil:
		return malformedProof(c.fault.Message)
	case method == "" || method != p.Method:
		return mismatch("proof_method", "The DPoP proof's htm is not the request's method.", fixProof)
	case !sameTarget(target, p.URL):
		return mismatch("proof_url", "The DPoP proof's htu is not the request's URL without query and fragment.", fixProof)
	case hash != base64.RawURLEncoding.EncodeToString(ath[:]):
		return mismatch("proof_token", "The DPoP proof's ath is not the hash of this token.", fixProof)
	}
	return nil
}

// useProof checks when a proof was made, and uses its jti.
func (s *proofVerifier) useProof(c claims, jkt string, now time.Time, rehearsal bool) *authz.Fault {
	made, jti := c.date("iat", math.Floor), c.text("jti")
	switch {
	case c.fault != nil:
		return malformedProof(c.fault.Message)
	case made.IsZero():
		return mismatch("proof_time", "The DPoP proof does not say when it was made: it has no iat.", fixProof)
	case jti == "" || len(jti) > maxJTIBytes:
		return malformedProof("Its jti is not a string of 1 to 256 bytes.")
	case made.Before(now.Add(-maxProofSkew)) || made.After(now.Add(maxLead)):
		return mismatch("proof_time", "The DPoP proof's iat is more than 60 s ago, or more than 10 s ahead.", "Make a new DPoP proof for every request; if this stays, set the client's clock.")
	case made.Before(s.replay.started):
		return mismatch("before_start", "The DPoP proof was made before this node started, so it may have been used already.", fixAgain)
	}
	switch s.use("dpop:"+jkt, jti, made.Add(maxProofSkew), now, rehearsal) {
	case firstUse:
		return nil
	case replayFull:
		return mismatch("replay_full", "No more DPoP proofs can be remembered just now, so none is accepted.", fixLater)
	}
	return mismatch("proof_replayed", "The DPoP proof was used before; each may be used once.", fixProof)
}

func malformedProof(why string) *authz.Fault {
	return mismatch("proof_malformed", "The DPoP proof is malformed. "+why, fixProof)
}

func badProofKey(why string) *authz.Fault {
	return mismatch("proof_key", "The DPoP proof's jwk "+why+".", fixProof)
}

// sameTarget reports whether two absolute http(s) URLs are the same except for query
// and fragment, after the normalization of RFC 3986 sections 6.2.2 and 6.2.3. A URL
// without a normal form is equal to none, not even to itself.
func sameTarget(a, b string) bool {
	first, ok := normalizeTarget(a)
	if !ok {
		return false
	}
	second, ok := normalizeTarget(b)
	return ok && first == second
}

// normalizeTarget refuses URLs that two parsers might read differently: with user info,
// white space, backslashes or anything but ASCII.
func normalizeTarget(raw string) (string, bool) {
	if len(raw) > maxProofBytes || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "", false
	}
	host, ok := normalizeHost(u)
	if !ok {
		return "", false
	}
	return u.Scheme + "://" + host + removeDots(normalizeEscapes(u.EscapedPath())), true
}

// normalizeHost returns the host in lower case, without the scheme's default port.
func normalizeHost(u *url.URL) (string, bool) {
	port := u.Port()
	switch {
	case u.Hostname() == "" || strings.Contains(u.Host, "%"):
		return "", false
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		port = ""
	case u.Scheme != "https" && u.Scheme != "http":
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return host, true
}

// normalizeEscapes decodes what needs no escape (RFC 3986 section 2.3) and writes the
// other escapes in upper case. path has complete escapes only: it was parsed.
func normalizeEscapes(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		escape := path[i : i+3]
		i += 2
		if plain, err := url.PathUnescape(escape); err == nil && unreserved(plain[0]) {
			b.WriteString(plain)
		} else {
			b.WriteString(strings.ToUpper(escape))
		}
	}
	return b.String()
}

func unreserved(c byte) bool { return base64url(c) || c == '.' || c == '~' }

// removeDots removes dot segments (RFC 3986 section 5.2.4), and returns "/" for the
// empty path. Empty segments are kept.
func removeDots(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		switch {
		case segment == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case segment != "." && segment != "..":
			kept = append(kept, segment)
			continue
		}
		if i == len(segments)-1 {
			kept = append(kept, "") // a dot segment at the end names a directory
		}
	}
	return "/" + strings.Join(kept, "/")
}
