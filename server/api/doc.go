// Package api is the native surface of the decisions listener.
//
//	POST /v1/decide        role decide            one question -> api.Decision
//	POST /v1/decide/batch  role decide            up to 1000 on one snapshot -> api.BatchResponse
//	POST /v1/simulate      role simulate          one hypothetical question -> api.Decision
//
// It reads bodies with server/question, asks, and answers; how a decision is reached it
// does not know. A deny is 200. What a caller can mend is refused before a decision is
// made: a batch with one broken item is refused whole, naming the item.
//
// With explain full an answer has the explanation that Decide gives; a batch asks
// for at most 10 of them.
//
// Claims instead of a token need the role assert-claims besides decide; a
// simulation takes them by its own role, since nothing is let through by it. The
// pipeline says so; here a caller that may not ask at all is refused before its body is
// read. Only a simulation takes a time, in context.time (RFC 3339), which is removed
// from the context the policies see: they see it as input.time.
package api
