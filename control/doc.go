// Package control is where everything is changed: over whatever
// surface, or as a command that opens the data directory itself. It knows no HTTP.
//
// # One change
//
// Every method that changes something takes the author as an argument and goes
// through Service.do, so that none can forget a step:
//
//	role     the author holds the role of the kind of change (authz.ChangeKind.Role)
//	share    one author has so many changes under way at once, and waits for its turn
//	rules    what is asked for may be: shape, ties to other entities, least privilege;
//	         a bundle that is pushed has arrived
//	intent   the change is announced in the audit, on the disk
//	effect   it is made; every write it makes carries its id (authz.WithChange)
//	outcome  what became of it is recorded, on the disk, before the author is answered
//
// What its role, its rules or its condition refuse is recorded too. A change that
// cannot be announced is not made. One whose outcome cannot be recorded is answered
// as an outage, and no other change is made before that outcome is recorded.
//
// Refusals of one author and kind beyond a burst are counted and not recorded one by
// one; the next that is recorded says how many there were (AuditedChange.Omitted), and
// Run records the rest. An author whose announced changes are refused again and again
// has to wait before it may announce more.
//
// # After a kill
//
// Recover settles every intent without an outcome: a write of the data, and of our own
// issuer, is looked for in the change feed by its id, a generation among the
// generations. What was there only in memory (a shadow, a replay) is
// ChangeInterrupted.
//
// # What a change entails
//
// What must hold when a change is acknowledged is in the same write (the revocations
// of what is deleted) or done by the store before the write returns (forgotten answers
// of an issuer, see store.Config.Written): so it holds for every way in. What may be
// late follows the change feed: Follow has the keys of written issuers fetched.
package control
