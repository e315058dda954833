// Package statuslist reads OAuth Token Status Lists
// (draft-ietf-oauth-status-list): an issuer publishes one signed, compressed
// array of small numbers, and each of its tokens names its place in that array.
//
// Bytes come in and values go out. The package fetches nothing, verifies no
// signature and knows no clock; a caller that decides by a list does, in this
// order:
//
//  1. ParseReference of the token's status claim. The URI is the token's word:
//     fetch it only when the token's signature is verified and the issuer is
//     registered to publish there.
//  2. Verify the Status List Token: its typ is statuslist+jwt and its signature
//     is by a key of the issuer.
//  3. Parse its payload with the URI of the reference.
//  4. Compare List.ExpiresAt with the time, and fetch anew after List.TTL.
//  5. List.Value at the reference's index. Only Status.Valid is good news; an
//     error means that the token must be refused.
//
// Every error is an *authz.Error: CodeTooLarge for what passes a limit, else
// CodeInvalid. A List is immutable and safe for use by many goroutines. It costs
// at most MaxBytes of memory; reading one costs a small multiple of
// MaxPayloadBytes, whatever the payload would inflate to.
package statuslist
