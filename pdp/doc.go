// Package pdp is the one pipeline every surface asks:
//
//	wait for the revision asked for -> open one view of the data -> verify the
//	evidence -> evaluate the guards -> assemble -> record -> answer
//
// It knows only interfaces; cmd hands it the rooms behind them. Nothing in it
// touches the network or waits for a disk write, but what somebody asks for: a
// Verifier may ask the issuer of an opaque token about it, within a deadline, and a
// Recorder may wait for the disk where a record is required.
//
// Promises:
//   - a Decision allows only when evidence proved a subject and the active
//     policy's well-formed judgement allowed it; every other path denies;
//   - an error means that no decision was made;
//   - one request, or one whole batch, sees one data revision and one policy
//     generation, and evidence that may be used once is presented once;
//   - every decision that is not a simulation is recorded once, before it is
//     answered; one that could not be is never answered as an allow;
//   - every such decision is counted, see Collectors, and logged at debug level.
package pdp
