// Package events is the surface that issuers push security events to (RFC 8935).
//
//	POST /v1/events  role transmit  one security event token -> 202
//
// The body is the token itself, application/secevent+jwt and nothing else. 202 with an
// empty body means that what the event asks for is durable and seen by the next
// decision; an event sent twice is answered so twice. A token at fault is 400 with the
// members err and description (RFC 8935 section 2.3): sending it again is of no use.
// Everything else that goes wrong is a problem document like anywhere (package
// wire), and a 503 asks to send the event again.
//
// No answer holds a value of the token, let alone the token.
package events
