// Package wire reads request bodies and writes answers the same way on every
// HTTP surface, and holds the one table from authz.ErrorCode to HTTP status.
//
// Bodies are I-JSON (package ijson) of the media type application/json, without
// a content encoding, up to a limit that counts the bytes really read. Answers
// are application/json; errors are application/problem+json (RFC 9457) and never
// show a cause: the server logs it.
package wire
