// Package server builds Verdict's two HTTP listeners, mounts the rooms on them
// and runs them until they are told to stop.
//
// What every request goes through, outside in:
//
//	entry   a request id and the peer are put in the context, headers every
//	        answer has are set
//	Echo    finds the route
//	guard   a path that could be read in two ways is refused; a panic becomes a
//	        500 problem; the caller is authenticated, except for /healthz and
//	        /readyz, even where there is no route; an error becomes a problem;
//	        the request is counted and logged, once
//	room    roles, body, answer
//
// A panic or an error after the answer began breaks the connection off, so that
// no client takes a part for the whole. An error that the room tells within its
// answer (reqctx.Request.Failed) is logged like any other.
//
// When the context of Run ends, /readyz turns 503, DrainDelay passes, the
// listeners close, and requests in flight are finished within ShutdownTimeout.
package server
