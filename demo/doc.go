// Package demo carries Brightfold, the invented company that --demo and the
// decision corpus run on: a business-to-business invoicing service with three
// tenants, fourteen services, fifteen machine users and the edges between them.
// All its addresses and names are reserved for documentation.
//
// The data is NDJSON as POST /v1/import takes it, one line an entity, referenced
// before referring. The issuer that signs Brightfold's tokens is not in it: its
// key is made when a data directory is.
package demo
