package events_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/events"
	"github.com/verdict-pdp/verdict/test/vectors"
)

// publicSets are the whole security event tokens among the examples of SSF 1.0 and
// CAEP 1.0, in order; the test is skipped where there are none.
func publicSets(t *testing.T) []authz.SecurityEvent {
	t.Helper()
	var file struct {
		Examples []struct {
			JSON json.RawMessage `json:"json"`
		} `json:"examples"`
	}
	if err := json.Unmarshal(vectors.Read(t, "oauth/ssf-caep-examples.json"), &file); err != nil {
		t.Fatal(err)
	}
	var sets []authz.SecurityEvent
	for _, example := range file.Examples {
		var claims struct {
			Issuer    string                     `json:"iss"`
			JTI       string                     `json:"jti"`
			IssuedAt  int64                      `json:"iat"`
			SubjectID json.RawMessage            `json:"sub_id"`
			Events    map[string]json.RawMessage `json:"events"`
		}
		if err := json.Unmarshal(example.JSON, &claims); err != nil || claims.Issuer == "" || len(claims.Events) != 1 {
			continue // some are lists, or parts of a token
		}
		e := authz.SecurityEvent{Issuer: idp(), JTI: claims.JTI, IssuedAt: time.Unix(claims.IssuedAt, 0), SubjectID: claims.SubjectID}
		e.Issuer.URL = claims.Issuer
		for e.Type, e.Payload = range claims.Events {
		}
		sets = append(sets, e)
	}
	return sets
}

// knownByAllNames is a machine user that goes by every name in the examples.
func knownByAllNames() authz.Entity {
	return &authz.Credential{
		Header: authz.Header{ID: "fed-known"}, MachineUser: "mu:known", Kind: authz.KindFederated, Issuer: "idp",
		Names: []string{
			"dMTlD|1600802906337.16|16008.16", "99beb27c-c1c2-4955-882a-e0dc4996fcbc", "jane.smith@example.com", "jane.doe@example.com",
			"e9297990-14d2-42ec-a4a9-4036db86509a", "someuser@somedomain.com", "foo@example.com", "+1 206 555 0123", "user@example.com",
			"foo@example2.com", "72e6991badb44e08a69672960053b342", "123456789", "c0384/winter/2354122",
		},
	}
}

func TestPublicExamples(t *testing.T) {
	const (
		revoked = "revoke subject/mu:known <2021-03-09T15:49:52Z ..8808h"
	)
	oidc := "renew token/" + authz.TokenID("https://idp.example.com/987654321/", "f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7") + " <10:05:01 by 10:00:00 ..8808h"
	var nothing []string
	want := []struct {
		example string
		known   []string // its subject is known
		unknown []string
	}{
		{"session-revoked, opaque session", []string{revoked}, nothing},
		{"session-revoked, session, user and tenant", []string{revoked}, nothing},
		{"session-revoked, user, device and tenant", []string{revoked}, nothing},
		{"token-claims-change, jwt_id", []string{oidc}, []string{oidc}},
		{"token-claims-change, jwt_id with reasons", []string{oidc}, []string{oidc}},
		{"token-claims-change, SAML assertion", nothing, nothing},
		{"credential-change, create", []string{"renew subject/mu:known <2021-03-09T15:49:52Z by 10:05:00 ..8808h"}, nothing},
		{"assurance-level-change", nothing, nothing},
		{"assurance-level-change, custom", nothing, nothing},
		{"device-compliance-change", nothing, nothing},
		{"session-established", nothing, nothing},
		{"session-presented", nothing, nothing},
		{"risk-level-change", nothing, nothing},
		{"verification", nothing, nothing},
		{"RISC account-enabled", nothing, nothing},
		{"RISC account-disabled", nothing, nothing},
		{"token-claims-change, e-mail, no timestamp", []string{"renew subject/mu:known <2018-03-06T19:20:20Z by 10:00:00 ..8808h"}, nothing},
		{"session-revoked of another issuer's user", []string{events.ErrAccessDenied}, []string{events.ErrAccessDenied}},
		{"token-claims-change, e-mail", []string{"renew subject/mu:known <2020-09-24T19:30:11Z by 10:00:00 ..8808h"}, nothing},
		{"token-claims-change, catalogue item", nothing, nothing},
	}
	sets := publicSets(t)
	if len(sets) != len(want) || len(sets) != 20 {
		t.Fatalf("%d examples, %d expectations", len(sets), len(want))
	}
	for i, e := range sets {
		same(t, want[i].example, entries(t, newWorld(knownByAllNames()), e, events.Options{}), want[i].known)
		same(t, want[i].example+", nobody known", entries(t, newWorld(), e, events.Options{}), want[i].unknown)
	}
}
