// Package decisiontable reads and runs tests of policies that those who own the rules
// can read: tables of questions with the answers they must get, as YAML files beside
// the policies. A file whose name ends in _table.yaml is a table:
//
//	about: Who may send e-mail.           # optional, as in each case
//	time: 2026-11-22T10:00:00Z            # RFC 3339; a case may have its own
//	data:                                 # the facts, by collection and id
//	  include: [../world.yaml]            # more facts, from files with nothing else
//	  services: {svc:email: {tier: 1, env: prod}}
//	  edges: {mu:user-svc: {svc:email: {actions: [email.send]}}}
//	input:                                # what the questions have in common
//	  subject: {id: mu:user-svc}
//	cases:
//	  - name: its own action
//	    input: {action: {name: email.send}, resource: {id: svc:email}}
//	    want: allow
//	  - name: another action
//	    input: {action: {name: email.purge}, resource: {id: svc:email}}
//	    want: deny
//	    reasons: [ACTION_NOT_ALLOWED]
//
// # Answers
//
// want is allow or deny. reasons and would_deny are the codes, obligations and advice
// the ids, that must be given: these and no others, in any order. Left out they must
// be empty, so a deny names its reasons.
//
// # Facts
//
// Facts are entities as an import has them, and as strictly read: what could not be
// stored is an error of the table. Collections of pairs (edges, entitlements,
// revocations, renewals) go by their two ids, one below the other. The id of an
// entity, and of a pair its two ids, may be left out. Credentials and issuers are no
// facts: what they prove is part of the input.
//
// # The input
//
// The input has the members that authz.Question documents, and no others. Of the
// question subject.id, action.name and resource.id have to be given. What else is
// left out has this default:
//
//	subject, resource   their type; properties are {}
//	context             {}
//	credential.kind     jwt, or without a token certificate when there is one
//	trust.level         1 for a secret, 2 for an opaque token, 4 for a certificate or a
//	                    bound token, and 3 for others
//	trust.freshness     fresh
//	token               where the kind is jwt, claims or opaque: one of our own issuer
//	                    "issuer" for the subject, meant for us, issued 30 seconds ago,
//	                    good for five minutes. It is revoked by the id
//	                    tok-a68ff151dfc8b3d6bc5619e06950f8935ade051b, and by its key
//	                    key-6f38bf3df88cb36cb5ca02fd55e1d654d00bc43d
//
// The time is not among them: it is the table's or the case's. Times in credential,
// certificate and token may be written as RFC 3339 instead of Unix seconds.
//
// # Overrides
//
// The data and the input of a case change those of its table as a JSON merge patch
// does (RFC 7396): mappings are merged, anything else replaces, and null takes away.
// So does the data of a table with what it includes. What table and case together
// leave out has its default, and what they have null for has none: `token: null` is
// a question without a token, `token: {issued_at: null}` one with a token that does
// not say when it was issued. The context and the properties, which every question
// has, are empty then.
//
// # YAML
//
// Tables are YAML that says what JSON can say. Keys are strings and appear once, and
// numbers are written as in JSON. Anchors work, merge keys (<<) and tags do not.
// What is wrong is reported by file and line, all of it at once.
package decisiontable
