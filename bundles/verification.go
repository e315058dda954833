package bundles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Verification says whose bundles are accepted. The zero value takes unsigned
// bundles and refuses signed ones, which it has no key for.
type Verification struct {
	Required bool // refuse bundles that are not signed
	Keys     []Key
	Scope    string // scope signatures must carry; empty: that of the key
}

// Validate refuses keys that cannot verify, or that must not: shared secrets,
// private keys, ids that stand twice; and a requirement that nothing could meet. The
// error is an *authz.Error, CodeInvalid.
func (v Verification) Validate() error {
	if v.Required && len(v.Keys) == 0 {
		return authz.Invalid("keys", "is empty, so that no bundle could be accepted; add the public key bundles are signed with")
	}
	for i, key := range v.Keys {
		field := "keys[" + strconv.Itoa(i) + "]"
		if err := key.validate(field); err != nil {
			return err
		}
		if slices.ContainsFunc(v.Keys[:i], func(k Key) bool { return k.ID == key.ID }) {
			return authz.Invalid(field+".id", strconv.Quote(key.ID)+" stands twice; give every key an id of its own")
		}
	}
	return nil
}

// scope is what signatures made with key must carry.
func (v Verification) scope(key Key) string {
	if v.Scope != "" {
		return v.Scope
	}
	return key.Scope
}

// Accepted is what was accepted last of a bundle's name. The zero value: nothing.
type Accepted struct {
	Signed   bool   `json:"signed,omitempty"`
	SignedAt int64  `json:"signed_at,omitzero"`
	Revision string `json:"revision,omitempty"`
	Digest   string `json:"digest,omitempty"`
}

// Verified is a package that may be compiled. Only Verify, Trusted and Stored
// make one: CompileSet refuses any other, the zero value with them, and one whose
// Package was replaced.
type Verified struct {
	Package
	SignedBy string // id of the key; empty when it is not signed
	SignedAt int64  // its iat, Unix seconds; 0 when it has none

	accepted string // Digest of the package that was held to be so
}

// Verify holds a package to v, and to before, which was accepted of its name.
// Refused are:
//
//   - a package that is not signed, when signatures are required or before was
//     signed;
//   - a signed one that is not signed by one of the keys, with the algorithm of
//     that key and the scope that is asked for. A signature that names a key is
//     tried with that key alone; one that names none, with every key;
//   - one with a file that is not signed, differs from what was signed or is
//     missing, or that was hashed with less than SHA-256;
//   - one older than before: signed earlier, no longer saying when, or with a
//     smaller revision where both are whole numbers. The same digest as before is
//     not older.
//
// The error is an *authz.Error, CodeInvalid, whose Problems name the files.
func (p Package) Verify(v Verification, before Accepted) (Verified, error) {
	if err := v.Validate(); err != nil {
		return Verified{}, err
	}
	verified := Verified{Package: p, accepted: p.Digest}
	if p.Signatures == nil {
		if err := mayBeUnsigned(v, before); err != nil {
			return Verified{}, err
		}
	} else {
		s, err := parseSignature(p.Signatures)
		if err != nil {
			return Verified{}, err
		}
		key, err := s.verify(v)
		if err != nil {
			return Verified{}, err
		}
		if err := s.covers(p.Files); err != nil {
			return Verified{}, err
		}
		verified.SignedBy, verified.SignedAt = key.ID, s.payload.SignedAt
	}
	if err := verified.follows(before); err != nil {
		return Verified{}, err
	}
	return verified, nil
}

func mayBeUnsigned(v Verification, before Accepted) error {
	switch {
	case v.Required:
		return unsigned("is missing; bundles must be signed")
	case before.Signed:
		return unsigned("is missing; this bundle was signed before, so that it must stay signed")
	}
	return nil
}

func unsigned(message string) error {
	return Problems{{File: signaturesName, Message: message, Fix: "sign it with `opa sign --bundle` or `opa build --bundle --signing-key`"}}.err()
}

// follows refuses what is older than what was accepted before.
func (v Verified) follows(before Accepted) error {
	switch {
	case before.Digest != "" && v.Digest == before.Digest:
		return nil
	case v.SignedAt == 0 && before.SignedAt != 0:
		return Problems{{
			File: signaturesName, Message: "does not say when it was signed, and the bundle accepted before does: " + instant(before.SignedAt),
			Fix: "sign it with the claim iat, the time in Unix seconds",
		}}.err()
	case v.SignedAt < before.SignedAt:
		return Problems{{
			File: signaturesName, Message: "was signed at " + instant(v.SignedAt) + ", before the bundle accepted last, " + instant(before.SignedAt),
			Fix: "sign what should be active now; to go back, use verdict bundle rollback",
		}}.err()
	case lessWhole(v.Manifest.Revision, before.Revision):
		return Problems{{
			File: manifestName, Message: "has revision " + v.Manifest.Revision + ", before the bundle accepted last, " + before.Revision,
			Fix: "raise the revision; to go back, use verdict bundle rollback",
		}}.err()
	}
	return nil
}

func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// lessWhole reports whether both are whole numbers, of any length, and a is less.
func lessWhole(a, b string) bool {
	if !whole(a) || !whole(b) {
		return false
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

func whole(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Trusted is p without a look at signatures. It is for the bundles Verdict makes
// itself and for nothing else: the base policies in its binary, and the modes
// bundle of ModesPackage.
func Trusted(p Package) Verified { return Verified{Package: p, accepted: p.Digest} }

// Stored is p as it was accepted when it was put away under ref: keys may have
// been taken away since. It is for a caller that keeps accepted bundles on a disk of
// their own. The error, CodeInvalid, says that p is not what was put away.
func Stored(p Package, ref authz.BundleRef) (Verified, error) {
	if ref.Digest == "" || p.Digest != ref.Digest {
		return Verified{}, Problems{{File: bundleFile, Message: fmt.Sprintf("is %s, and not %s, which was put away", p.Digest, ref.Digest), Fix: "push the bundle again"}}.err()
	}
	return Verified{Package: p, SignedBy: ref.SignedBy, SignedAt: ref.SignedAt, accepted: p.Digest}, nil
}

// Accepted is what the next bundle of this name is held to.
func (v Verified) Accepted() Accepted {
	return Accepted{Signed: v.SignedBy != "", SignedAt: v.SignedAt, Revision: v.Manifest.Revision, Digest: v.Digest}
}

// Ref describes v, which came from source, as the bundle name of a generation.
func (v Verified) Ref(name, source string) authz.BundleRef {
	return authz.BundleRef{
		Name: name, Digest: v.Digest, Bytes: int64(len(v.Packed)), Revision: v.Manifest.Revision,
		Roots: slices.Clone(v.Manifest.Roots), Source: source, SignedBy: v.SignedBy, SignedAt: v.SignedAt,
	}
}
