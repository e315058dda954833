package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxIDLength is the longest id accepted, in bytes.
const MaxIDLength = 200

// ValidateID returns an error unless id has the form that every id has:
// [A-Za-z0-9][A-Za-z0-9._:@-]{0,199}. Ids are compared byte for byte.
// The error names field.
func ValidateID(field, id string) error {
	if id == "" {
		return Invalid(field, "is required")
	}
	if len(id) > MaxIDLength {
		return Invalid(field, fmt.Sprintf("is %d bytes long; an id has at most %d", len(id), MaxIDLength))
	}
	for i := 0; i < len(id); i++ {
		if !idByte(id[i], i == 0) {
			return Invalid(field, fmt.Sprintf("has %q at byte %d; an id is letters, digits and . _ : @ - and starts with a letter or digit", id[i], i))
		}
	}
	return nil
}

func idByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return !first && strings.IndexByte("._:@-", c) >= 0
}

// pairSeparator joins the two ids of a pair key. No id contains it, so a pair
// key has exactly one reading.
const pairSeparator = "/"

// PairKey is the key of an entity named by two ids, such as an edge (from, to).
func PairKey(first, second string) string { return first + pairSeparator + second }

// SplitPairKey undoes PairKey; ok is false when key is not a pair.
func SplitPairKey(key string) (first, second string, ok bool) {
	first, second, ok = strings.Cut(key, pairSeparator)
	return first, second, ok && first != "" && second != "" && !strings.Contains(second, pairSeparator)
}

// TokenID is the id under which one token is revoked: jti is unique only within
// its issuer, and may hold any byte, so both are hashed together.
func TokenID(issuer, jti string) string { return hashID(tokenPrefix, issuer, jti) }

// IssuerKeyID is the id of one signing key of an issuer, by its kid.
func IssuerKeyID(issuer, kid string) string { return hashID(keyPrefix, issuer, kid) }

// CertificateID is the id under which one certificate is revoked: its issuer's
// distinguished name (RFC 4514 text; the order of its parts, spaces around them, case
// and whether an attribute has a name or an OID do not matter) and its serial number in
// hex (colons, 0x and leading zeros do not matter).
func CertificateID(issuer, serial string) string {
	return hashID(certificatePrefix, canonicalName(issuer), strings.TrimLeft(serialDigits(serial), "0"))
}

// serialDigits are the hex digits of a serial number.
func serialDigits(serial string) string {
	serial = strings.ToLower(strings.ReplaceAll(serial, ":", ""))
	return strings.TrimPrefix(serial, "0x")
}

// isSerial reports whether text is a serial number in hex.
func isSerial(text string) bool {
	digits := serialDigits(text)
	return digits != "" && strings.Trim(digits, "0123456789abcdef") == ""
}

const (
	tokenPrefix       = "tok-"
	keyPrefix         = "key-"
	certificatePrefix = "crt-"

	hashIDBytes = 20 // of the SHA-256 kept
)

// isHashID reports whether id has the form of hashID.
func isHashID(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok || len(digits) != 2*hashIDBytes || digits != strings.ToLower(digits) {
		return false
	}
	_, err := hex.DecodeString(digits)
	return err == nil
}

func hashID(prefix, issuer, name string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%s", len(issuer), issuer, name)
	return prefix + hex.EncodeToString(h.Sum(nil)[:hashIDBytes])
}
