// Package decisionlog keeps every decision, in a Badger of its own: masked, chained
// by hash, bounded by age and size, and as durable as the configuration and the
// policy ask for. Who changed what is kept in the same chain. It does not know how a
// decision or a change came about, nor who reads of it.
//
// # Durability
//
// What holds of a decision when Record returns, the stricter of Config.Durability
// and Decision.Durability:
//
//	async     It waits in memory, and Record never waits. The process's death loses
//	          at most Config.Queue of them, without a trace. When the queue is full, or
//	          the log cannot be written, decisions are lost and counted: a record of
//	          kind loss stands for them in the chain. Run writes what waits, Close the rest.
//	spool     It is committed and outlives the process, whatever kills it: Badger's
//	          write-ahead log is a shared memory map, which the kernel keeps. It is
//	          synced within a second while Run runs, so a power cut loses the last
//	          second at most. When the log is slow Record waits, up to Config.Wait, and
//	          then says that nothing was recorded.
//	required  As spool, and synced: it is on the disk.
//
// Callers that record at the same time share a commit, and a sync if one of them
// needs it: the caller that gets the commit lock writes everything that is queued. Input and
// masks are made by the callers themselves, for async by Run.
//
// An error of Record means that the record is not known to be there. It may be: a
// required one whose sync failed.
//
// A failed commit or sync stops the log: it takes no more records until it is opened
// again, because only a restart can tell what reached the disk. Reads go on, async
// decisions are counted as lost, and Ready says so. Too little space on the disk, in
// contrast, is refused before anything is written, and passes when there is space.
//
// After a power cut records of the last second may be missing while later ones,
// whose callers waited for the disk (required), are there: a memtable that Badger had just
// filled was not yet a table. Verify names the gap; the log goes on.
//
// # Masking
//
// Before it is stored, Config.Mask says what of the input and the result is to be
// removed or replaced, in the form of OPA's decision log masks. A policy may mask
// anything below /input but /input/time, and of the result messages, fixes and
// details of reasons and everything of obligations and advice but their ids. What it
// names in vain is passed over, what it may not name is a failure. An element removed
// from a list leaves null.
//
// After that comes a backstop that nothing switches off, decisionlog/redact. These become
// "[masked]": the value of a member with the name of a credential (authorization, cookie,
// clientSecret, http.request.header.cookie ...), or listed beside that name; and any string
// that contains a compact JWS or JWE, a key or secret of ours (vk_, vs_), credentials of an
// Authorization header, a private key in PEM, or such a name with a value (access_token=x,
// "password":"x"), also percent-encoded or in base64. Codes and guards of reasons, which
// records are found by, stay. Record.Masked lists both.
//
// When any of it fails (the policy's error, its panic, a second without an answer, a
// mask that cannot be applied, input and result over 960 KiB together, over 64 KiB of
// pointers to what is masked) the record is
// stored without its input and says why in InputError; its result keeps codes, guards
// and modes only.
//
// # Changes
//
// Announce records an intent, before a change is made; Settle records what became of
// it, also of one that was refused and never announced. Both are records like those of
// decisions, always required: they are on the disk when the call returns, or it returns
// an error and the change must not be made. They share commits and syncs with
// decisions, and wait in a queue of their own (MaxPending of them, 16 MiB), which no
// decisions fill. After a crash Pending lists the intents without an outcome, for
// the caller that can find out what became of them. An id is announced once and has one
// outcome: the same outcome again records nothing and is no error, another one is
// CodeConflict.
//
// The backstop masks the texts of a change, with one difference: of keys and secrets of
// ours it masks whole ones only, since a user may be called vk_bob. Message and Error are cut at 2 KiB, all
// others at 512 bytes, so that one takes no more than some 12 KiB in characters that
// JSON writes as they are.
//
// Beside the chain of all records, changes (intents among them) have one of their own:
// AuditedChange.Number counts them without a gap, and PrevChange is the hash of the
// record of the change before. The whole record lies apart, and in the chain of all
// there is a stub of some hundred bytes in its place, with the hash. So each is removed
// without the other. What is removed of decisions takes stubs with it, and leaves the
// changes, which hold together by themselves. A change that is removed leaves its stub,
// while decisions around it are kept, and the chain of all holds: of stubs with nothing
// between them, whose changes are all removed, the last stays, for all of the run. It has
// the hash that the run ended with, what its first record followed, and how many they were.
//
// Config.AuditMaxAge and AuditMaxBytes bound changes, and MaxAge and MaxBytes all else:
// neither counts for the other. No decision is removed for changes, nor for their stubs:
// a stub goes when it is the oldest record and MaxAge or MaxBytes has it go. They do not
// grow without bound: AuditMaxBytes counts those of the changes kept, and of all others
// there is one run of 100 bytes between two records that are kept, and seldom one or two
// more where a reader or the end of the log stood when changes were removed. An intent
// without an outcome, and what a sink has not read yet, is spared until twice
// AuditMaxBytes is kept.
//
// Lists of decisions (List, Tail, Each, Count, Get) leave intents and changes out.
// Changes and ChangesAfter page through them, an intent only while it has no outcome;
// After has all records for sinks. Export has them too, since an export without them
// could not be verified: whole for a reader who may read changes, else withheld, which
// is a record of Seq, Kind, At, ChangeNumber, Prev, Hash and Withheld, and Places if it
// stands for a run. Its members for decisions, as those of every intent, change and loss,
// have no meaning: look at Kind first.
//
// # Chain
//
// Numbers are dense, from 1. The hash of a record is the SHA-256 of what ijson.Marshal
// writes of it with an empty Hash; its Prev is the Hash of the record before, empty in
// the first. Retention removes from the old end and leaves an anchor, the number and
// hash of the last record removed; the newest is noted with every commit. So Verify
// finds any record that was changed, removed or put in, at both ends too, unless the
// whole rest of the chain was written anew with the files in hand: keep HeadHash of a
// authz.VerifyReport elsewhere to find that as well. VerifyLines does the same for an export.
//
// The newest change and the last one removed are noted in the same way, with the head
// and with the anchor go the number of changes up to them, and Verify reads both chains
// and compares them: a change that was altered, removed, put in or moved is found, with
// or without the decisions around it. Of one that an export withholds, and of one whose
// stub alone is kept, the hash links the records before and after it, and
// authz.VerifyReport.Withheld counts it: its content was not verified. In an export its
// number must fit between those of the changes around it. Of a run all but the last left
// no hash: the record after it follows the hash it ended with, numbers tell that nothing
// was put into it, and authz.VerifyReport.LeftOut how many they are.
//
// # Reading
//
// List pages from the newest record, Tail and After follow from a number on, Each
// streams, Count counts. Filters look at a header before the JSON of a record, so that
// passing over one costs about two microseconds. A call looks at 200,000 records at
// most, and returns 16 MiB of them, before it gives a page with a cursor; Each and
// Count go on to the end.
//
// A reader that must not miss anything keeps a Cursor here. Retention spares what the
// slowest reader has not read until twice Config.MaxBytes is kept, and then counts
// what was missed. A cursor counts from the first time it is asked for or set after
// Open, so that one that is no longer used holds nothing up.
//
// # Key layout
//
// Numbers are big-endian, so that byte order is their order.
//
//	m schema        schema version, 4 bytes
//	m head          place of the newest record in the chain: number, bytes up to it (8 bytes
//	                each), hash, number of the newest change up to it (8, absent before version 2)
//	m anchor        the same of the newest record removed
//	m changehead    place of the newest change in their chain: number, bytes, hash, 0 (8 bytes)
//	m changeanchor  the same of the newest change removed
//	r number(8)     record: header, JSON without hash; see header.go. Of a change its stub,
//	                of a run of stubs that of the last
//	i id            number(8) of the decision's record
//	c name          number(8) of the last record a reader is done with
//	a number(8)     intent or change: header, JSON without hash; see change.go
//	j id            number(8) of the newest record of a change: its intent, then its outcome
//	p number(8)     intent without an outcome: one byte
//
// Version 2 of the schema brought changes. A log of version 1 is opened in place, and
// cannot be opened by an older Verdict after that.
//
// # Memory
//
// Config.Queue records and Config.QueueBytes for async, as many for callers that wait,
// 16 MiB of changes, and Badger: some 24 MiB for each of three memtables, 32 MiB of caches.
package decisionlog
