package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"slices"
	"strconv"
	"strings"

	jose "github.com/go-jose/go-jose/v3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// RSA moduli that are accepted, in bits. The upper limit keeps the most expensive
// verification that an attacker can cause, with a random signature, near a millisecond.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// key is a public key of an issuer, for one algorithm only (RFC 8725 section 3.1 and
// its successor).
type key struct {
	kid    string // "" if it is the only key of its set and has none
	alg    string
	public crypto.PublicKey
}

// keyProblem is why a JWK is not used. An unusable key is not for us; an unsafe one
// must not be registered.
type keyProblem struct {
	member  string // of the JWK; "" for the whole
	message string // continues the member's name
	unsafe  bool
	// otherPurpose: the key is used for another purpose, so it does not count as ignored.
	otherPurpose bool
}

func unusableKey(member, message string) *keyProblem {
	return &keyProblem{member: member, message: message}
}

func unsafeKey(member, message string) *keyProblem {
	return &keyProblem{member: member, message: message, unsafe: true}
}

// parseKey parses one JWK (RFC 7517 section 4) of an issuer that signs with algorithms.
func parseKey(raw jsontext.Value, algorithms []string, purpose keyPurpose) (*key, *keyProblem) {
	jwk, err := readObject(raw)
	if err != nil {
		return nil, unsafeKey("", "is not a JSON object")
	}
	if problem := checkPublic(jwk); problem != nil {
		return nil, problem
	}
	if problem := purpose.check(jwk); problem != nil {
		return nil, problem
	}
	k := &key{}
	var problem *keyProblem
	if k.kid, problem = readKid(jwk); problem != nil {
		return nil, problem
	}
	var fitting []string // algorithms the key could be used with
	if k.public, fitting, problem = readPublic(jwk); problem != nil {
		return nil, problem
	}
	if k.alg, problem = pinAlgorithm(jwk, fitting, algorithms); problem != nil {
		return nil, problem
	}
	return k, nil
}

// checkPublic refuses private and symmetric keys.
func checkPublic(jwk object) *keyProblem {
	kty, ok := text(jwk.get("kty"))
	if !ok {
		return unsafeKey("kty", "is required")
	}
	if kty == "oct" {
		return unsafeKey("kty", "is oct: a symmetric key lets everybody who verifies also sign; register a public key")
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if jwk.get(private) != nil {
			return unsafeKey(private, "is private key material; register the public key only, and replace this key")
		}
	}
	return nil
}

// keyPurpose is what an issuer's keys are used for, which they must allow.
type keyPurpose int

const (
	forSignatures keyPurpose = iota // use is sig or absent
	forJWTSVID                      // use is jwt-svid
)

func (p keyPurpose) check(jwk object) *keyProblem {
	if p == forSignatures {
		return checkUse(jwk)
	}
	switch forJWT, forX509 := svidUse(jwk); {
	case forX509:
		return &keyProblem{message: "is an authority for certificates", otherPurpose: true}
	case !forJWT:
		return unusableKey("use", "is not "+useJWTSVID)
	case jwk.get("kid") == nil:
		return unsafeKey("kid", "is required of a key for JWT-SVIDs")
	}
	return nil
}

// checkUse checks use and key_ops (RFC 7517 sections 4.2, 4.3).
func checkUse(jwk object) *keyProblem {
	if value := jwk.get("use"); value != nil {
		if use, ok := text(value); !ok || use != "sig" {
			return unusableKey("use", "is not sig")
		}
	}
	if value := jwk.get("key_ops"); value != nil {
		if ops, ok := texts(value); !ok || !slices.Contains(ops, "verify") {
			return unusableKey("key_ops", "does not contain verify")
		}
	}
	return nil
}

func readKid(jwk object) (string, *keyProblem) {
	value := jwk.get("kid")
	if value == nil {
		return "", nil
	}
	kid, ok := text(value)
	if !ok || kid == "" || len(kid) > maxKidBytes {
		return "", unsafeKey("kid", "must be a string of 1 to "+strconv.Itoa(maxKidBytes)+" bytes")
	}
	return kid, nil
}

// readPublic returns the public key and the algorithms that fit its type.
func readPublic(jwk object) (crypto.PublicKey, []string, *keyProblem) {
	kty, _ := text(jwk.get("kty"))
	crv, _ := text(jwk.get("crv"))
	switch {
	case kty == "RSA":
		return readRSA(jwk)
	case kty == "EC" && crv == "P-256":
		return readEC(jwk, elliptic.P256(), "ES256")
	case kty == "EC" && crv == "P-384":
		return readEC(jwk, elliptic.P384(), "ES384")
	case kty == "EC" && crv == "P-521":
		return readEC(jwk, elliptic.P521(), "ES512")
	case kty == "OKP" && crv == "Ed25519":
		return readEd25519(jwk)
	case kty == "EC", kty == "OKP":
		return nil, nil, unusableKey("crv", "is not one this version verifies with")
	}
	return nil, nil, unusableKey("kty", "is not one this version verifies with")
}

func readRSA(jwk object) (crypto.PublicKey, []string, *keyProblem) {
	modulus, problem := readBytes(jwk, "n")
	if problem != nil {
		return nil, nil, problem
	}
	exponent, problem := readBytes(jwk, "e")
	if problem != nil {
		return nil, nil, problem
	}
	n := new(big.Int).SetBytes(modulus)
	if bits := n.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, nil, unsafeKey("n", "has "+strconv.Itoa(bits)+" bits; RSA keys have "+strconv.Itoa(minRSABits)+" to "+strconv.Itoa(maxRSABits))
	}
	if n.Bit(0) == 0 {
		return nil, nil, unsafeKey("n", "is even, so it is not an RSA modulus")
	}
	e := new(big.Int).SetBytes(exponent)
	if e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 {
		return nil, nil, unsafeKey("e", "must be an odd number from 3 to 2147483647")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
}

