// Package api is Verdict's native wire contract: the paths, and the JSON bodies
// sent and answered there. It imports nothing of ours, so that a client can
// use it without pulling in the server.
//
// A 2xx answer of the decision paths carries a decision, which may be a deny.
// Anything else is a Problem and means that no decision was made.
package api
