package tokenservice

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/token"
)

// algorithm is the one tokens are signed with.
const algorithm = "ES256"

// schema is the version of key files. The first one had no schema, and alone for
// drops_earlier.
const schema = 2

// record is a key as its file has it. It is secret.
type record struct {
	Schema   int `json:"schema"`
	Sequence int `json:"sequence"` // 1, 2, 3 ... in the order of making
	// DropsEarlier says that no key made before it counts any more.
	DropsEarlier bool `json:"drops_earlier,omitzero"`
	// SignsFrom is when the key begins to sign; zero until it has been published.
	SignsFrom time.Time       `json:"signs_from,omitzero"`
	Key       json.RawMessage `json:"key"` // private JWK
}

// key is one key of the ring. It is immutable.
type key struct {
	record
	signer *token.Signer
	jwk    json.RawMessage // public
}

// String and GoString keep the private key out of logs and errors.
func (*key) String() string   { return "[signing key]" }
func (*key) GoString() string { return "[signing key]" }

// makeKey makes a key that has not been published.
func makeKey(sequence int, dropsEarlier bool) (*key, error) {
	signer, err := token.NewSigner(algorithm)
	if err != nil {
		return nil, err
	}
	private, err := signer.MarshalPrivate()
	if err != nil {
		return nil, errors.New("the signing key cannot be written as a JWK") // the cause might quote it
	}
	return keyOf(record{Schema: schema, Sequence: sequence, DropsEarlier: dropsEarlier, Key: private})
}

// keyOf reads the key of a record. The error never quotes it.
func keyOf(r record) (*key, error) {
	signer, err := token.ParseSigner(r.Key)
	if err != nil {
		return nil, err
	}
	if signer.Algorithm() != algorithm {
		return nil, errors.New("the signing key is not for " + algorithm)
	}
	document, err := signer.PublicSet()
	if err != nil {
		return nil, err
	}
	var set keySet
	if err := ijson.Unmarshal(document, &set); err != nil {
		return nil, err
	}
	return &key{record: r, signer: signer, jwk: set.Keys[0]}, nil
}

// keySet is a JWK Set (RFC 7517).
type keySet struct {
	Keys []json.RawMessage `json:"keys"`
}

// signingFrom is the key with the time from which it may sign.
func (k *key) signingFrom(from time.Time) *key {
	next := *k
	next.SignsFrom = from.Round(0).UTC()
	return &next
}

// signs reports whether the key's time to sign has come.
func (k *key) signs(now time.Time) bool {
	return !k.SignsFrom.IsZero() && !now.Before(k.SignsFrom)
}
