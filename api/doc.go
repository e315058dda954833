// Package api is Verdict's native wire contract: the paths, and the JSON bodies
// sent and answered there. Nouns that the server itself uses, such as Decision, are
// declared in authz; here they have a second name. It imports nothing else of ours, and
// authz the standard library alone, so that a client can use both without pulling in
// the server.
//
// A 2xx answer of the decision paths carries a decision, which may be a deny.
// Anything else is a Problem and means that no decision was made.
package api
