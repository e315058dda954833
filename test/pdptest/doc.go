// Package pdptest starts a real Verdict in a test: its own data directory, its
// own ports, a clock the test holds, and the demo issuer's key to sign tokens
// with. What it serves is what `verdict serve` serves.
//
// Around it stand the others of its world, as real as it is: an Authority that
// publishes keys, answers questions about opaque tokens and can be switched off; a
// CA that makes client certificates; a Client with a key of its own for assertions;
// a Prover that makes DPoP proofs.
package pdptest
