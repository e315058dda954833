package test

import (
	"io"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// BenchmarkExplain asks a question that is denied for one reason, over HTTP: without
// reasons, with them, and with everything. The first two cost the same.
func BenchmarkExplain(b *testing.B) {
	p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
	for _, explain := range []authz.Explain{authz.ExplainNone, authz.ExplainReasons, authz.ExplainFull} {
		b.Run(string(explain), func(b *testing.B) {
			question := invoiceToAna(p.Token("mu:user-svc"))
			withRecipient(question, "u-ana", "report.monthly")
			question["explain"] = explain
			b.ReportAllocs()
			load(b, p.DecisionsURL()+api.PathDecide, p.PEP(), marshal(b, question), `"code":"MESSAGE_CLASS_NOT_ENTITLED"`)
		})
	}
}

// BenchmarkShadow asks over HTTP while nothing is in the shadow, and while another
// generation judges every decision a second time.
func BenchmarkShadow(b *testing.B) {
	for _, shadowed := range []string{"alone", "shadowed"} {
		b.Run(shadowed, func(b *testing.B) {
			p := pdptest.Start(b, pdptest.Settings{Demo: true, At: sunday, Log: io.Discard})
			g := p.Push("acme", pdptest.Acme("shadow", "acme.never"))
			if shadowed == "shadowed" {
				if answer := p.Call("POST", p.AdminURL()+api.PathShadow, p.Operator(), marshal(b, api.ShadowRequest{Generation: g.Number})); answer.Status != 200 {
					b.Fatalf("got status %d, body %s; want status 200", answer.Status, answer.Body)
				}
			}
			load(b, p.DecisionsURL()+api.PathDecide, p.PEP(), marshal(b, invoiceToAna(p.Token("mu:user-svc"))), `"decision":"allow"`)
		})
	}
}
