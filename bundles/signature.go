package bundles

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/verdict-pdp/verdict/ijson"
)

// signature is the content of .signatures.json, parsed strictly. Nothing about
// it is known to be true before verify.
type signature struct {
	jws     string
	header  signatureHeader
	payload signaturePayload
}

// signatureHeader is the JOSE header, RFC 7515 section 4.1. Members that would
// bring a key along are ignored: keys are configured.
type signatureHeader struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
	Encoded   json.RawMessage `json:"b64"`
}

// signaturePayload is what OPA signs. Other claims are the signer's own.
type signaturePayload struct {
	Files    []signedFile `json:"files"`
	Scope    string       `json:"scope"`
	SignedAt int64        `json:"iat"`
	KeyID    string       `json:"keyid"` // an older place for kid
}

type signedFile struct {
	Name      string `json:"name"`
	Hash      string `json:"hash"` // hexadecimal
	Algorithm string `json:"algorithm"`
}

// maxSignedAt is the end of the year 9999; above it are times that were not given
// in seconds, which nothing signed later could follow.
const maxSignedAt = 253402300799

func unverified(message, fix string) error {
	return Problems{{File: signaturesName, Message: message, Fix: fix}}.err()
}

// parseSignature reads .signatures.json, which must hold exactly one JWS in
// compact form made by OPA's own signer.
func parseSignature(content []byte) (signature, error) {
	var file struct {
		Signatures []string `json:"signatures"`
		Plugin     string   `json:"plugin"`
	}
	if err := ijson.Unmarshal(content, &file); err != nil {
		return signature{}, unverified(explained(err), "sign the bundle with `opa sign`")
	}
	switch {
	case len(file.Signatures) != 1:
		return signature{}, unverified("has "+strconv.Itoa(len(file.Signatures))+" signatures", "sign the bundle once; for a change of keys, configure the old and the new one")
	case file.Plugin != "" && file.Plugin != "_default":
		return signature{}, unverified("was made by the signing plugin "+strconv.Quote(file.Plugin), "sign without --signing-plugin")
	}
	s := signature{jws: file.Signatures[0]}
	parts := strings.Split(s.jws, ".")
	if len(parts) != 3 {
		return signature{}, unverified("does not hold a JWS in compact form", "sign the bundle with `opa sign`")
	}
	if err := errors.Join(decodePart(parts[0], &s.header), decodePart(parts[1], &s.payload)); err != nil {
		return signature{}, unverified("holds a JWS that cannot be read: "+err.Error(), "sign the bundle with `opa sign`")
	}
	return s, s.check()
}

// decodePart reads one part of a JWS, which must be base64url without padding in
// its one canonical form.
func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return ijson.UnmarshalOpen(text, v)
}

// check refuses what no signature may say, whichever key it is by.
func (s *signature) check() error {
	switch {
	case s.header.Critical != nil || s.header.Encoded != nil:
		return unverified("uses the JWS extensions crit or b64, which are not supported", "sign without them")
	case s.payload.SignedAt < 0 || s.payload.SignedAt > maxSignedAt:
		return unverified("has an iat that is no time in Unix seconds", "sign with the time in seconds since 1970")
	}
	for _, f := range s.payload.Files {
		if !strongHash(f.Algorithm) {
			return unverified("lists "+strconv.Quote(f.Name)+" with the hash "+strconv.Quote(f.Algorithm), "hash files with SHA-256, SHA-384, SHA-512 or SHA-512-256")
		}
	}
	return nil
}

// strongHash reports whether a hash resists collisions as SHA-256 does.
func strongHash(name string) bool {
	switch bundle.HashingAlgorithm(name) {
	case bundle.SHA256, bundle.SHA384, bundle.SHA512, bundle.SHA512256:
		return true
	}
	return false
}

// verify returns the key that made the signature. The algorithm is that of the
// key; the header's must be the same.
func (s *signature) verify(v Verification) (Key, error) {
	if len(v.Keys) == 0 {
		return Key{}, unverified("cannot be verified, because no key is configured", "configure the public key the bundle was signed with")
	}
	keys := s.candidates(v.Keys)
	if len(keys) == 0 {
		return Key{}, unverified("is signed with the key "+strconv.Quote(s.keyID())+", which is not configured", "sign with one of "+quoted(v.Keys)+", or configure the key")
	}
	var faults []string
	for _, key := range keys {
		fault := s.fault(key, v.scope(key))
		if fault == "" {
			return key, nil
		}
		faults = append(faults, "with the key "+strconv.Quote(key.ID)+" "+fault)
	}
	return Key{}, unverified("does not verify: "+strings.Join(faults, "; "), "sign the bundle with one of the keys that are configured")
}

// candidates are the keys the signature may have been made with.
func (s *signature) candidates(keys []Key) []Key {
	if s.keyID() == "" {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.ID != s.keyID() })
}

func (s *signature) keyID() string {
	if s.header.KeyID != "" {
		return s.header.KeyID
	}
	return s.payload.KeyID
}

func quoted(keys []Key) string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = strconv.Quote(k.ID)
	}
	return strings.Join(ids, ", ")
}

// fault is why the signature was not made with key; empty when it was.
func (s *signature) fault(key Key, scope string) string {
	switch {
	case s.header.Algorithm != key.Algorithm:
		return "its algorithm is " + strconv.Quote(s.header.Algorithm) + ", not " + key.Algorithm
	case s.payload.Scope != scope:
		return "its scope is " + strconv.Quote(s.payload.Scope) + ", not " + strconv.Quote(scope)
	}
	config := bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{
		key.ID: {Key: key.PEM, Algorithm: key.Algorithm, Scope: scope},
	}, key.ID, scope, nil)
	if _, err := bundle.VerifyBundleSignature(bundle.SignaturesConfig{Signatures: []string{s.jws}}, config); err != nil {
		return "it was not made"
	}
	return ""
}

// covers refuses files that are not what was signed: each must be listed, as it
// is, and each that is listed must be there.
func (s *signature) covers(files []File) error {
	signed := make(map[string]bundle.FileInfo, len(s.payload.Files)) // :: path -> what was signed
	var problems Problems
	for _, f := range s.payload.Files {
		if _, twice := signed[f.Name]; twice {
			problems = append(problems, Problem{File: signaturesName, Message: "lists " + strconv.Quote(f.Name) + " twice", Fix: "sign the bundle again"})
		}
		signed[f.Name] = bundle.FileInfo{Name: f.Name, Hash: f.Hash, Algorithm: f.Algorithm}
	}
	for _, f := range files {
		if _, ok := signed[f.Path]; !ok {
			problems = append(problems, Problem{File: f.Path, Message: "is not signed", Fix: "remove it, or sign the bundle again with it"})
			continue
		}
		if err := bundle.VerifyBundleFile(f.Path, *bytes.NewBuffer(f.Bytes), signed); err != nil {
			problems = append(problems, Problem{File: f.Path, Message: "is not what was signed", Fix: "put the signed file back, or sign the bundle again"})
		}
		delete(signed, f.Path)
	}
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		problems = append(problems, Problem{File: name, Message: "is signed and is not in the bundle", Fix: "put it back, or sign the bundle again without it"})
	}
	return problems.err()
}
