// Package usage notes when each credential was last used, and from where, and has that
// written: often enough to act on, seldom enough to cost nothing.
//
//	Observe -> Seen -> known, in memory -> due -> Config.Write
//
// Observe takes a decision and notes a use if the decision proves one; WriteTo is a
// Config.Write for a store of credentials.
//
// # Writing
//
// A use is due at once when none of its credential was ever stored, else Every
// after the one stored last. Run writes what is due, once per First. So every use
// is stored, or a later one of the same credential is, within Every plus First; and
// of one credential at most one use per Every is. What could not be written stays pending
// and is tried again, after First, then after twice as long each time, up to Every.
// When its context ends, Run writes everything that is pending once more.
//
// What is pending when the process is killed is lost: at most the uses of the last
// Every plus First, of credentials stored before.
//
// # Promises
//
//   - Seen waits for no write and, for a credential known, allocates nothing.
//   - A use never goes back in time: an earlier one than is known or stored is
//     ignored.
//   - At most Config.Max credentials are known, of some 250 bytes each. A further
//     one takes the place of the one seen least recently. If a use of that one was
//     pending, it is lost, counted in Stats.Dropped and logged.
package usage
