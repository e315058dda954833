// Package admin is the surface of the admin listener: entities, the life of
// credentials, the change feed, import, export, backup, API keys and status; and
// the life of policies, the decision log, and its replay with other policies.
//
//	GET    /v1/{collection}        operate, review   a page; ?limit= &cursor= and the collection's filters
//	POST   /v1/{collection}        operate           create; 409 when the id is taken
//	GET    /v1/{collection}/{id}   operate, review   one, with ETag
//	PUT    /v1/{collection}/{id}   operate           create or replace
//	DELETE /v1/{collection}/{id}   operate
//	POST   /v1/secrets             operate           a machine user's new secret, in this answer only
//	POST   /v1/revoke              operate           an entry of the revocation list
//	POST   /v1/renew               operate           an entry of the renewal list
//	POST   /v1/token_service/replace_keys            operate   every token of our own becomes invalid
//	GET    /v1/rotation_sets/{id}/status             operate, review
//	POST   /v1/rotation_sets/{id}/start              operate   new secrets, in this answer only
//	POST   /v1/rotation_sets/{id}/{advance|force|abort|emergency}   operate
//	GET    /v1/changes             operate, review   ?after= &limit= &wait_s=
//	POST   /v1/import              operate           NDJSON in
//	GET    /v1/export              operate, review   NDJSON out; ?collection= any number of times;
//	                                                 credentials, which have hashes, to operate only
//	GET    /v1/backup              operate
//	GET    /v1/keys                operate           never the secrets, nor their hashes
//	POST   /v1/keys                operate           the one answer with a secret
//	DELETE /v1/keys/{id}           operate           revoke
//	GET    /v1/status              author, operate, review   the state of the node, and its problems
//
// Policies and decisions:
//
//	GET    /v1/bundles             author, operate, review   of the active generation
//	GET    /v1/bundles/{name}      decide, author, operate, review   as it came in; Prefer: wait=N
//	PUT    /v1/bundles/{name}      author            through the gate; ?message= &activate=
//	DELETE /v1/bundles/{name}      author            likewise
//	GET    /v1/generations         author, operate, review   newest first; ?limit=
//	GET    /v1/generations/{n}     author, operate, review
//	GET    /v1/generations/{a}/diff/{b}   author, operate, review   files; ?last= decisions too
//	POST   /v1/generations/{n}/activate   author
//	POST   /v1/rollback            author
//	GET    /v1/policy_status       author, operate, review
//	GET    /v1/guards              author, operate, review   with the evidence for the next mode
//	POST   /v1/guards/{name}/mode  operate
//	GET    /v1/shadow              author, operate, review
//	POST   /v1/shadow              author            and DELETE
//	POST   /v1/replay              author            NDJSON out: progress, then a report or an error
//	GET    /v1/decisions           operate, review   newest first; ?after= &wait_s= to follow
//	GET    /v1/decisions/{id}      operate, review   ?explain=full
//	GET    /v1/decisions/export    operate, review   NDJSON out
//	POST   /v1/decisions/verify    operate, review
//	GET    /v1/audit               review            newest first; ?after= &wait_s= to follow
//	GET    /v1/audit/{id}          review
//
// A collection is every one of authz but api_keys, which is reached by /v1/keys
// alone: an import line, an export or a list of api_keys is refused. A pair
// collection has two ids in its path: /v1/edges/{from}/{to}. Rotations are read
// only: their steps write them. No response has the hash of a secret. That of an issuer
// has its present status, which its ETag does not cover.
//
// # Conditions
//
// ETag is the quoted revision that last wrote the entity, always strong. PUT and
// DELETE take If-Match with one strong tag or *, PUT takes If-None-Match: *; a
// list of tags on a write is refused, since it has no use there. GET takes
// If-None-Match with a list and weak tags, and answers 304 (RFC 9110 section
// 13). A condition that does not hold is 412.
//
// The ETag of a bundle is its quoted digest. A GET of one that its If-None-Match
// knows waits for another when Prefer: wait=N asks for it (RFC 7240), which is
// OPA's long poll. A write of a bundle takes no condition: it makes a candidate.
//
// # Changes
//
// Every change goes through Control, which checks the role and the rules and records the
// change, made or refused. What is refused before that (a role, a query string, a body that
// cannot be read) is recorded by the table of routes, once; see package route.
// Requests without a valid API key are not recorded.
//
// # Streams
//
// Import, exports, backup, bundles and the records of a replay have no size limit here. Each read and write of theirs must make progress within StreamIdle.
// An error in the middle of an export or a backup closes the connection, so that a client
// never takes a part for the whole. A replay reports its error in the last line, and is
// complete only with a last line.
//
// # Tasks
//
// A push, a comparison, a replay and a verification may take TaskTime. They are
// cancelled, without an effect, when their caller goes away or the server shuts down.
package admin
