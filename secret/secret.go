package secret

import (
	"crypto/rand"
	"encoding/base64"
)

// Prefix starts every secret New makes, so that scanners of code and logs can
// find one that leaked.
const Prefix = "vs_"

// MaxLength is the longest secret, in bytes, that Check compares. Longer ones
// never match.
const MaxLength = 512

// New mints a secret: Prefix and 256 random bits in base64url without padding,
// 46 characters in all. It is to be shown once and forgotten; Hash makes what is
// kept.
func New() string {
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the process first
	return Prefix + base64.RawURLEncoding.EncodeToString(random)
}
