// Package tokenservice issues access tokens to machine users that have no issuer of
// their own: an OAuth 2.0 authorization server with one grant, client credentials
// (RFC 6749 section 4.4). To the decision path it is an issuer like any other.
//
// # Asking for a token is a decision
//
// Config.Decide is asked whether the machine user that its evidence proves may do
// token.issue at the service Config.Service; for a token on behalf of a user or a
// tenant token.issue_for, with recipient or tenant in resource.properties. The
// audience is in action.properties. Nothing is issued or revoked without an allow,
// so edges, networks, hours, limits, credential states and required levels hold here
// as they do everywhere.
//
// What a token is worth is a decision too, a simulated one about token.introspect at
// the service it is for: nothing is recorded, and no credential counts as used. There a
// denial of the guards edge, assurance, network, schedule, entitlement or decision is
// about the call, which there is none of; a denial of any other guard, also of one that an
// operator's own bundle adds, ends the token. Before a token is handed out the same is
// asked, and ISSUER_UNTRUSTED refuses it: the machine user's issuers do not list
// Config.IssuerID, so that no service would take its tokens.
//
// # Tokens
//
// JWTs of the RFC 9068 profile, signed with ES256, for exactly one audience: the id
// of a registered service, and never Config.Service itself, which every service
// would take. client_id is the machine user; sub is the machine user, or
// "user:<id>" or "tenant:<id>" for a token on behalf of one. They live
// Config.Lifetime, and no longer than the client certificate they were got with, to
// which they are bound (RFC 8705).
//
// Tokens of its own the service knows by their signature: no text is read that a key
// of the ring did not sign.
//
// # Keys
//
// Private keys lie in Config.Dir and nowhere else, one file a key, mode 0600:
//
//	key-<sequence>.json  {"schema": 2, "sequence": 3, "drops_earlier": true, "signs_from": RFC 3339, "key": JWK}
//
// signs_from is absent until the key has been published; drops_earlier is there when no key
// made before it counts any more. The key that signs is the last whose signs_from has
// come, so that a switch is a moment on the clock and no write:
//
//	make      Overlap before the last key ends: its file is written, then it is published
//	next      published, then given a signs_from Overlap later
//	current   signs from then on, for about KeyLifetime
//	previous  published until MaxLifetime and 5 minutes after it stopped, then deleted
//
// A crash between any two steps leaves files from which New carries on. Two promises
// follow. A token verifies with every key set published from its signing to its
// expiry. A key signs only after it was published, and was so for Overlap, but for the
// first key of a folder and the one an emergency makes, which sign at once: no older
// copy of the key set would have a better one.
//
// The issuer entity is the service's own: Run publishes it every minute, so that one
// that was deleted or edited is as it was within that time; no token is handed out
// while it is gone. Who wants our tokens refused revokes by issuer.
//
// RotateNow is that emergency. It drops every key there is, since one who could read
// one could read all; tokens signed with them are refused as soon as it returns.
//
// No secret, token or private key reaches a log line or an error.
package tokenservice
