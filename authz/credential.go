package authz

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Kinds of credentials.
const (
	KindSharedSecret = "shared_secret" // a secret, kept as its salted hash
	KindPublicKey    = "public_key"    // a key pair whose public half is in Keys (private_key_jwt)
	KindCertificate  = "certificate"   // a client certificate, known by its Names
	KindFederated    = "federated"     // a subject of an issuer that has names of its own, known by Names
)

// States of a credential.
//
//	pending -> active -> retiring -> retired
//	   any of them -> revoked; past not_after: expired
//
// Pending, active and retiring ones are accepted. Pending: handed out, its holder
// has yet to use it. Retiring: on its way out, its use is reported. Retired and
// revoked are final.
const (
	CredentialPending  = "pending"
	CredentialActive   = StateActive
	CredentialRetiring = "retiring"
	CredentialRetired  = "retired"
	CredentialRevoked  = "revoked"
	CredentialExpired  = StateExpired
)

// Prefixes of a credential's names.
const (
	NameThumbprint = "x5t:" // base64url SHA-256 of one certificate's DER
	NameDNS        = "dns:" // a DNS SAN
	NameURI        = "uri:" // a URI SAN, SPIFFE ids aside
	NameSPIFFE     = "spiffe://"
)

// Credentials are the registered credentials of machine users.
const Credentials Collection = "credentials"

var credentialKind = Kind{
	Collection: Credentials, Code: 8, New: func() Entity { return new(Credential) },
	One: "credential", About: "A long-lived proof of a machine user; never its secret. No policy sees it.",
	Filters: []string{"machine_user", "kind", "state"},
	Columns: []string{"machine_user", "kind", "generation", "state", "not_after"},
	Hot:     everyKey,
}

// Credential is a long-lived proof of a machine user, with a generation. No
// policy sees it whole; Verdict never stores a secret, only its hash.
type Credential struct {
	Header
	MachineUser string    `json:"machine_user"`
	Kind        string    `json:"kind"`       // see the Kind constants
	Generation  int       `json:"generation"` // 1, 2, 3 ...
	State       string    `json:"state"`      // see the Credential constants
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"`
	// Issuer is the id of the issuer that gave the names of a federated credential or
	// a certificate; required with Names other than thumbprints.
	Issuer string `json:"issuer,omitempty"`
	// Names are what the issuer calls the machine user: for a federated credential
	// values of the subject claim, for a certificate a SPIFFE id, "dns:..", "uri:.."
	// or "x5t:..". Any one of them is enough.
	Names []string `json:"names,omitempty"`
	// Keys is a JWK Set (RFC 7517) of public keys, for a public key.
	Keys json.RawMessage `json:"keys,omitempty"`
	// SecretHash is the salted hash of a shared secret, in PHC string format.
	// No response contains it; exports and backups do.
	SecretHash string `json:"secret_hash,omitempty"`
	// LastUsedAt and LastUsedFrom are written by Verdict, coalesced: at once for the
	// first use, then about once a minute.
	LastUsedAt   time.Time `json:"last_used_at,omitzero"`
	LastUsedFrom string    `json:"last_used_from,omitempty"`
	noExpiry
}

// Redacted implements Redactor: it leaves the hash of the secret out.
func (c *Credential) Redacted() Entity {
	without := *c
	without.SecretHash = ""
	return &without
}

// Collection is Credentials.
func (*Credential) Collection() Collection { return Credentials }

// Field implements Entity.
func (c *Credential) Field(name string) string {
	switch name {
	case "machine_user":
		return c.MachineUser
	case "kind":
		return c.Kind
	case "state":
		return c.State
	}
	return ""
}

// AcceptedAt reports whether the credential is accepted at a time.
func (c *Credential) AcceptedAt(at time.Time) bool {
	return c.Accepted() && !at.Before(c.NotBefore) && !c.OverAt(at)
}

// OverAt reports whether the credential has passed its not_after.
func (c *Credential) OverAt(at time.Time) bool {
	return !c.NotAfter.IsZero() && !at.Before(c.NotAfter)
}

