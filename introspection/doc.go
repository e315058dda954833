// Package introspection asks the authorization servers of issuers about opaque access
// tokens (RFC 7662), and caches what they answer. An answer has a grade: fresh, or,
// while the server cannot be asked, stale. What the claims mean, and whether a stale
// answer is good enough, is not decided here.
//
// An issuer's authorization server is called its authority.
//
// # How a token is looked up
//
//  1. A token that no authority can have issued (RFC 6749 appendix A.12), or that is
//     longer than 16 kB, is inactive. No request is sent.
//  2. A cached answer "inactive" younger than NegativeFor is returned.
//  3. A cached positive answer younger than FreshFor is returned, as authz.Fresh.
//  4. The authority is asked, within Deadline: one request for all callers that ask
//     about the same token at once. Nothing is sent while the circuit breaker is open,
//     or MaxInFlight requests are in flight. The answer replaces the cached one, so
//     that a token revoked there is refused from then on.
//  5. If there was no answer, a cached positive answer younger than UsableFor is
//     returned, as authz.Stale with its age. Without one: authz.ErrUnavailable.
//
// No positive answer is used after its exp (no leeway) or when it is older than
// UsableFor. Anything but one well-formed answer in time is a failure: a status other
// than 200 (redirects are not followed), a content type other than application/json, a
// body over 64 kB, JSON that ijson refuses, active missing or not a boolean, exp not a
// number of 0 to 2^53. A failure says neither active nor inactive. JWT responses (RFC
// 9701) are not requested and not read.
//
// # Outages
//
// No caller waits longer than Deadline, whatever the server does, and none waits at
// all while the breaker is open or MaxInFlight is reached. Each issuer has its own
// breaker, limit and cache: one that hangs, or is flooded with unknown tokens, does
// not affect the others. The breaker opens after FailuresToOpen failures in a row and
// lets one request through every OpenFor; if that succeeds, it closes. A status of 400
// is a failure, but does not count for the breaker: it is about the token that was
// sent, and anyone who may present tokens could open the breaker with it.
//
// # Goroutines
//
// A request runs in a goroutine of its own, because the end of one caller's context
// must not fail the others; it ends within Deadline. With Config.Transport nil, a
// connection being made may outlive it by up to 5 s, for the next request to use.
// Nothing else runs in the background, and there is nothing to close.
//
// # Memory
//
// For each issuer asked since Forget: CacheSize positive answers, of at most 32 MB
// together, and, separately, so that unknown tokens cannot evict known ones, CacheSize
// negative ones of some 150 bytes. The key of an answer is the SHA-256 of the token
// with the issuer's revision. Nothing is written to disk: after a restart there is no
// stale answer to fall back on.
//
// # Secrets
//
// The client secret that authenticates this service to an authority is a file of
// Config.Secrets, named by the registered issuer. A replaced file is noticed within
// some seconds.
//
// No token and no client secret is in an error, a log line or a Status.
package introspection