func readEC(jwk object, curve elliptic.Curve, alg string) (crypto.PublicKey, []string, *keyProblem) {
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed
	for _, coordinate := range []string{"x", "y"} {
		b, problem := readBytes(jwk, coordinate)
		if problem != nil {
			return nil, nil, problem
		}
		if len(b) != size {
			return nil, nil, unsafeKey(coordinate, "has "+strconv.Itoa(len(b))+" bytes; the curve's coordinates have "+strconv.Itoa(size))
		}
		point = append(point, b...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, nil, unsafeKey("x", "and y are not a point of the curve")
	}
	return public, []string{alg}, nil
}

func readEd25519(jwk object) (crypto.PublicKey, []string, *keyProblem) {
	x, problem := readBytes(jwk, "x")
	if problem != nil {
		return nil, nil, problem
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, nil, unsafeKey("x", "has "+strconv.Itoa(len(x))+" bytes; an Ed25519 key has 32")
	}
	if !soundEd25519(x) {
		return nil, nil, unsafeKey("x", "is not a point of the curve, or one anybody can sign for")
	}
	return ed25519.PublicKey(x), []string{"EdDSA"}, nil
}

// readBytes decodes a base64url member.
func readBytes(jwk object, name string) ([]byte, *keyProblem) {
	encoded, ok := text(jwk.get(name))
	if !ok || encoded == "" || strings.ContainsAny(encoded, "\r\n") {
		return nil, unsafeKey(name, "is required, as base64url")
	}
	b, err := strict.DecodeString(encoded)
	if err != nil {
		return nil, unsafeKey(name, "is not canonical base64url")
	}
	return b, nil
}

// pinAlgorithm returns the one algorithm of a key: its alg, or the only one that fits
// its type and its issuer.
func pinAlgorithm(jwk object, fitting, algorithms []string) (string, *keyProblem) {
	both := slices.DeleteFunc(slices.Clone(fitting), func(alg string) bool { return !slices.Contains(algorithms, alg) })
	value := jwk.get("alg")
	if value == nil {
		switch len(both) {
		case 0:
			return "", unusableKey("", "fits none of the issuer's algorithms")
		case 1:
			return both[0], nil
		}
		return "", unsafeKey("alg", "is required here, because the issuer's algorithms leave a choice for this key: "+strings.Join(both, ", "))
	}
	alg, ok := text(value)
	switch {
	case !ok:
		return "", unsafeKey("alg", "must be a string")
	case slices.Contains(both, alg):
		return alg, nil
	case slices.Contains(fitting, alg), !slices.Contains(authz.Algorithms(), alg):
		return "", unusableKey("alg", "is not one of the issuer's algorithms")
	}
	return "", unsafeKey("alg", "does not fit the key's type or curve")
}

// verify checks the signature over the same bytes that c was decoded from.
func (k *key) verify(c compact) *authz.Fault {
	bad := invalid("bad_signature", "The token's signature does not verify with its issuer's key.", fixNewToken)
	jws, err := jose.ParseSigned(c.text)
	if err != nil {
		return bad
	}
	payload, err := jws.Verify(k.public)
	if err != nil || !bytes.Equal(payload, c.payload) || !k.saltFits(c) {
		return bad
	}
	return nil
}

// saltFits reports whether the salt of a PS* signature is as long as the hash, as RFC
// 7518 section 3.5 requires. The library accepts any length.
func (k *key) saltFits(c compact) bool {
	var hash crypto.Hash
	switch k.alg {
	case "PS256":
		hash = crypto.SHA256
	case "PS384":
		hash = crypto.SHA384
	case "PS512":
		hash = crypto.SHA512
	default:
		return true
	}
	public, ok := k.public.(*rsa.PublicKey)
	if !ok {
		return false
	}
	digest := hash.New()
	digest.Write([]byte(c.input))
	return rsa.VerifyPSS(public, hash, digest.Sum(nil), c.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

// soundEd25519 reports whether encoded is the canonical encoding of a point on
// edwards25519 (RFC 8032 section 5.1.3) that is not of small order. With a point of
// small order as key, anyone can make valid signatures without a private key; the
// standard library accepts such keys.
func soundEd25519(encoded []byte) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	one := big.NewInt(1)

	// d = -121665/121666, the curve -x^2 + y^2 = 1 + d x^2 y^2.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)

	bigEndian := slices.Clone(encoded)
	slices.Reverse(bigEndian)
	bigEndian[0] &= 0x7f // the top bit is the sign of x
	y := new(big.Int).SetBytes(bigEndian)
	if y.Cmp(p) >= 0 {
		return false
	}
	yy := new(big.Int).Mul(y, y)
	yy.Mod(yy, p)

	// x^2 = (y^2 - 1) / (d y^2 + 1) has a root, or y is no point's. The
	// denominator is never 0, because -1/d is not a square.
	denominator := new(big.Int).Mul(d, yy)
	denominator.Add(denominator, one).ModInverse(denominator, p)
	xx := new(big.Int).Sub(yy, one)
	xx.Mul(xx, denominator).Mod(xx, p)
	if big.Jacobi(xx, p) < 0 {
		return false
	}

	// Orders 1 and 2 have x = 0, order 4 has y = 0, and doubling a point of order
	// 8 gives one of order 4, whose y, proportional to x^2 + y^2, is 0.
	sum := new(big.Int).Add(xx, yy)
	return xx.Sign() != 0 && y.Sign() != 0 && sum.Mod(sum, p).Sign() != 0
}
