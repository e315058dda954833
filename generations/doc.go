// Package generations keeps the policy sets of a node through their life: a bundle
// that is pushed goes through the gate, becomes a candidate generation on disk, is
// activated, and can be gone back to.
//
// # Life
//
//	Push, Remove, SetModes  -> candidate   the gate passed; never active
//	Activate                -> active      one at a time; the one before is kept
//	Rollback                -> active      a kept one again
//	                           kept        was active
//
// A candidate is the active generation with one bundle replaced, added or taken away.
// It never builds on another candidate, and one that would undo what became active
// after it was made is not activated. Numbers are dense and never used again.
//
// # The gate
//
// read, signature, compile, test, replay, in this order (authz.Gate...): limits and
// format; keys and order; everything bundles checks and whether the set can be put in
// force; the bundle's own tests and decision tables, with the set that it would decide in;
// recorded decisions. One offer is in the gate at a time. The active generation goes on
// serving whatever comes of it, and neither Activate nor Rollback waits for the gate.
//
// # What is active
//
// Config.Active says it: the pointer that decisions read. Everything a Set names as
// active follows that pointer, also in the midst of a swap, so that no reader sees a
// generation as active that does not decide, or the other way round.
//
// # Promises
//
// What a method acknowledged survives the loss of the process and of power: files are
// written beside their place, synced and renamed, and their folder is synced. An
// activation is one file, state.json, put in the place of another, and then Config.Use.
// When Use fails the state before is put back.
//
// After a restart the generation that was active is active, with every source down. When
// a newer binary cannot use it, it is tried with the base of that binary. When that fails
// too, or its files are damaged and were set aside, the last good one is active; Status
// says so until a generation is activated, and until then each start tries the
// one that was active again.
//
// When both copies of state.json are lost it is not known what was active: the generation
// that the newest was made on is, since it was active then. A candidate may never have
// been.
//
// A bundle that was activated is remembered, and none older takes its place (see
// bundles.Accepted), except by Rollback, which does not change what is remembered.
//
// The folder is trusted as the data beside it is: bundles on it were verified when they
// were pushed and again when they were activated, and are read back by their digests.
// Keys that are rotated do not stop a node from starting.
//
// What is returned is shared between callers, and must not be changed. The functions of
// Config may read from the Set, and must not change it.
//
// Memory holds the active snapshot, a few that were asked for last, and, while one is
// read or compiled, the files of one set.
//
// # Files
//
//	state.json                  what is active, what was before, the next number, what was accepted
//	state.copy.json             the same, for when state.json is damaged
//	generations/<number>.json   a generation, its parent and what it changed; written once
//	bundles/<hex>.tar.gz        a bundle as it arrived, by the SHA-256 of the file
//	broken/                     files that were found damaged
//	.new-*                      files that were being written; removed at the next Open
//
// The JSON files have a schema. Older ones are read; of a newer one Open is refused.
package generations
