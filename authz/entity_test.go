package authz_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

var soon = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func level(n int) *int { return &n }

// full is one entity of each collection with every field set.
func full() []authz.Entity {
	head := func(id string) authz.Header {
		return authz.Header{ID: id, CreatedAt: soon, UpdatedAt: soon, Revision: 7}
	}
	return []authz.Entity{
		&authz.MachineUser{Header: head("mu:a"), Kind: "service", Origin: "internal", Tenant: "acme", Env: "prod", Owner: "core", Purpose: "p", Tier: 2, State: "active", Issuers: []string{"demo"}, AllowedCIDRs: []string{"10.0.0.0/8"}, AllowedHours: []authz.Hours{{Days: []string{"mon"}, From: "22:00", To: "24:00", Zone: "Europe/Berlin"}}, TokensValidFrom: soon, ExpiresAt: soon},
		&authz.User{Header: head("u-a"), Tenant: "acme", State: "active", Addresses: []authz.Address{{ID: "a1", Purpose: "primary", Verified: true}}, OptOuts: []string{"email.marketing"}},
		&authz.Tenant{Header: head("acme"), Name: "Acme", Plan: "business", State: "active"},
		&authz.Plan{Header: head("business"), Name: "Business"},
		&authz.Service{Header: head("svc:email"), Tier: 1, Business: 3, Security: 3, DataClass: "pii", Env: "prod", Owner: "core", RequiredLevel: authz.RequiredLevel{Internal: level(3), External: level(4)}, MaxTokenAgeS: 300},
		&authz.Edge{Header: head("mu:a/svc:email"), From: "mu:a", To: "svc:email", Actions: []string{"email.send"}, CIDRs: []string{"10.4.0.0/16"}, RequiredLevel: level(4), Mode: "enforce", Modes: map[string]string{"network": "observe"}, Exceptions: []authz.Exception{{Code: "AUTH_TOO_WEAK", Until: soon, Owner: "core", Reason: "r"}}, Reason: "r", Owner: "core", ExpiresAt: soon},
		&authz.Entitlement{Header: head("user:u-a/email.x"), Holder: "user:u-a", Feature: "email.x", Effect: "grant", AddressPurpose: "billing", Attributes: map[string]string{"k": "v"}, NotBefore: soon.Add(-time.Hour), ExpiresAt: soon, Source: "support"},
		&authz.Credential{Header: head("cred-1"), MachineUser: "mu:a", Kind: "public_key", Generation: 2, State: "active", NotBefore: soon, NotAfter: soon.Add(time.Hour), Keys: json.RawMessage(`{"keys":[]}`), LastUsedAt: soon, LastUsedFrom: "10.0.0.1"},
		&authz.RotationSet{Header: head("email-pair"), Members: []string{"mu:a", "mu:b"}, Kind: "shared_secret", Shared: true, QuietS: 60, Owner: "messaging"},
		&authz.Rotation{Header: head("email-pair"), Phase: "drain", Kind: "shared_secret", QuietS: 60, Members: []authz.RotationMember{{MachineUser: "mu:a", Old: []string{"c1"}, New: "c2"}}, Steps: []authz.RotationStep{{Step: "switch", At: soon, By: "operator", Forced: true}}},
		&authz.Issuer{Header: head("demo"), URL: "https://issuer.example", Kind: "jwt", JWKSURL: "https://issuer.example/jwks", Algorithms: []string{"ES256"}, Audiences: []string{"us"}, Types: []string{"at+jwt"}, Claims: authz.ClaimMapping{Subject: "sub", Tenant: "tenant", Env: "env", Scope: "scope", Methods: "amr", Credential: "credential_id"}, FreshForS: 600, UsableForS: 86400, LeewayS: 5, Own: true},
		&authz.Revocation{Header: head("subject/mu:a"), Listed: authz.Listed{By: "subject", Of: "mu:a", Reason: "r"}, IssuedBefore: soon, Until: soon},
		&authz.Renewal{Header: head("subject/mu:a"), Listed: authz.Listed{By: "subject", Of: "mu:a", Reason: "r"}, IssuedBefore: soon, Deadline: soon, Until: soon},
		&authz.APIKey{Header: head("k1"), Name: "pep", Hash: strings.Repeat("a", 64), Roles: []authz.Role{authz.RoleDecide}, Revoked: true, ExpiresAt: soon},
	}
}

func TestEntitiesSurviveJSON(t *testing.T) {
	seen := map[authz.Collection]bool{}
	for _, entity := range full() {
		c := entity.Collection()
		seen[c] = true
		t.Run(string(c), func(t *testing.T) {
			entity.Normalize()
			if err := entity.Validate(); err != nil {
				t.Fatal(err)
			}
			data, err := ijson.Marshal(entity)
			if err != nil {
				t.Fatal(err)
			}
			again := c.New()
			if err := ijson.Unmarshal(data, again); err != nil {
				t.Fatalf("%s: got error %v; want no error", data, err)
			}
			if diff := cmp.Diff(entity, again, cmp.AllowUnexported(authz.MachineUser{}, authz.User{}, authz.Tenant{}, authz.Plan{}, authz.Service{}, authz.Credential{}, authz.RotationSet{}, authz.Rotation{}, authz.Issuer{}, authz.APIKey{})); diff != "" {
				t.Error(diff)
			}
			for _, filter := range c.Filters() {
				if entity.Field(filter) == "" {
					t.Errorf("filter %s has no value", filter)
				}
			}
			if err := c.ValidateKey(entity.Head().ID); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range authz.AllCollections() {
		if !seen[c] {
			t.Errorf("no sample of %s", c)
		}
	}
}
