// Package reqctx carries what is known of one HTTP request besides its body:
// its id, its peer and the authenticated API caller. The server puts a Request
// into the context of every request before any handler runs; handlers read it
// and check roles with it. A context without one has the zero Request, whose
// caller has no role, so that a handler mounted without the server refuses
// every caller.
package reqctx
