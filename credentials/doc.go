// Package credentials acts on the credentials and tokens of machine users: it
// makes new secrets, puts revocations and renewals on their lists, moves rotation
// sets through their steps (the rotation room computes them, this one reads what
// they need and writes what they say), and deletes machine users.
//
// Promises:
//   - what a method did is one write: durable when it returns, whole, and seen by
//     the next decision;
//   - a write that lost a race with another (a last use being stored, mostly) is
//     computed anew from what is there then, a bounded number of times;
//   - an entry that is put on a list is never weaker than the one it replaces, which
//     only a PUT or DELETE of the entry itself loosens;
//   - a secret is returned once, by the call that made it, whatever fails once it is
//     stored. Only its hash is kept;
//   - no credential is stored that Config.Check refuses.
package credentials
