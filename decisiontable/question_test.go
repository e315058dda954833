package decisiontable_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The ids that the package comment promises of a token that a table says nothing of.
const (
	tokenID = "tok-a68ff151dfc8b3d6bc5619e06950f8935ade051b"
	keyID   = "key-6f38bf3df88cb36cb5ca02fd55e1d654d00bc43d"
)

// The input is the document that authz.Question has, with the defaults that the
// package comment promises.
func TestInput(t *testing.T) {
	const at = 1795341600 // 2026-11-22T10:00:00Z
	token := func(change string) string {
		return fmt.Sprintf(`{"id":%q,"issuer":"issuer","issuer_url":"https://issuer.example","key_id":%q,"subject":"mu:a","audiences":["us"],"accepted_audiences":["us"],"issued_at":%d,"expires_at":%d,"leeway_s":0,"own":true%s}`, tokenID, keyID, at-30, at+300, change)
	}
	document := func(rest string) string {
		return `{"subject":{"type":"machine_user","id":"mu:a","properties":{}},"action":{"name":"x","properties":{}},"resource":{"type":"service","id":"svc:b","properties":{}},"time":"2026-11-22T10:00:00Z",` + rest + `}`
	}
	tests := map[string]struct{ in, want string }{
		"defaults":   {minimal, document(`"context":{},"credential":{"kind":"jwt"},"trust":{"level":3,"freshness":"fresh"},"token":`+token("")) + ``},
		"a tenant's": {aCase("input: {token: {tenant: acme}}"), document(`"context":{},"credential":{"kind":"jwt"},"trust":{"level":3,"freshness":"fresh"},"token":` + token(`,"tenant":"acme"`))},
		"bound":      {aCase("input: {credential: {binding: jkt}}"), document(`"context":{},"credential":{"kind":"jwt","binding":"jkt"},"trust":{"level":4,"freshness":"fresh"},"token":` + token(""))},
		"opaque": {aCase("input: {credential: {kind: opaque}, token: {key_id: k}}"),
			document(`"context":{},"credential":{"kind":"opaque"},"trust":{"level":2,"freshness":"fresh"},"token":` + strings.Replace(token(""), keyID, "k", 1))},
		"secret": {aCase("input: {credential: {kind: secret, made_at: 2026-11-22T11:00:00+01:00}, context: {n: 1.50, t: 2026-11-22}}"),
			document(fmt.Sprintf(`"context":{"n":1.50,"t":"2026-11-22"},"credential":{"kind":"secret","made_at":%d},"trust":{"level":1,"freshness":"fresh"}`, at))},
		"certificate": {aCase("input: {token: null, certificate: {id: crt-1}}"), document(`"context":{},"certificate":{"id":"crt-1"},"credential":{"kind":"certificate"},"trust":{"level":4,"freshness":"fresh"}`)},
		"nothing left": {aCase("input: {token: null, trust: {freshness: null}, context: null, action: {properties: null}}"),
			document(`"context":{},"credential":{"kind":"jwt"},"trust":{"level":3}`)},
		"less of a token": {aCase("input: {token: {issued_at: null, expires_at: 7, audiences: [a, b]}}"), document(`"context":{},"credential":{"kind":"jwt"},"trust":{"level":3,"freshness":"fresh"},` +
			`"token":{"id":"` + tokenID + `","issuer":"issuer","issuer_url":"https://issuer.example","key_id":"` + keyID + `","subject":"mu:a","audiences":["a","b"],"accepted_audiences":["us"],"expires_at":7,"leeway_s":0,"own":true}`)},
		"another time": {aCase("time: 1970-01-01T02:00:30.5+02:00\n    input: {credential: {kind: secret}}"),
			strings.Replace(document(`"context":{},"credential":{"kind":"secret"},"trust":{"level":1,"freshness":"fresh"}`), "2026-11-22T10:00:00Z", "1970-01-01T00:00:30.5Z", 1)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := load(t, test.in).Cases[0].Input
			if diff := cmp.Diff(canonical(t, test.want), canonical(t, string(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: got error %v; want no error", text, err)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
