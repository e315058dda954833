// Package sink carries the records of the decision log to places outside: a file or
// stream of JSON lines, a collector of OPA's decision logs, an OTLP collector.
//
// # Contract
//
// A Runner has one sink and a cursor of its own in the log: the number of the last
// record that is done with. It reads what follows, sends it in order and moves the
// cursor, so every record arrives at least once and none before one of a lower
// number. A record arrives again when the sink took it without our learning so, or
// when the node ended before the cursor was moved; its decision id (or seq) says that
// it is the same. The queue of a slow or dead sink is the log itself: it costs no
// memory and delays neither decisions nor other sinks. What the log no longer has when
// the sink comes back is counted as missed.
//
// Intents and changes, who changed what, are records like decisions: lines and
// OpenTelemetry logs have them whole, or withheld when a sink was away so long that the
// log has no more of them. A sink that has no use for some records (Chooser) is not
// sent those, which Stats.LeftOut counts: OPA's decision logs take no changes.
//
// # Failures
//
// A sink that fails is tried again for ever, with back-off from MinDelay to MaxDelay,
// half of it random, and not before its Retry-After (of MaxDelay at most). A batch that is refused as it is (ErrRefused: HTTP 400, 413 or 422, or
// records that cannot be written in the sink's format) is halved until one record is
// left; that one is skipped, counted and logged by its number. A sink that refuses
// everything is more likely to be set up wrongly than to be sent nothing but bad
// records: after ten skips in a row each further one comes after a back-off, so that
// little is lost until an operator looks.
//
// # Bounds
//
// One batch, of Batch records and some BatchBytes, is in memory, and one request is
// under way. An HTTP sink waits Timeout for an answer, reads 64 kB of it, follows no
// redirect and goes to https only (http to a loopback address). Its token is read
// from a file for each request, so a new one needs no restart. Neither a token nor
// what a server answered reaches an error, a log line or Stats.
package sink
