// Package remote calls a Verdict server over HTTP for the command line: one
// base URL, one API key, one request at a time.
//
// Every answer that is not 2xx becomes a *Problem (RFC 9457, or what a token
// endpoint says in its place, RFC 6749 section 5.2), every server that
// cannot be reached an *Unreachable. Redirects are not followed, because they
// would carry the key elsewhere. The key is in no error.
package remote