// Accepted reports whether a credential in this state is accepted.
func (c *Credential) Accepted() bool {
	switch c.State {
	case CredentialPending, CredentialActive, CredentialRetiring:
		return true
	}
	return false
}

// Normalize makes a state left out active and a generation left out the first.
func (c *Credential) Normalize() {
	defaultTo(&c.State, CredentialActive)
	if c.Generation == 0 {
		c.Generation = 1
	}
}

// Succeed implements Successor: the machine user and the kind of a credential never
// change; a hash and a last use that a writer left out are kept; and a retired or revoked
// credential stays so.
func (c *Credential) Succeed(previous Entity, _ time.Time) error {
	was := previous.(*Credential)
	if c.MachineUser != was.MachineUser {
		return Invalid("machine_user", "of a credential is settled: this one is of "+was.MachineUser+"; make a new credential instead")
	}
	if c.Kind != was.Kind {
		return Invalid("kind", "of a credential is settled: this one is a "+was.Kind+"; make a new credential instead")
	}
	if was.State == CredentialRevoked && c.State != CredentialRevoked || was.State == CredentialRetired && c.State != CredentialRetired && c.State != CredentialRevoked {
		return Invalid("state", "is final once it is "+was.State+"; make a new generation instead")
	}
	if c.SecretHash == "" {
		c.SecretHash = was.SecretHash
	}
	if c.LastUsedAt.Before(was.LastUsedAt) {
		c.LastUsedAt, c.LastUsedFrom = was.LastUsedAt, was.LastUsedFrom
	}
	return nil
}

// maxNames bounds Credential.Names.
const maxNames = 16

// Validate implements Entity. Keys and hash are checked by the rooms that use
// them, before the credential is stored.
func (c *Credential) Validate() error {
	err := firstError(
		ValidateID("id", c.ID),
		ValidateID("machine_user", c.MachineUser),
		validateOneOf("kind", c.Kind, KindSharedSecret, KindPublicKey, KindCertificate, KindFederated),
		validateRange("generation", c.Generation, 1, 1<<30),
		validateOneOf("state", c.State, CredentialPending, CredentialActive, CredentialRetiring, CredentialRetired, CredentialRevoked, CredentialExpired),
		validateOptionalID("issuer", c.Issuer),
		validateText("last_used_from", c.LastUsedFrom),
		c.validateNames(),
		c.validateMaterial(),
	)
	if err != nil {
		return err
	}
	if !c.NotAfter.IsZero() && !c.NotBefore.Before(c.NotAfter) {
		return Invalid("not_after", "is not after not_before")
	}
	return nil
}

func (c *Credential) validateNames() error {
	if len(c.Names) > maxNames {
		return Invalid("names", "has more than "+strconv.Itoa(maxNames)+" entries")
	}
	for i, name := range c.Names {
		field := "names[" + strconv.Itoa(i) + "]"
		if name == "" {
			return Invalid(field, "is empty")
		}
		if err := validateText(field, name); err != nil {
			return err
		}
		if slices.Contains(c.Names[:i], name) {
			return Invalid(field, "is a name given twice")
		}
		if !isThumbprintName(name) && c.Issuer == "" {
			return Invalid("issuer", "is required with names: a name means somebody only together with who gave it")
		}
	}
	return nil
}

func isThumbprintName(name string) bool {
	return len(name) > len(NameThumbprint) && name[:len(NameThumbprint)] == NameThumbprint
}

// validateMaterial returns an error for members that this kind of credential does not use.
func (c *Credential) validateMaterial() error {
	switch {
	case c.SecretHash != "" && c.Kind != KindSharedSecret:
		return Invalid("secret_hash", "belongs to a shared_secret")
	case len(c.Keys) > 0 && c.Kind != KindPublicKey:
		return Invalid("keys", "belong to a public_key")
	case len(c.Names) > 0 && c.Kind != KindCertificate && c.Kind != KindFederated:
		return Invalid("names", "belong to a certificate or a federated credential")
	case c.Issuer != "" && c.Kind != KindCertificate && c.Kind != KindFederated:
		return Invalid("issuer", "belongs to a certificate or a federated credential")
	}
	return nil
}
