package secret_test

import (
	"testing"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/secret"
)

func spent(c authz.SecretCandidate) authz.SecretCandidate {
	c.Spent = true
	return c
}

// TestSpentSecretsAreExplainedCheaply: a retired secret is recognised as long as that
// costs other attempts nothing.
func TestSpentSecretsAreExplainedCheaply(t *testing.T) {
	now := time.Unix(0, 0)
	c, runs := counted(t, secret.Config{Now: func() time.Time { return now }, MaxConcurrent: 1})
	old, current := of("g1", "one"), of("g2", "two")
	take(t, c, runs,
		step{"while it is in use", presents("one", old), 0, nil, 1},
		step{"the new one", presents("two", current), 0, nil, 1},
		step{"spent, it is warm still", presents("one", current, spent(old)), 1, nil, 0},
		step{"a wrong one costs nothing", presents("three", current, spent(old)), -1, authz.ErrSecretMismatch, 0},
	)
	never := spent(of("g0", "zero")) // retired before this process began
	take(t, c, runs,
		step{"one wrong one may be compared with it", presents("three", current, never), -1, authz.ErrSecretMismatch, 1},
		step{"and another", from("10.0.0.2", presents("four", current, never)), -1, authz.ErrSecretMismatch, 1},
		step{"then no more, from anywhere", from("10.0.0.3", presents("five", current, never)), -1, authz.ErrSecretMismatch, 0},
		step{"nor is the right one told", presents("zero", current, never), -1, authz.ErrSecretMismatch, 0},
		step{"the client is not kept out", presents("two", current, never), 0, nil, 0},
	)
	now = now.Add(time.Minute)
	take(t, c, runs,
		step{"a minute later it is told", presents("zero", current, never), 1, nil, 1},
		step{"and from then on", presents("zero", current, never), 1, nil, 0},
	)
}

// TestAnExplanationTakesNoSlotThatIsNeeded: it is given only if a slot is free.
func TestAnExplanationTakesNoSlotThatIsNeeded(t *testing.T) {
	c, runs := counted(t, secret.Config{MaxConcurrent: 1})
	if !c.Acquire(t.Context()) {
		t.Fatal("no slot is free, want one")
	}
	never := spent(of("g0", "zero"))
	take(t, c, runs, step{"no slot is free", presents("zero", never), -1, authz.ErrSecretMismatch, 0})
	c.Release()
	take(t, c, runs, step{"now one is, and the allowance is whole", presents("one", never), -1, authz.ErrSecretMismatch, 1},
		step{"still", presents("zero", never), 0, nil, 1})
}

// TestAcceptedComeFirst: candidates that may be accepted are compared before spent ones.
func TestAcceptedComeFirst(t *testing.T) {
	c, runs := counted(t, secret.Config{})
	take(t, c, runs,
		step{"the right one leaves the spent one alone", presents("two", of("g2", "two"), spent(of("g1", "one"))), 0, nil, 1},
		step{"a wrong one is looked up there too", presents("one", of("g3", "three"), spent(of("g1", "one"))), 1, nil, 2},
	)
}
