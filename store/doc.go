// Package store keeps everything Verdict has at rest, in Badger.
//
// # Revisions
//
// Every committed write raises the data revision by exactly one; a write is a
// list of operations that happen together or not at all. Concurrent writes are
// grouped: the caller that has the commit lock evaluates all queued writes in order,
// each seeing the ones before it, and commits them as one Badger transaction,
// so that they share one fsync. A write that fails its precondition fails
// alone. Apply returns after the fsync: what it acknowledged survives the loss
// of the process.
//
// Badger runs in managed mode and its version timestamp is our revision, so the
// data of a revision and the number cannot come apart. A Snapshot reads at the
// last published revision; writers never block it, nor it them. Versions an
// open snapshot may still read are never discarded, nor those of the revisions the
// change feed reaches back to: SnapshotAt reads them again.
//
// # Hot state
//
// Collections that are small and read by every decision (services, edges,
// plans, tenants, machine users, revocations, renewals, issuers, credentials, API
// keys, and the entitlements of tenants and plans) are kept in memory as one
// immutable value, swapped together with the revision. A miss there is
// authoritative. A hot collection that outgrows Config.HotLimit is served from
// Badger from then on, until the store is opened again below the limit; answers
// are the same.
//
// Issuers, credentials and API keys are kept decoded, and the first two with
// indexes of their own: by URL and kind, by machine user and by every name. A
// write copies the parts of an index that it touches, never the whole.
//
// # Succession
//
// An entity that replaces another may be an authz.Successor. Its Succeed is then
// called within the write, after the precondition held, with the entity as the
// writes before left it and the time of the write; what it changed is what is
// stored, and what it refuses is refused. A delete ends the succession: what is
// put after it succeeds nothing.
//
// # Key layout
//
// Numbers are big-endian, so that byte order is their order. coll is one byte
// (see keys.go); key is the entity's key, "first/second" for pairs.
//
//	m schema                                schema version, 4 bytes
//	m state                                 revision, feed floor, next change number, count of every collection
//	m history                               revision from which on old versions are kept, 8 bytes
//	d coll key                              entity: revision, created_at, updated_at (8 bytes each, ms), JSON
//	                                        with user meta 1 a tombstone: revision, deleted_at
//	x coll filter 00 value 00 key           index entry, empty; one for every authz Filters() name that is set,
//	                                        save the first id of a pair, which orders the entities themselves
//	x coll "names" 00 name 00 key           index entry of a credential, empty; one for each of its Names. Names are
//	                                        whole in it: at most 2,000 bytes, none of them zero
//	e coll expires_at(8, ms) key            expiry entry, empty; entities whose Expires is set
//	c revision(8) part(2)                   change record: when, number of its first change, the changes
//
// Data of an older schema is brought up to date when it is opened; see
// SchemaVersion. Counts of collections a version did not know are taken as zero.
//
// Every revision has a change record while the change log is on. Records past
// Config.ChangeRetention are compacted, and with them the tombstones they made.
// Compaction changes nothing a reader can see but the feed's floor, so it takes
// no revision.
//
// # Secrets
//
// Nothing here is a secret that works. Exports and backups hold entities as they
// are stored, and with them the salted hash of every shared secret
// (Credential.SecretHash) and, in backups and in exports that ask for API keys by
// name, the hash of every API key. So nothing is taken out on the way, and a
// restored node knows its callers again; protect both, as their
// readers can try to guess a weak secret.
//
// # Errors
//
// Errors that reach a caller are *authz.Error. A failed commit publishes
// nothing; after one the store takes no more writes until it is opened again,
// because only a restart can tell what reached the disk. Reads go on.
//
// # Space
//
// A write that finds less space on the disk than Config.MinFree is refused with
// CodeUnavailable before anything of it is written; it can be made once there is
// space again. The floor keeps room for what Badger writes by itself, because
// Badger cannot run out of space and live. Below the floor the sweeper and the
// compaction of the change log are refused as well: what they delete takes space
// before it frees any.
package store
