// Package token turns the evidence that a caller presents into an authz.Principal:
// signed JWTs and JWT-SVIDs, opaque tokens, claims that an enforcement point verified
// itself, client secrets, client assertions, and client certificates, with the keys
// that tokens are bound to. No other package makes principals. It also verifies the
// security events that issuers push (VerifyEvent), and identifies a token that was
// found somewhere, without a decision about it (Identify).
//
// # What is checked here, and what is not
//
// Verify checks authenticity and form. Of a JWT: compact serialization only, strict
// base64url, a closed set of header members, an algorithm that both the issuer and the
// key allow, a typ of the issuer, a known issuer, a good signature, and claims that are
// well formed and within limits. If a check fails, the Principal has a Fault; Verify
// returns no error. Times, audience, age, the state of credentials, and revocation are
// facts in the Principal. Policies judge them, at the time of the question, so that a
// simulation may ask about another time. Only single-use evidence, assertions and
// proofs, is checked against the time of presentation.
//
// The checks of a JWT run in this order, each on bytes that the one before has limited:
// size, alphabet and dots, base64url, header, payload as one JSON object, issuer, the
// issuer's alg and typ, key, signature, claims. These follow, also for cached tokens:
// the machine user of a federated name, the status list, the credential behind the
// token, the certificate that was presented, and last the DPoP proof, which may be used
// once. The payload is decoded once, and the signature is checked over those same bytes.
//
// # Kinds of evidence
//
//	token, two dots     a JWT, or a JWT-SVID if sub is a SPIFFE ID of a registered
//	                    trust domain; it is never sent to an issuer
//	token, otherwise    opaque: the Introspector asks the issuer that the caller names,
//	                    or whose prefix it has, or the only one there is
//	claims              like those of a JWT, without a signature
//	client id, secret   Secrets compares it with the machine user's hashes
//	client assertion    a JWT signed with a public key of the machine user (RFC 7523)
//	certificate         a chain to a trust domain's bundle or a registered root, and a
//	                    credential with one of its names
//
// A token whose cnf names a certificate or a DPoP key is accepted only with it. The
// certificate is compared by thumbprint (RFC 8705 section 3). So a self-signed one, one
// whose authority is unknown or unavailable, or a mere thumbprint, proves the binding,
// and nothing else. But what is known about it counts: if the certificate itself was
// presented, policies see which one it is, and a credential that is registered for its
// thumbprint must belong to the same machine user. A certificate that does verify must
// belong to the same machine user as the rest of the evidence; it then supports the
// principal, while its own issuer and credential are good.
//
// A name may be registered in several credentials of one machine user. One that is
// accepted now comes before the others, so that registering the next generation early
// denies no request.
//
// Only our own issuers prove which credential a token was issued for. A third party may
// name one that is registered for it, or one without anything to verify it with; and
// one that is not accepted, which denies. It never proves a credential of ours.
//
// # Guarantees
//
//   - Verify uses neither network nor disk itself, whatever the evidence says. For
//     opaque tokens and client secrets it waits for the Introspector and Secrets it was
//     given. An unknown kid is answered at once, and may request a refetch.
//   - No URL or key in a token is ever used, except the key of a DPoP proof, whose
//     thumbprint is in the token.
//   - Removing an issuer, changing it, or removing one of its keys takes effect with the
//     next Verify that gets the newer Directory or key set: the cache of verified tokens
//     is keyed by issuer, revision and key set, and has no credentials, statuses and
//     bindings in it. The cache of verified certificates is keyed by all authorities that
//     were candidates and limited by the validity of the path; it has no credentials in
//     it either.
//   - A status list is used only while a key that its issuer has now verifies it, and
//     never after its exp.
//   - Memory is limited: Config.CacheSize verified tokens and as many verified
//     certificates (some 1 kB each, never more than the 16 kB either may have), 1,024
//     parsed key sets of at most 100 keys and 64 authorities, as many sets of
//     registered public keys, 4,096 unknown kids, 1,000,000 used assertions and proofs
//     (some 80 MB), one document of at most 256 kB for each issuer with a jwks_url, and
//     for each registered status list one of at most 2 MB, with at most 1 MB of statuses.
//   - If the directory cannot be read, or an issuer cannot be asked, that is logged once
//     when it begins, for an issuer once a cause, and not for every decision.
//   - No token, secret, claim value or key is in a Fault, a log line or an error.
//
// # What issuers publish
//
// Keys in the issuer itself (keys, roots) are always fresh. A fetched document - a JWK
// Set or SPIFFE bundle from jwks_url, a status list - is fresh for fresh_for_s, or
// shorter if it says so itself (spiffe_refresh_hint, ttl). Then it is stale, which is in
// Principal.Freshness, until usable_for_s, and not usable after that:
// ISSUER_UNAVAILABLE. With Principal.Age and UsableFor, policies may draw that line
// earlier by tier. If a kid is not in a fresh set, the token is invalid; if it is not in
// a stale or missing one, the issuer is unavailable, because the key may well exist.
//
// JWK Sets are parsed key by key (RFC 7517 section 5). A key that this package cannot
// use (unknown kty, crv, alg or use) is ignored and counted. A key that is unsafe
// (private or symmetric, weak parameters, a duplicate kid) is ignored in a fetched set,
// and refused by CheckIssuer in a registered one. Of a SPIFFE bundle, the keys of use
// jwt-svid verify tokens, and the certificates of use x509-svid certificates. A bundle
// with a lower spiffe_sequence than the one in use is refused.
//
// The status of a token is valid, invalid, suspended, application_specific,
// application_12 to application_15, or reserved. Policies judge it; ours accept only
// valid. A list with an iat before that of the one in use is refused while that one is
// usable and verifies with the issuer's keys.
//
// Run refreshes what is fetched, and fetches status lists before any token refers to
// them. A list is verified before it replaces the last. The last good copies are in
// Config.Dir, one file for each issuer and URL. New loads them, so that a restart while
// the issuer is down changes no decision:
//
//	<hex SHA-256 of kind, issuer id and URL>.json, mode 0600:
//	{"issuer": id, "jwks_url" or "status_list_url": url, "fetched_at": RFC 3339, "etag": "..", "body": the document as fetched}
//
// # Issuers
//
// Issuers must come normalized and valid from authz, their keys checked by CheckIssuer,
// and the keys and names of credentials by CheckCredential. Tokens of an issuer that is
// not are refused. In Types, "at+jwt" and "application/at+jwt" are the same, case does
// not matter, and an empty entry accepts tokens without typ; the typ of JWT-SVIDs is
// JWT, JOSE or absent, whatever Types says.
//
// # Where to start reading
//
// verify.go has the order of the checks. jwt.go, opaque.go, clientsecret.go,
// assertion.go and certificate.go verify one kind of evidence each, and binding.go what
// tokens are bound to. refresh.go, source.go and document.go fetch what issuers publish.
package token
