// Package events says what a security event means here: it maps one verified
// security event token (RFC 8417, SSF 1.0, CAEP 1.0) to entries of the revocation
// and renewal lists and to the end of credentials, and receives events once each. It
// verifies no signature, stores nothing on disk and knows no HTTP.
//
// # What an event does
//
//	session-revoked      the subject's tokens issued until it happened are revoked
//	credential-change    revoke, delete: the same, and the credential itself, for good,
//	                     where the issuer vouches for it; create, update: the tokens are
//	                     to be renewed within Options.RenewWithin, which proves the new
//	                     credential
//	token-claims-change  the tokens are to be renewed within Options.ClaimsGrace,
//	                     which by default is at once
//	anything else        nothing: accepted and counted as ignored. So are stream
//	                     verification and update events of SSF, and RISC events
//
// Claims that a token-claims-change carries are not applied to a token that lives.
// What a token says was signed together with its audience and its end; an event
// could only be laid over it, on this node alone, and a claim overridden that way
// could give more than the issuer ever signed. The renewed token carries the new
// claims instead.
//
// An event that says not when it happened (event_timestamp) happened at its iat. A
// time counts to the end of its second, because times of tokens are whole seconds
// too. A time ahead of our clock, as milliseconds would be, counts as now: an event
// stops no token that is yet to be issued.
//
// # Whom an event is about
//
// A subject (RFC 9493, SSF 1.0 section 3) leads to tokens in these ways:
//
//   - jwt_id is that one token;
//   - the sub of iss_sub, and the id, e-mail address, number or URI of the other
//     formats, is a name the issuer gave: it is looked for among the names of
//     accepted credentials registered with this issuer, and, unless the issuer's subjects are
//     federated, among the machine users it may speak for (their issuers list it, or
//     they list none and it is our own). It is compared with the subject of tokens:
//     where an issuer maps another claim to the subject, its events have to name that;
//   - aliases is every one of its identifiers;
//   - complex means what matches all of its members, and an entry has one name. So the
//     narrowest member that covers every such token is taken: a session that is a
//     jwt_id; else the user; else an application or device that is a machine user;
//     else the tenant, from our own issuers only, whose names of tenants are those
//     used here. A user that is not known here matches no token, whatever the
//     other members are. Opaque sessions, groups and org units only narrow further
//     and are passed over.
//
// A subject that is not known here is accepted and ignored: transmitters do not know whom
// we know. A subject that another issuer named (another iss) is refused with
// access_denied unless a member of the issuer's own names the target: an issuer takes back
// what is its own, nothing else. A list entry by machine user has no issuer, so it
// also stops the tokens that other issuers gave that machine user until then; they
// are stopped, not lost, since new ones are good at once.
//
// # Credentials
//
// Shared secrets and public keys are between a machine user and us; no event touches
// them. Of the credential types of CAEP x509 has a counterpart here. Named by
// x509_issuer and x509_serial it is that certificate, but only from an issuer of our
// own, since serial numbers of a stranger do not tell whose certificates they mean. Any
// other way it is every certificate credential of the subject that is registered with
// this issuer. An issuer may also send the type "federated" for the names it gave.
// These entries have no end, and with its entry the credential is put in the state
// revoked, which is final: lists, rotations and decisions all see that it is over.
// After a mistake a new generation is registered. An entry by certificate, which names
// no credential, an operator lifts by deleting it. Of every other type (password, fido2,
// app ...) only tokens are known here, and they are revoked.
//
// A serial number may come in hex or in decimal, and digits alone do not say which:
// then both certificates are revoked.
//
// # Entries
//
// Events never weaken the lists, in whatever order they come. An entry that exists
// and has not ended gets the later issued_before and the later end (none at all
// being the latest), a renewal the earlier deadline; the price is that two events
// may together stop a little more than each alone, and that the second renewal may have
// no grace of its own. Entries by token, machine user and tenant end
// authz.LongestTokenLife after the event was received: no token they stop lives longer.
//
// # Once each
//
// A Receiver remembers the issuer and jti of the last Remember events, in some 150
// bytes each, and only of those whose entries are durable: an event that could not be
// written is done anew when the transmitter sends it again. After a restart nothing is
// remembered, which only means that a repeated event is written a second time: the
// entry stays, and may end later. It also means that an entry an operator deleted comes
// back if its event is sent again.
package events
