// Package credentials acts on the credentials and tokens of machine users: it
// makes new secrets, puts revocations and renewals on their lists, and moves
// rotation sets through their steps (the rotation room computes them, this one
// reads what they need and writes what they say).
//
// Promises:
//   - what a method did is one write: durable when it returns, whole, and seen by
//     the next decision;
//   - a write that lost a race with another (a last use being stored, mostly) is
//     computed anew from what is there then, a bounded number of times;
//   - a secret is returned once, by the call that made it. Only its hash is kept.
package credentials
