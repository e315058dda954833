package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Prefix starts every secret New makes, so that scanners of code and logs can
// find one that leaked.
const Prefix = "vs_"

// MaxLength is the longest secret, in bytes, that Check compares. Longer ones
// never match.
const MaxLength = 512

// New returns a new secret: Prefix and 256 random bits in base64url without padding,
// 46 characters in all. Show it once and store its Hash only.
func New() string {
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the process first
	return Prefix + base64.RawURLEncoding.EncodeToString(random)
}

// The cost of Hash: the argon2id minimum of the OWASP Password Storage Cheat Sheet.
const (
	hashMemory  = 19456 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashTag     = 32 // bytes
)

// The most expensive hash that is accepted. RFC 9106 section 3.1 allows far more, which
// would let an imported hash take gigabytes and minutes for every guess.
const (
	maxMemory  = 64 << 10 // KiB
	maxTime    = 4
	maxThreads = 4
	minSalt    = 8 // bytes
	maxSalt    = 64
	minTag     = 16 // bytes
	maxTag     = 64
)

const (
	phcStart = "$argon2id$v=19$"
	// maxPHC is longer than the longest hash within the limits above.
	maxPHC = 256
)

var errNotPHC = errors.New("must be an argon2id hash in PHC form: $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>")

// phc is an argon2id hash (RFC 9106, version 19) within the limits above.
type phc struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
	salt    []byte
	tag     []byte
}

// Hash returns the argon2id hash of secret, with a new salt, in PHC form, to be stored
// when the secret is made. It costs one run of argon2 (20 to 40 ms, 19 MiB). Check never
// matches a secret that is empty or longer than MaxLength, whatever its hash.
func Hash(secret string) string {
	h := phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, hashSalt)}
	rand.Read(h.salt) // never fails
	h.tag = h.derive(secret, hashTag)
	return h.String()
}

// ValidateHash returns an error if Check cannot compare with a hash. It must be
// argon2id, version 19, in canonical PHC form without keyid or data, m of 8p to 65536
// KiB, t and p of 1 to 4, a salt of 8 to 64 bytes, a tag of 16 to 64: a hash made
// elsewhere that costs more is refused. The error's text continues the name of the
// field that the hash is in, and never contains the hash.
func ValidateHash(hash string) error {
	_, err := parsePHC(hash)
	return err
}

func parsePHC(text string) (phc, error) {
	rest, ok := strings.CutPrefix(text, phcStart)
	if !ok || len(text) > maxPHC {
		return phc{}, errNotPHC
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return phc{}, errNotPHC
	}
	h, err := parseCost(parts[0])
	if err != nil {
		return phc{}, err
	}
	if h.salt, err = parseBytes("salt", parts[1], minSalt, maxSalt); err != nil {
		return phc{}, err
	}
	if h.tag, err = parseBytes("hash", parts[2], minTag, maxTag); err != nil {
		return phc{}, err
	}
	return h, nil
}

// parseCost parses m=..,t=..,p=.. in this order, which the PHC string format requires.
func parseCost(text string) (phc, error) {
	params := strings.Split(text, ",")
	if len(params) != 3 {
		return phc{}, errNotPHC
	}
	threads, err := parseParam("p", params[2], 1, maxThreads)
	if err != nil {
		return phc{}, err
	}
	time, err := parseParam("t", params[1], 1, maxTime)
	if err != nil {
		return phc{}, err
	}
	memory, err := parseParam("m", params[0], 8*threads, maxMemory) // RFC 9106 section 3.1: at least 8p
	if err != nil {
		return phc{}, err
	}
	return phc{memory: uint32(memory), time: uint32(time), threads: uint8(threads)}, nil
}

func parseParam(name, text string, least, most uint64) (uint64, error) {
	digits, ok := strings.CutPrefix(text, name+"=")
	if !ok {
		return 0, errNotPHC
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != digits || n < least || n > most {
		return 0, fmt.Errorf("has an argon2 cost out of bounds: %s must be %d to %d", name, least, most)
	}
	return n, nil
}

// parseBytes parses base64 without padding in its canonical form. It encodes the result
// again to compare, because decoders ignore line ends.
func parseBytes(name, text string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
		return nil, fmt.Errorf("has a %s that is not base64 without padding", name)
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("has a %s of %d bytes; it must be %d to %d", name, len(b), least, most)
	}
	return b, nil
}

// String returns the canonical PHC form.
func (h phc) String() string {
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", phcStart, h.memory, h.time, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.tag))
}

// matches reports whether h is the hash of secret: one run of argon2, compared in
// constant time.
func (h phc) matches(secret string) bool {
	return subtle.ConstantTimeCompare(h.derive(secret, len(h.tag)), h.tag) == 1
}

func (h phc) derive(secret string, length int) []byte {
	return argon2.IDKey([]byte(secret), h.salt, h.time, h.memory, h.threads, uint32(length))
}
