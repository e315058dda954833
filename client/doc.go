// Package client calls a Verdict server. It has one method for each operation of the
// OpenAPI document, by the operation's name: Decide, ListGuards, StartRotation; those for
// a collection of entities are methods of Entities, such as
//
//	edge, err := c.Edges().Get(ctx, "mu:user-svc/svc:email")
//
// A server has two listeners, one for decisions and tokens and one for administration; a
// Client calls one of them. What it takes and returns are the types of packages api and
// authz.
//
// # Failures
//
// A deny is an answer and no error. Every error of a call that reached out is an *Error,
// which has the server's code, message and fix; Status is 0 when no answer came. It means
// that no decision was made: do not let the call through. A context that was cancelled is
// the one exception, its cause is returned as it is.
//
// # Retries
//
// A call is made up to Config.Attempts times when that does no harm: reads and questions,
// when the server cannot be reached or answers 429, 502, 503 or 504, after the time of its
// Retry-After, or else one that grows; an answer whose Retry-After is longer than 75 seconds
// is returned at once. A change is made again only when it certainly was
// not made the first time: no connection was made, or the server answered 429. A question
// with an assertion or a proof of possession, which the server takes once, counts as a
// change; so does whatever is sent from an io.Reader, and that is never sent again. No
// retry outlasts the deadline of the context.
//
// # Bounds
//
// A call whose context has no deadline is given 75 seconds for each attempt, more than a
// server waits at most; calls that may take any time, such as Import, PutBundle and Replay,
// are given none. Answers are read up to Config.MaxAnswer. Redirects are not followed: the
// key goes to the server that was named, and nowhere else.
package client
