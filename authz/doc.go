// Package authz owns the vocabulary of Verdict and nothing else: the entities
// policies judge, the question a caller asks, the decision it gets, the error
// every surface answers with, and DecideFunc, which answers a question.
//
// It does no I/O, reads no clock, logs nothing and imports only the standard
// library. Two promises hold for every type here:
//
//   - the zero Decision, the zero Judgement and the zero Outcome deny;
//   - a value that passed Validate may be stored and shown to a policy as it is.
//
// Words are those of docs/design.md section 2.
package authz
