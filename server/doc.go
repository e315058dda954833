// Package server builds Verdict's HTTP listeners, mounts on each the rooms it was
// given, and runs them until the context ends. It knows no room: a Room lists itself
// which of its paths need no API key (PublicRoom).
//
// What every request goes through, outside in:
//
//	entry   a request id and the peer are put in the context, headers every
//	        answer has are set
//	Echo    finds the route
//	guard   a path that could be read in two ways is refused; a panic becomes a
//	        500 problem; the caller is authenticated, except at public paths,
//	        even where there is no route; an error becomes a problem;
//	        the request is counted and logged, once
//	room    roles, body, answer
//
// A panic or an error after the response began closes the connection, so that no client
// takes a part for the whole. An error that a room reports within its response
// (reqctx.Request.Failed) is logged like any other.
//
// Every listener has /healthz, /readyz and /openapi.json, without a key. HEAD is
// served wherever GET is, by the same handler: it is refused to the same callers, has
// the same status and headers, and neither waits for anything nor makes more content than
// its length needs.
//
// When the context of Run ends, /readyz turns 503, DrainDelay passes, the
// listeners close, and requests in flight are finished within ShutdownTimeout.
package server
