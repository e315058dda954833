// Package rotation takes the machine users of a rotation set from one generation
// of their credentials to the next while all of them keep working. It is pure: a
// State read from one snapshot goes in, a Plan of entities to write or an error
// comes out. It reads no clock, does no I/O and makes no secret; what a State
// points to is never changed.
//
//	         Start              Advance, Force            Advance, Force
//	(none) --------> propagate ----------------> drain ------------------> done
//	  prepare:          |            switch:       |          retire:
//	  new pending,      |            new active,   |          old retired
//	  old as it was     |            old retiring  |
//	                    +----------> aborted <-----+   Abort: old active again
//	                    +----------> done    <-----+   Emergency: old revoked now
//
// # Evidence
//
// Advance takes a step only on evidence, which is when a credential was last used:
//
//   - propagate ends when every member has proved its new generation: used it, at
//     or after the rotation was prepared;
//   - drain ends when, besides, every old generation has been unused for the quiet
//     time, counted from its last use or the switch, whichever is later.
//
// A credential that is revoked, retired, gone or past its not_after is dead: nothing
// can be proved by it. Of a member with nothing but dead generations nothing is expected,
// because no step can break it. A member whose new generation is dead while an old
// one is not stops Advance and Force alike; Abort and Emergency are the ways out.
//
// # Promises
//
//   - A new generation has no name and no key that one it replaces has, so that the
//     use of one is no evidence of the other.
//   - Two generations of a member are accepted while a rotation runs, and at most
//     one more that an aborted rotation left retiring.
//   - Without Force and Emergency no step ends a generation that was used within the
//     quiet time, nor the last one that a member has. Two exceptions are inherent:
//     a use that the State does not have, and a new generation that was handed out,
//     never used, and revoked by Abort.
//   - Retired and revoked are final.
//
// # Writing a plan
//
// A Plan holds whole entities in the order to write them: all in one transaction,
// each on the condition that the stored one still has the revision in its Head
// (0: there is none). When a condition fails, for instance because a last use was
// written in between, read a new State and ask again.
package rotation
