package token_test

import (
	"fmt"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/forge"
	"github.com/verdict-pdp/verdict/token"
)

// BenchmarkVerify shows what a good token costs: the first time, and when it is
// remembered.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		signer := newSigner(b, alg)
		issuers := registry{demoURL: demoIssuer(b, signer)}
		text := sign(b, signer, nil, good())
		for name, size := range map[string]int{"verified": -1, "remembered": 0} {
			b.Run(fmt.Sprintf("%s/%s", alg, name), func(b *testing.B) {
				v := newVerifier(b, token.Config{CacheSize: size})
				b.ReportAllocs()
				for b.Loop() {
					if p := verify(v, issuers, text); p.Fault != nil {
						b.Fatal(p.Fault)
					}
				}
			})
		}
	}
}

// BenchmarkVerifyParallel has every core look up remembered tokens.
func BenchmarkVerifyParallel(b *testing.B) {
	signer := newSigner(b, "ES256")
	issuers := registry{demoURL: demoIssuer(b, signer)}
	v := newVerifier(b, token.Config{})
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = sign(b, signer, nil, with(map[string]any{"jti": fmt.Sprint(i)}))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if p := verify(v, issuers, texts[i%len(texts)]); p.Fault != nil {
				b.Error(p.Fault)
				return
			}
		}
	})
}

// BenchmarkLargestRSA is the dearest signature check a registered key can cause.
func BenchmarkLargestRSA(b *testing.B) {
	signer := newSigner(b, "RS256")
	issuer := demoIssuer(b, signer)
	issuer.Keys = setOf(b, jwk(b, signer, map[string]any{"n": forge.Part(oddNumber(512)), "e": forge.Part("\x7f\xff\xff\xff")}))
	if err := token.CheckIssuer(issuer); err != nil {
		b.Fatal(err)
	}
	f := forgerOf(b, signer)
	text := forge.Part(f.header("RS256")) + "." + forge.Part(payload(demoURL)) + "." + forge.Part(oddNumber(511)+"\x01")
	v := newVerifier(b, token.Config{})
	for b.Loop() {
		if p := verify(v, registry{demoURL: issuer}, text); p.Fault == nil || p.Fault.Cause != "bad_signature" {
			b.Fatalf(`got %+v; want Fault, Fault.Cause "bad_signature"`, p)
		}
	}
}

// oddNumber is a number of so many bytes, all bits set.
func oddNumber(bytes int) string {
	all := make([]byte, bytes)
	for i := range all {
		all[i] = 0xff
	}
	return string(all)
}

// BenchmarkCheckIssuer is a write of an issuer with the most keys that fit.
func BenchmarkCheckIssuer(b *testing.B) {
	signer := newSigner(b, "ES256")
	var keys []any
	for i := range 100 {
		keys = append(keys, jwk(b, signer, map[string]any{"kid": fmt.Sprint(i)}))
	}
	issuer := &authz.Issuer{Header: authz.Header{ID: "demo"}, URL: demoURL, Algorithms: []string{"ES256"}, Keys: setOf(b, keys...)}
	issuer.Normalize()
	for b.Loop() {
		if err := token.CheckIssuer(issuer); err != nil {
			b.Fatal(err)
		}
	}
}
