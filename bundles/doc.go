// Package bundles owns policy sets. Its steps are types, so that a step left
// out does not compile:
//
//	Read(fs.FS)      -> Archive    the files, bounded and sorted by kind
//	Compile(Archive) -> *Snapshot  checked, compiled, immutable
//
// # Format
//
// A policy set is a tree in OPA's bundle format:
//
//	.manifest             {"roots": ["verdict", "guards"], "rego_version": 1, "metadata": {...}}
//	**/*.rego             policies, Rego v1
//	**/*_test.rego        tests: they run with Test and are no part of what evaluates
//	**/data.json          data at the path of its folder; also data.yaml, data.yml
//
// Other files are ignored, as OPA ignores them; policy.wasm and patch.json are
// refused, because ignoring them would change what the set means. roots and
// rego_version 1 are required.
//
// # What a policy set must be
//
// Compile refuses, each by file and line with what to do about it:
//
//   - built-in functions that reach the network, the host, randomness or a
//     second judgement of tokens (Refused lists them with the reason);
//   - a set without package verdict.decision, the entrypoint;
//   - a package guards.<name> without the partial set rule deny, and a deny
//     anywhere else below guards, where nobody would collect it;
//   - a deny without METADATA that carries custom.code, title or description,
//     custom.fix and custom.status: they are the reason a caller is given;
//   - data outside the roots, and data or packages at the names of the fact
//     collections, which belong to the store;
//   - expressions that read a fact collection whole (data.users, data.users[x]
//     with x unbound, object.get(data.users, ...)): they would cost as much as
//     there are users;
//   - references to data that is neither a fact collection nor defined by the
//     set (data.machine_user[x], data.issuers, an import of a package that is
//     not there), which would be undefined for ever, and data[x];
//   - whatever OPA's compiler refuses in strict mode.
//
// # Index
//
// Compile replaces OPA's index of rules by one that changes no answer, no error
// and no read: it leaves a rule out only for what its body asks of the question
// before anything else.
//
// # Contract
//
// A Snapshot is immutable and may be shared between goroutines. Nothing here
// reads a clock, the network or a request.
package bundles
