package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Finder finds stored API keys by id.
type Finder interface {
	// APIKey finds a key, revoked and expired ones too. The result is shared
	// and is not changed.
	APIKey(ctx context.Context, id string) (key *authz.APIKey, ok bool, err error)
}

// Authenticator knows callers by the API key in their authorization header, or in what
// their protocol has in its place. It is safe for concurrent use.
type Authenticator struct {
	Keys Finder
	Now  func() time.Time
}

// Authenticate finds who sent a request with the given values of its authorization
// header. It returns a CodeUnauthenticated error when no key is valid, and the Finder's
// own error when that could not be found out.
func (a *Authenticator) Authenticate(ctx context.Context, authorization []string) (authz.Caller, error) {
	text, err := bearer(authorization)
	if err != nil {
		return authz.Caller{}, err
	}
	id, ok := ID(text)
	if !ok {
		return authz.Caller{}, refused("is not an API key; one looks like vk_<id>_<secret>")
	}
	key, known, err := a.Keys.APIKey(ctx, id)
	if err != nil {
		return authz.Caller{}, err
	}
	if !known {
		key = &authz.APIKey{Hash: noHash}
	}
	if !matches(key.Hash, text) || !known {
		return authz.Caller{}, refused("is not a valid API key")
	}
	if key.Revoked {
		return authz.Caller{}, refused("is an API key that was revoked; ask an operator for another")
	}
	if !key.ExpiresAt.IsZero() && !a.Now().Before(key.ExpiresAt) {
		return authz.Caller{}, refused("is an API key that has expired; ask an operator for another")
	}
	return authz.Caller{ID: key.ID, Name: key.Name, Roles: key.Roles}, nil
}

// noHash has the form of a hash, so that comparing with it costs what comparing
// with a stored one costs. Its result is never used.
var noHash = strings.Repeat("0", 2*sha256.Size)

func matches(hash, key string) bool {
	sum := sha256.Sum256([]byte(key))
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return subtle.ConstantTimeCompare(text[:], []byte(hash)) == 1
}

// bearer takes the credentials out of the one value of the header (RFC 6750
// section 2.1; the scheme has no case, RFC 9110 section 11.1).
func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", refused("is missing; send Authorization: Bearer <API key>")
	}
	if len(values) > 1 {
		return "", refused("is there more than once; send it once")
	}
	scheme, credentials, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", refused("has another scheme than Bearer; send Authorization: Bearer <API key>")
	}
	return strings.Trim(credentials, " "), nil
}

func refused(message string) error {
	return &authz.Error{Code: authz.CodeUnauthenticated, Field: "Authorization", Message: message}
}
