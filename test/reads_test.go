package test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestKeysReadDoNotGrow is invariant 7 of docs/design.md section 8: what one
// decision reads does not depend on how much there is.
func TestKeysReadDoNotGrow(t *testing.T) {
	t.Parallel()
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday})
	token := p.Token("mu:user-svc")
	read := func() int {
		d, err := p.Decide(t.Context(), question(p, token, 1))
		if err != nil || d.Outcome != authz.Allow {
			t.Fatalf("got d %+v, error %v; want no error, Outcome Allow", d, err)
		}
		return d.KeysRead
	}
	grow := func(from, to int) {
		var lines bytes.Buffer
		for i := from; i < to; i++ {
			fmt.Fprintf(&lines, `{"collection":"users","entity":{"id":"u-%07d","tenant":"tiny-bakery","addresses":[{"id":"a","purpose":"primary","verified":true}]}}`+"\n", i)
			fmt.Fprintf(&lines, `{"collection":"entitlements","entity":{"holder":"user:u-%07d","feature":"email.invoice.issued"}}`+"\n", i)
			fmt.Fprintf(&lines, `{"collection":"machine_users","entity":{"id":"mu:m-%07d","kind":"job","origin":"internal","tier":3}}`+"\n", i)
			fmt.Fprintf(&lines, `{"collection":"edges","entity":{"from":"mu:m-%07d","to":"svc:email","actions":["email.send"]}}`+"\n", i)
			fmt.Fprintf(&lines, `{"collection":"revocations","entity":{"by":"subject","of":"mu:m-%07d"}}`+"\n", i)
		}
		answer := p.Call(http.MethodPost, p.AdminURL()+api.PathImport, p.Operator(), lines.Bytes(), "Content-Type", "application/x-ndjson")
		if answer.Status != http.StatusOK {
			t.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
		}
	}
	grow(0, 1)
	few := read()
	grow(1, 2000)
	if many := read(); many != few || few == 0 {
		t.Errorf("%d keys with one user, %d with thousands", few, many)
	}
}
