// Package admin is the surface of the admin listener: entities, the life of
// credentials, the change feed, import, export, backup, API keys and status.
//
//	GET    /v1/{collection}        operate, review   a page; ?limit= &cursor= and the collection's filters
//	POST   /v1/{collection}        operate           create; 409 when the id is taken
//	GET    /v1/{collection}/{id}   operate, review   one, with ETag
//	PUT    /v1/{collection}/{id}   operate           create or replace
//	DELETE /v1/{collection}/{id}   operate
//	POST   /v1/secrets             operate           a machine user's new secret, in this answer only
//	POST   /v1/revoke              operate           an entry of the revocation list
//	POST   /v1/renew               operate           an entry of the renewal list
//	POST   /v1/token_service/replace_keys            operate   every token of ours stops being good
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
//	GET    /v1/status              operate, review
//
// A collection is every one of authz but api_keys, which is reached by /v1/keys
// alone: an import line, an export or a list of api_keys is refused. A pair
// collection has two ids in its path: /v1/edges/{from}/{to}. Rotations are read
// only: their steps write them. No answer has the hash of a secret, and one of an
// issuer says how it stands now, which is not part of what its ETag names.
//
// # Conditions
//
// ETag is the quoted revision that last wrote the entity, always strong. PUT and
// DELETE take If-Match with one strong tag or *, PUT takes If-None-Match: *; a
// list of tags on a write is refused, since it has no use there. GET takes
// If-None-Match with a list and weak tags, and answers 304 (RFC 9110 section
// 13). A condition that does not hold is 412.
//
// # Least privilege
//
// A key is given only roles that the key creating it has, so that no chain of
// keys ends with more than it began with. The key that a request came with
// cannot revoke itself, so that nobody locks the door from outside.
//
// # Streams
//
// Import, export and backup have no size limit. Each read and write of theirs
// must make progress within StreamIdle. An error in the middle of an export or
// a backup breaks the connection off, so that a client never takes a part for
// the whole.
package admin
