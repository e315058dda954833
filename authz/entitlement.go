package authz

import (
	"strings"
	"time"
)

// Effects of an entitlement.
const (
	EffectGrant    = "grant"
	EffectWithhold = "withhold"
)

// Entitlements are the grants and withholdings of features.
const Entitlements Collection = "entitlements"

// There are many users, so what they hold themselves is read from disk.
var entitlementKind = Kind{
	Collection: Entitlements, Code: 7, New: func() Entity { return new(Entitlement) },
	One: "entitlement", About: "What a user, tenant or plan is owed, or explicitly not.",
	First: "holder", Second: "feature", Example: "plan:business/email.invoice.issued",
	Filters: []string{"holder", "feature", "source"},
	Columns: []string{"effect", "address_purpose", "source", "expires_at"},
	Fact:    true, Hot: []string{"plan:", "tenant:"},
}

// Entitlement is what a user, tenant or plan is owed, or explicitly not. Its id
// is "holder/feature". Rego: data.entitlements[holder][feature].
type Entitlement struct {
	Header
	Holder  string `json:"holder"`  // "user:u-ana", "tenant:acme", "plan:business"
	Feature string `json:"feature"` // "email.invoice.issued"
	Effect  string `json:"effect"`  // grant, withhold
	// AddressPurpose names which of the recipient's addresses to use; empty
	// leaves it to the policy.
	AddressPurpose string            `json:"address_purpose,omitempty"`
	Attributes     map[string]string `json:"attributes,omitempty"` // free, for authors' own guards
	NotBefore      time.Time         `json:"not_before,omitzero"`
	ExpiresAt      time.Time         `json:"expires_at,omitzero"`
	Source         string            `json:"source,omitempty"` // where the grant came from
}

// Collection is Entitlements.
func (*Entitlement) Collection() Collection { return Entitlements }

// Field implements Entity.
func (e *Entitlement) Field(name string) string {
	switch name {
	case "holder":
		return e.Holder
	case "feature":
		return e.Feature
	case "source":
		return e.Source
	}
	return ""
}

// Expires implements Entity.
func (e *Entitlement) Expires() time.Time { return e.ExpiresAt }

// Place implements Paired.
func (e *Entitlement) Place(holder, feature string) {
	defaultTo(&e.Holder, holder)
	defaultTo(&e.Feature, feature)
}

// Normalize derives the id and makes an effect left out a grant.
func (e *Entitlement) Normalize() {
	defaultTo(&e.ID, PairKey(e.Holder, e.Feature))
	defaultTo(&e.Effect, EffectGrant)
}

// Validate implements Entity.
func (e *Entitlement) Validate() error {
	kind, id, ok := strings.Cut(e.Holder, ":")
	if !ok || id == "" || kind != "user" && kind != "tenant" && kind != "plan" {
		return Invalid("holder", "must be user:<id>, tenant:<id> or plan:<id>")
	}
	err := firstError(
		ValidateID("holder", e.Holder),
		ValidateID("feature", e.Feature),
		validatePairID(e.ID, "holder", e.Holder, "feature", e.Feature),
		validateOneOf("effect", e.Effect, EffectGrant, EffectWithhold),
		validateOptionalID("address_purpose", e.AddressPurpose),
		validateText("source", e.Source),
	)
	if err != nil {
		return err
	}
	if !e.NotBefore.IsZero() && !e.ExpiresAt.IsZero() && !e.NotBefore.Before(e.ExpiresAt) {
		return Invalid("expires_at", "is not after not_before, so the entitlement would never hold")
	}
	for name, value := range e.Attributes {
		if err := firstError(ValidateID("attributes", name), validateText("attributes."+name, value)); err != nil {
			return err
		}
	}
	return nil
}
