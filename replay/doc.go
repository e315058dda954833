// Package replay judges decisions that were made again, by another policy or other data:
// Run those of records from anywhere, History those of a log, Shadow live ones as they are
// made. Nothing it does has an effect on a decision, and nothing is recorded. Evidence
// counts what guards said in records.
//
// # What is compared
//
// A decision flips when its outcome is another one. It is changed when the outcome
// is the same and anything else in the answer is not: reasons, would_deny,
// obligations, advice, trust, cacheable_for_s, if_pdp_unreachable. Its id, its policy
// and its data revision are not compared, nor is what a mask took out of the record. Where
// one took texts or details out of the reasons, those of now are shown without either.
//
// # Counts
//
// Every decision counts once: in Compared, in NotJudged, or under one reason in
// Skipped. A record that stands for lost ones counts as many as were lost. Of those
// compared some flip, some are changed, and the rest are as they were.
//
// # Order
//
// The report of Run depends on the records, the policy and the data alone: what
// many workers find is added up in the order of the records. Which groups and
// examples are kept, when there are too many, is decided by that order.
//
// # Bounds
//
// A Comparison names up to 1,000 codes, edges and machine users, each with five ids
// of decisions, and shows up to twenty decisions. Beyond them it only counts. Run
// holds about 130 records for each worker, or about ten MiB of larger ones, and skips
// those that no decision log holds; Shadow holds the decisions in its queue.
package replay
