// Package introspection asks an authority about opaque access tokens (RFC 7662)
// and grades the answer when the authority cannot be asked: fresh, stale but
// usable, or none. It says what the authority said; what the claims mean, and
// whether a stale answer is good enough, is for others to judge.
//
// # One question
//
//  1. A token that no authority can have issued (RFC 6749 appendix A.12), or that
//     is longer than 16 kB, is inactive. Nobody is asked about it.
//  2. An answer "inactive" younger than NegativeFor is repeated.
//  3. A positive answer younger than FreshFor is repeated, as authz.Fresh.
//  4. The authority is asked: once for all who want to know the same, within
//     Deadline, unless the breaker is open or MaxInFlight questions are under way.
//     What it says replaces what was remembered, so that a token it revoked is
//     refused from then on.
//  5. When it cannot be asked, or fails, a positive answer younger than UsableFor
//     is repeated, as authz.Stale with its age. Without one: authz.ErrUnavailable.
//
// No positive answer outlives its exp (no leeway) or UsableFor. An authority fails
// when anything but one well-formed answer arrives in time: a status other than
// 200 (redirects are not followed), a content type other than application/json, a
// body over 64 kB, JSON that ijson refuses, active missing or not a boolean, exp
// not a number of 0 to 2^53. Such an answer is neither active nor inactive. JWT
// responses (RFC 9701) are not asked for and not read.
//
// # Time
//
// Nobody waits longer than Deadline, whatever the server does, and nobody waits at
// all while the breaker is open or the bulkhead full. Each issuer has a breaker, a
// bulkhead and a memory of its own: one that hangs, or is flooded with unknown
// tokens, costs the others nothing. The breaker opens after FailuresToOpen failures
// in a row and lets one question through every OpenFor; its success closes it. A
// 400 is no answer either, but does not count for the breaker: it is about the
// question, and whoever may present tokens could otherwise open the breaker.
//
// # Goroutines
//
// A question under way runs in a goroutine of its own, because one caller's end must
// not fail the others; it ends within Deadline. With Config.Transport nil, a
// connection being made may outlive it by up to 5 s, to serve the next question.
// Nothing else runs in the background and there is nothing to close.
//
// # Memory
//
// For each issuer asked since Forget: CacheSize positive answers, of at most 32 MB
// together, and, counted apart so that unknown tokens cannot push known ones out,
// CacheSize negative ones of some 150 bytes. Tokens are remembered as SHA-256 with
// the issuer's revision. Nothing is kept on disk: after a restart there is no stale
// answer to fall back on.
//
// # Secrets
//
// What we prove ourselves to an issuer with is a file of Config.Secrets, whose name the
// registered issuer has. It is read again some seconds after it was replaced.
//
// No token and no client secret reaches an error, a log line or a Status.
package introspection
