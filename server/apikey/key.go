package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

const (
	prefix       = "vk_"
	secretBytes  = 32
	secretLength = 43 // of secretBytes in unpadded base64
)

// New mints a key for id, which must be a valid id. The key is to be shown once
// and forgotten; hash is what authz.APIKey.Hash keeps.
func New(id string) (key, hash string) {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: crypto/rand ends the process first
	key = prefix + id + "_" + base64.RawURLEncoding.EncodeToString(secret)
	return key, Hash(key)
}

// Hash is the lower-case hex SHA-256 of key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// ID is the id in a key's text; ok is false when the text is not a key's. It
// says nothing about whether the key is valid.
func ID(key string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	cut := len(rest) - secretLength - 1
	if !ok || cut < 1 || rest[cut] != '_' {
		return "", false
	}
	id = rest[:cut]
	return id, authz.ValidateID("id", id) == nil
}
