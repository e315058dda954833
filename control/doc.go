// Package control makes every change of a node: for all surfaces, and for commands that
// open the data directory themselves. It knows no HTTP.
//
// # One change
//
// Every method that changes something takes the author as an argument and calls
// Service.do, so that none can leave out a step:
//
//	role     the author holds the role of the kind of change (authz.ChangeKind.Role)
//	share    an author may have a few changes in progress at once, and waits for the others
//	rules    the change is checked: shape, ties to other entities, least privilege; the
//	         bundle of a push is read
//	intent   the change is announced in the audit, on the disk
//	effect   it is made; every write of it carries its id (authz.WithChange)
//	outcome  its outcome is recorded, on the disk, before the method returns
//
// Changes that are refused are recorded too. A change that cannot be announced is not made.
// When an outcome cannot be recorded, the method returns CodeUnavailable, and no other
// change is made before that outcome is recorded.
//
// Refusals of one author and kind beyond a burst are counted and not recorded one by
// one; the next record has their number (AuditedChange.Omitted), and Run records the rest. An author whose announced changes are refused again and again
// has to wait before it may announce more.
//
// # After a kill
//
// Recover records an outcome for every intent that has none: a write of the data, and of our own
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
//
// # What a node has to call
//
// Recover while it starts, and then, until it ends, Run, Follow and RunRotations, each in
// a goroutine of its own. Without the last two, issuers' keys are fetched when they are
// due, and rotations wait to be told each step.
package control
