package secret_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/secret"
)

// BenchmarkCheck shows what an attempt costs: a first use, every later one, and
// guesses at a client that is warm, throttled or not known.
func BenchmarkCheck(b *testing.B) {
	text := secret.New()
	candidate := authz.SecretCandidate{ID: "billing.g1", Version: 1, Hash: secret.Hash(text)}
	wrong := secret.New()
	check := func(b *testing.B, c *secret.Checker, a secret.Attempt, want error) {
		b.Helper()
		if _, err := c.Check(b.Context(), a); err != want {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		c := newChecker(b, secret.Config{})
		a := presents(text, candidate)
		b.ReportAllocs()
		for b.Loop() {
			a.Candidates[0].Version++
			check(b, c, a, nil)
		}
	})
	b.Run("warm", func(b *testing.B) {
		c := newChecker(b, secret.Config{})
		a := presents(text, candidate)
		check(b, c, a, nil)
		b.ReportAllocs()
		for b.Loop() {
			check(b, c, a, nil)
		}
	})
	b.Run("warm, parallel", func(b *testing.B) {
		c := newChecker(b, secret.Config{})
		a := presents(text, candidate)
		check(b, c, a, nil)
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				check(b, c, a, nil)
			}
		})
	})
	b.Run("guess at a warm one", func(b *testing.B) {
		c := newChecker(b, secret.Config{})
		check(b, c, presents(text, candidate), nil)
		a := presents(wrong, candidate)
		b.ReportAllocs()
		for b.Loop() {
			check(b, c, a, authz.ErrSecretMismatch)
		}
	})
	b.Run("guess throttled", func(b *testing.B) {
		c := newChecker(b, secret.Config{GuessBurst: 1})
		check(b, c, presents(wrong, candidate), authz.ErrSecretMismatch)
		a := presents(wrong, candidate)
		b.ReportAllocs()
		for b.Loop() {
			check(b, c, a, authz.ErrSecretThrottled)
		}
	})
	b.Run("guess at an unknown client", func(b *testing.B) {
		c := newChecker(b, secret.Config{})
		a := presents(wrong)
		b.ReportAllocs()
		for b.Loop() {
			check(b, c, a, authz.ErrSecretMismatch)
		}
	})
}

// BenchmarkValidateHash shows what parsing costs.
func BenchmarkValidateHash(b *testing.B) {
	hash := secret.Hash("x")
	b.ReportAllocs()
	for b.Loop() {
		if err := secret.ValidateHash(hash); err != nil {
			b.Fatal(err)
		}
	}
}
