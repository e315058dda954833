package secret_test

import (
	"context"
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/secret"
)

func Example() {
	// When the credential is made: text is shown once, hash is kept.
	text := secret.New()
	hash := secret.Hash(text)

	checker, err := secret.NewChecker(secret.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	attempt := secret.Attempt{
		ClientID: "billing", Source: "edge-pep 10.4.5.17", Secret: text,
		Candidates: []authz.SecretCandidate{
			{ID: "billing.g2", Version: 2, Hash: secret.Hash(secret.New())},
			{ID: "billing.g1", Version: 1, Hash: hash},
		},
	}
	index, err := checker.Check(context.Background(), attempt)
	fmt.Println(index, err)

	attempt.Secret = secret.New()
	_, err = checker.Check(context.Background(), attempt)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// the secret is of no credential of the client
}
