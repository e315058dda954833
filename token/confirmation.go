package token

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/verdict-pdp/verdict/authz"
)

// What a caller can do about a binding.
const (
	fixBinding = "Send the token with the proof it is bound to: the client certificate (x5t#S256) or a DPoP proof (jkt)."
	fixProof   = "Make a new DPoP proof for this very request (RFC 9449 section 4.2) and send it with the method and URL the service received."
)

// confirmation names the keys a token is bound to. A token with both is bound to
// both.
type confirmation struct {
	thumbprint string // x5t#S256 of a client certificate (RFC 8705 section 3.1), or ""
	jkt        string // RFC 7638 thumbprint of a DPoP key (RFC 9449 section 6.1), or ""
}

// readConfirmation reads cnf (RFC 7800) out of a payload; ok is false when there
// is none. A cnf that names anything beside what is understood here is a fault: a
// bound token must never pass as a bearer token, nor as one bound to less.
func readConfirmation(payload object) (c confirmation, ok bool, fault *authz.Fault) {
	value := payload.get("cnf")
	if value == nil {
		return confirmation{}, false, nil
	}
	members, err := readObject(value)
	if err != nil || len(members) == 0 {
		return confirmation{}, false, unsupportedBinding()
	}
	for _, m := range members {
		named, valid := text(m.value)
		if !valid || !isSHA256(named) {
			return confirmation{}, false, unsupportedBinding()
		}
		switch m.name {
		case authz.BindingCertificate:
			c.thumbprint = named
		case authz.BindingProof:
			c.jkt = named
		default:
			return confirmation{}, false, unsupportedBinding()
		}
	}
	return c, true, nil
}

func unsupportedBinding() *authz.Fault {
	return mismatch("unsupported_binding",
		"The token is bound to a key of its sender (cnf) in a way that cannot be checked here; only x5t#S256 and jkt can.",
		"Have the issuer bind its tokens to a client certificate (RFC 8705) or a DPoP key (RFC 9449).")
}

// mismatch is the fault of a token whose sender did not prove the key it is
// bound to.
func mismatch(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.TokenBindingMismatch, Cause: cause, Message: message, Fix: fix}
}

// Thumbprint is the x5t#S256 of a certificate's DER (RFC 8705 section 3.1).
func Thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isSHA256 says whether encoded is the one base64url spelling of 32 bytes.
func isSHA256(encoded string) bool {
	if len(encoded) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return false
	}
	sum, err := strict.DecodeString(encoded)
	return err == nil && len(sum) == sha256.Size
}
