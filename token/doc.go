// Package token turns the evidence a caller presents into an authz.Principal:
// signed JWTs and JWT-SVIDs, opaque tokens, claims an enforcement point verified
// itself, client secrets, client assertions, and client certificates, with the
// keys tokens are bound to. Everybody else receives principals and never makes
// one. It also verifies the security events issuers push (VerifyEvent), and names a
// token that somebody found, without deciding anything (Identify).
//
// # What is judged here, and what is not
//
// Verify decides authenticity and shape. Of a JWT: compact serialization only,
// strict base64url, a closed set of header members, an algorithm that is both on
// the issuer's list and pinned to the key, a typ of the issuer's profile, a known
// issuer, a good signature, and claims that are well formed and bounded. What
// fails is a Principal with a Fault; Verify returns no error. Times, audience,
// age, the state of credentials, and revocation are facts in the Principal:
// policies judge them, at the time of the request, so that a simulation may move
// it. Only evidence made for one use - assertions and proofs - is judged by the
// time of the presentation.
//
// Checks of a JWT run in this order, each on bytes the one before has bounded:
// size, alphabet and dots, base64url, header, payload as one JSON object, issuer,
// the issuer's profile (alg, typ), key, signature, claims; then, for remembered
// tokens too, whom a federated name belongs to, the status list, the credential
// behind the token, the certificate presented, and last the DPoP proof, which may
// be used once. The payload is decoded once, and the signature is checked over
// those same bytes.
//
// # Who is proved by what
//
//	token, two dots     a JWT, or a JWT-SVID when sub is a SPIFFE id of a registered
//	                    trust domain; never shown to anybody
//	token, otherwise    opaque: the Introspector asks the issuer the caller names, or
//	                    whose prefix it has, or the only one there is
//	claims              as of a JWT, without a signature
//	client id, secret   Secrets compares it with the machine user's hashes
//	client assertion    a JWT by a public key of the machine user (RFC 7523)
//	certificate         a chain to a trust domain's bundle or a registered root, and a
//	                    credential with one of its names
//
// A token whose cnf names a certificate or a DPoP key passes only with it. The
// certificate is compared by thumbprint (RFC 8705 section 3), so a self-signed one,
// one of an authority that is unknown or cannot be had, or a mere thumbprint, proves
// the binding; it then proves nothing else. But what is known of it is judged:
// policies see which certificate it is whenever the certificate itself was presented,
// and a credential registered for its thumbprint must be the same machine user's.
// A certificate that does verify must be the same machine user's as the rest of the
// evidence; it then supports the principal while its own issuer and credential are
// well.
//
// A name may be registered in several credentials of one machine user. One that is
// accepted now is taken before the others, so that a generation registered ahead of
// its time denies nobody.
//
// Which credential a token was got with is for our own issuers to say. A third party
// may name one that is registered for it, or with nothing to verify it with; and one
// that is not accepted, which denies. It never proves a credential of ours.
//
// # Guarantees
//
//   - Verify does no network and no disk I/O of its own, whatever the evidence
//     says; it waits for the Introspector and Secrets it was given, for opaque
//     tokens and client secrets only. An unknown kid is answered now and may
//     schedule a refetch.
//   - No URL or key found in a token is ever used, but the key of a DPoP proof,
//     which the token names by its thumbprint.
//   - Removing an issuer, changing it, or dropping one of its keys is seen by
//     the next Verify that is given the newer Directory or key set: what is
//     remembered of verified tokens is bound to (issuer, revision, key set), and
//     says nothing about credentials, statuses and bindings. What is remembered of
//     verified certificates is bound to all authorities that were candidates and to
//     the validity of the path, and says nothing about credentials.
//   - A status list counts while a key its issuer has now verifies it, and never
//     past its exp.
//   - Memory is bounded: Config.CacheSize verified tokens and as many verified
//     certificates (some 1 kB each, never more than the 16 kB either may have), 1,024
//     parsed key sets of at most 100 keys and 64 authorities, as many sets of
//     registered public keys, 4,096 remembered unknown kids, 1,000,000 used assertions
//     and proofs (some 80 MB), one document of at most 256 kB for each issuer with a
//     jwks_url, and for each registered status list one of at most 2 MB with the at
//     most 1 MB it says.
//   - A directory that cannot be read, and an issuer that cannot be asked, cost the
//     log a line when it begins, for an issuer one a cause, and not one a decision.
//   - No token, secret, claim value or key reaches a Fault, a log line or an error.
//
// # What issuers publish
//
// A key set given in the issuer (keys, roots) is always fresh. A document that is
// fetched - a JWK Set or SPIFFE bundle from jwks_url, a status list - is fresh for
// fresh_for_s, or shorter if it says so itself (spiffe_refresh_hint, ttl), stale
// (and said so in Principal.Freshness) until usable_for_s, and of no use after that:
// ISSUER_UNAVAILABLE. Principal.Age and UsableFor let policies draw that line
// earlier by tier. A kid that is not in a fresh set makes the token invalid; in a
// stale or missing set it makes the issuer unavailable, because the key may well
// exist.
//
// JWK Sets are read key by key (RFC 7517 section 5): a key this package cannot
// use (unknown kty, crv, alg or use) is ignored and counted. A key that is unsafe
// (private or symmetric material, weak parameters, a duplicate kid) is ignored in
// a fetched set and refused by CheckIssuer in a registered one. Of a SPIFFE bundle
// the keys of use jwt-svid verify tokens and the certificates of use x509-svid
// certificates; a bundle whose spiffe_sequence is lower than the one in use is
// refused.
//
// A status list says of a token valid, invalid, suspended, application_specific,
// application_12 to application_15, or reserved; what each means is for policies, to
// which only valid is good. A list whose iat is before that of the one in use is
// refused while that one is usable and verifies with the issuer's keys.
//
// Run keeps what is fetched fresh, and fetches status lists before any token refers
// to them. A list is verified before it replaces the last. The last good copies lie
// in Config.Dir, one file an issuer and URL, and are loaded by New, so that a
// restart while the issuer is down changes no decision:
//
//	<hex SHA-256 of kind, issuer id and URL>.json, mode 0600:
//	{"issuer": id, "jwks_url" or "status_list_url": url, "fetched_at": RFC 3339, "etag": "..", "body": the document as fetched}
//
// # Issuers
//
// Issuers come normalized and valid from authz, and their keys checked by
// CheckIssuer; the keys and names of credentials by CheckCredential. One that does
// not is refused tokens rather than trusted. In Types, "at+jwt" and
// "application/at+jwt" are the same, case does not matter, and an empty entry
// admits tokens without typ; of JWT-SVIDs the typ is JWT, JOSE or absent whatever
// Types says.
package token
