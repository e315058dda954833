// Package statuslist reads OAuth Token Status Lists (draft-ietf-oauth-status-list): an
// issuer publishes one signed, compressed array of small numbers, and each of its tokens
// refers to its place in that array.
//
// The package only parses. It fetches nothing, verifies no signature and has no clock. A
// caller that uses a list for a decision must, in this order:
//
//  1. ParseReference of the token's status claim. The URI comes from the token: fetch it
//     only if the token's signature is verified and the issuer is registered to publish
//     there.
//  2. Verify the Status List Token: its typ is statuslist+jwt, and a key of the issuer
//     signed it.
//  3. Parse its payload with the URI of the reference.
//  4. Compare List.ExpiresAt with the time, and fetch again after List.TTL.
//  5. List.Value at the reference's index. Only Status.Valid means that the token is
//     valid; an error means that it must be refused.
//
// Every error is an *authz.Error: CodeTooLarge if a limit is exceeded, else CodeInvalid. A
// List is immutable and safe for concurrent use. It takes at most MaxBytes of memory;
// parsing one takes a small multiple of MaxPayloadBytes, whatever the payload would
// inflate to.
package statuslist
