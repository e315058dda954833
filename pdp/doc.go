// Package pdp is the pipeline that turns a request into a decision. Every surface
// calls it:
//
//	wait for the revision asked for -> open one view of the data -> verify the
//	evidence -> evaluate the policy -> assemble the decision -> record -> answer
//
// It knows its neighbours by interfaces only; cmd passes in the implementations. It
// uses neither network nor disk itself. A Verifier may ask the issuer of an opaque
// token, within a deadline, and a Recorder may wait for the disk where a record is
// required.
//
// Promises:
//   - a Decision allows only if the evidence proved a subject and the active policy
//     returned a well-formed judgement that allows; every other path denies;
//   - an error means that no decision was made;
//   - a request, or a whole batch, is decided on one data revision and by one policy
//     generation, and single-use evidence is verified once;
//   - every decision that is not a simulation is recorded once, before it is
//     answered; one that could not be recorded is never answered as an allow;
//   - every such decision is counted, see Collectors, and logged at debug level.
package pdp
