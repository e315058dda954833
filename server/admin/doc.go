// Package admin is the surface of the admin listener: entities, the change
// feed, import, export, backup, API keys and status.
//
//	GET    /v1/{collection}        operate, review   a page; ?limit= &cursor= and the collection's filters
//	POST   /v1/{collection}        operate           create; 409 when the id is taken
//	GET    /v1/{collection}/{id}   operate, review   one, with ETag
//	PUT    /v1/{collection}/{id}   operate           create or replace
//	DELETE /v1/{collection}/{id}   operate
//	GET    /v1/changes             operate, review   ?after= &limit= &wait_s=
//	POST   /v1/import              operate           NDJSON in
//	GET    /v1/export              operate, review   NDJSON out; ?collection= any number of times
//	GET    /v1/backup              operate
//	GET    /v1/keys                operate           never the secrets, nor their hashes
//	POST   /v1/keys                operate           the one answer with a secret
//	DELETE /v1/keys/{id}           operate           revoke
//	GET    /v1/status              operate, review
//
// A collection is every one of authz but api_keys, which is reached by /v1/keys
// alone: an import line, an export or a list of api_keys is refused. A pair
// collection has two ids in its path: /v1/edges/{from}/{to}.
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
