// Package engine evaluates one question against one compiled policy set and a
// frozen view of the facts, with OPA's interpreter.
//
// # Contract
//
// Same policy set, question and facts: same Judgement, byte for byte. Nothing
// here reads a clock for a decision, the network, or anything but the facts the
// policy asks for.
//
// Evaluate never fails and never allows by accident. Only a well-formed
// decision object with allow true and no reasons allows. Everything else denies
// with one reason of guard "engine" that says what it was:
//
//	POLICY_UNDEFINED    the entrypoint has no value
//	POLICY_CONFLICT     rules gave different values for one thing
//	POLICY_ERROR        a built-in failed, the facts could not be read, or a fault of the engine
//	POLICY_TIMEOUT      evaluation took longer than its limit, or the caller went away
//	POLICY_OVER_BUDGET  it read more store keys than its limit, or a collection whole
//	POLICY_MALFORMED    the result is not a decision object
//	POLICY_MISSING      no policy is active
//
// Built-in errors are strict: one that fails in any rule that was evaluated
// denies, whatever the other rules said.
//
// # The decision object
//
// The entrypoint data.verdict.decision must be exactly
//
//	{"allow": bool,
//	 "reasons":            [{"code", "guard", "message", "fix", "status"?, "details"?}],
//	 "would_deny":         [the same with "mode": "observe" | "flag"],
//	 "obligations":        [{"id", ...}],
//	 "advice":             [{"id", ...}],
//	 "required_level":     0..5,
//	 "cacheable_for_s":    0..,
//	 "if_pdp_unreachable": "deny" | "allow",
//	 "record":             "async" | "spool" | "required"}
//
// Lists may be sets. allow is required, a deny needs a reason, an allow must
// have none, and a reason needs code, guard, message and fix. The other members
// may be left out: nothing, 0, "deny", or a record as durable as the configuration
// says. Members whose name starts with an underscore are helpers of the package and
// are ignored; any other member is an error.
//
// # Facts
//
// data.<fact collection> is read from the facts during evaluation, one entity
// at a time, and never whole; every other path is bundle data. One decision
// reads each key at most once and at most Config.MaxKeys of them.
//
// # Records
//
// Input writes the policy's input document for a question, and EvaluateInput judges
// it again: with the same policy set and facts, byte for byte as Evaluate did. Mask
// asks data.verdict.log.mask what of it, and of the decision, must not be kept.
//
// # Explanations
//
// Explain and ExplainInput judge once as Evaluate does and then evaluate again, with
// a tracer and without rule index, to say of each rule that could deny whether it
// held, and where it stopped when it did not; which facts were read; and, by taking
// denials away and evalArgs again, the smallest sets of them that would have to go.
// None of it is paid for by Evaluate.
package engine
