// Package oauth is the HTTP surface of the token service, on the decisions listener.
//
//	POST /oauth2/token                             no key    RFC 6749 section 4.4 -> a token
//	POST /oauth2/revoke                            no key    RFC 7009 -> 200, whatever the token was
//	POST /oauth2/introspect                        decide    RFC 7662, of our own tokens
//	GET  /oauth2/jwks                              no key    RFC 7517, with ETag
//	GET  /.well-known/oauth-authorization-server   no key    RFC 8414
//
// These routes are open to callers without an API key. Bodies are application/x-www-form-urlencoded of at
// most 32 kB, every parameter at most once (RFC 6749 section 3.2), an empty one as if
// it were not there, unknown ones ignored. There are no parameters in the URL, where
// they would be logged. What is refused is answered as RFC 6749 section 5.2 has it,
// with all reason codes of the decision beside it, and in fewer than 500 characters
// what the first of them say:
//
//	400 {"error":"unauthorized_client","error_description":"..","reasons":["EDGE_NOT_DECLARED"]}
//
// # Who asks
//
// At token and revoke a machine user authenticates itself in exactly one way:
//
//	client_secret_basic   Authorization: Basic, both parts form-encoded (RFC 6749 section 2.3.1)
//	client_secret_post    client_id and client_secret
//	private_key_jwt       client_assertion and client_assertion_type (RFC 7523); client_id may be left out
//	tls_client_auth       client_id, and the client certificate of this very connection (RFC 8705)
//
// A certificate on the connection beside one of the others is no evidence. The
// source of a call is the address of the connection's other end; headers are ignored.
package oauth
