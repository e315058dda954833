// Package token turns the evidence a caller presents - a signed JWT, or claims
// an enforcement point verified itself - into an authz.Principal. Everybody
// else receives principals and never makes one.
//
// # What is judged here, and what is not
//
// Verify decides authenticity and shape: compact serialization only, strict
// base64url, a closed set of header members, an algorithm that is both on the
// issuer's list and pinned to the key, a typ of the issuer's profile, a known
// issuer, a good signature, and claims that are well formed and bounded. What
// fails is a Principal with a Fault; Verify returns no error. Times, audience,
// age and revocation are facts in the Principal: policies judge them, at the
// time of the request, so that a simulation may move it.
//
// Checks run in this order, each on bytes the one before has bounded: size,
// alphabet and dots, base64url, header, payload as one JSON object, iss, the
// issuer's profile (alg, typ), key, signature, claims. The payload is decoded
// once, and the signature is checked over those same bytes.
//
// # Guarantees
//
//   - Verify does no network and no disk I/O of its own, whatever the token
//     says. An unknown kid is answered now and may schedule a refetch.
//   - No URL or key found in a token is ever used.
//   - Removing an issuer, changing it, or dropping one of its keys is seen by
//     the next Verify that is given the newer IssuerFinder or key set: what is
//     remembered of verified tokens is bound to (issuer, revision, key set).
//   - Memory is bounded: Config.CacheSize verified tokens (some 1 kB each, never
//     more than the 16 kB a token may have), 1,024 parsed key sets of at most 100
//     keys, 4,096 remembered unknown kids, and one document of at most 256 kB for
//     each issuer with a jwks_url.
//   - No token, claim value or key reaches a Fault, a log line or an error.
//
// # Key sets
//
// A set given in the issuer (keys) is always fresh. One fetched from jwks_url is
// fresh for fresh_for_s, stale (and said so in Principal.Freshness) until
// usable_for_s, and of no use after that: ISSUER_UNAVAILABLE. A kid that is not
// in a fresh set makes the token invalid; in a stale or missing set it makes the
// issuer unavailable, because the key may well exist.
//
// JWK Sets are read key by key (RFC 7517 section 5): a key this package cannot
// use (unknown kty, crv, alg or use) is ignored and counted. A key that is unsafe
// (private or symmetric material, weak parameters, a duplicate kid) is ignored in
// a fetched set and refused by CheckIssuer in a registered one.
//
// Run keeps fetched sets fresh. Their last good copy lies in Config.Dir, one file
// an issuer and URL, and is loaded by New, so that a restart while the issuer is
// down changes no decision:
//
//	<hex SHA-256 of issuer id and jwks_url>.json, mode 0600:
//	{"issuer": id, "jwks_url": url, "fetched_at": RFC 3339, "etag": "..", "body": the JWK Set as fetched}
//
// # Issuers
//
// Issuers come normalized and valid from authz, and their keys checked by
// CheckIssuer. One that does not is refused tokens rather than trusted. In Types, "at+jwt" and "application/at+jwt" are the same, case
// does not matter, and an empty entry admits tokens without typ.
package token
