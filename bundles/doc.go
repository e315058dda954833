// Package bundles owns the form of policy sets and what they must be. Its steps
// are types, so that a step left out does not compile:
//
//	ReadTar(io.Reader)  -> Package    a bundle as it travels, bounded
//	Package.Verify      -> Verified   signed as it must be, and not older than before
//	CompileSet([]Member)-> *Snapshot  checked together, compiled, immutable
//
// and for one folder of policies that is sent by no one:
//
//	Read(fs.FS)         -> Archive    the files, bounded and sorted by kind
//	Compile(Archive)    -> *Snapshot
//
// # Format
//
// A policy set is a tree in OPA's bundle format; a bundle is one as a gzipped tar:
//
//	.manifest             {"roots": ["verdict", "guards"], "rego_version": 1, "metadata": {...}}
//	**/*.rego             policies, Rego v1
//	**/*_test.rego        tests: they run with Test and are no part of what evaluates
//	**/data.json          data at the path of its folder; also data.yaml, data.yml
//	.signatures.json      one signature, as `opa sign` makes it
//
// Other files are ignored, as OPA ignores them, and yet covered by a signature.
// What OPA would read and is not supported is refused, because ignoring it would
// change what the set means: policy.wasm, patch.json, further manifests, and any
// other file whose name ends in signatures.json. roots and rego_version 1 are
// required. ReadTar says what else makes a tar no bundle.
//
// OPA holds the packages of tests to the roots too. Tests outside of them run
// here; for a bundle that plain OPA loads as well, name their packages in roots.
//
// # Signatures
//
// Who may sign is a list of public keys, each with its algorithm; keys that verify
// and sign alike are refused. One signature must cover every file, each hashed
// with SHA-256 or better. Package.Verify lists the rules, which also say that a
// name signed once stays signed and that nothing older follows.
//
// # Sets
//
// The bundles of a set share nothing: their roots are disjoint, and packages and
// data lie within the roots of their own. The root "modes" is that of the bundle
// authz.ModesBundle, which need not be there: any policy may read data.modes.
//
// # What a policy set must be
//
// Compile and CompileSet refuse, each by file and line with what to do about it:
//
//   - built-in functions that reach the network, the host, randomness or a
//     second judgement of tokens (Refused lists them with the reason);
//   - a set without package verdict.decision, the entrypoint, and members of it
//     that are true or else undefined, such as an allow without a default;
//   - a package guards.<name> without the partial set rule deny, and a deny
//     anywhere else below guards, where it would not be collected;
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
//   - bodies nested more than 6 deep and rules of more than 1000 else, because the
//     compiler's time and memory double with each level of the first;
//   - whatever OPA's compiler refuses in strict mode, and what takes longer to
//     compile than Options allow.
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
// knows the time of day, the network or a request; timers bound what policies may
// cost.
package bundles
