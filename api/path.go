package api

// Paths of the decisions listener.
const (
	PathDecide   = "/v1/decide"
	PathBatch    = "/v1/decide/batch"
	PathSimulate = "/v1/simulate"
	PathEvents   = "/v1/events" // security events pushed by issuers, RFC 8935
)

// Paths of the token service, on the decisions listener. Machines that ask there
// authenticate themselves; PathIntrospect alone needs an API key.
const (
	PathToken      = "/oauth2/token"
	PathRevokeOwn  = "/oauth2/revoke"
	PathIntrospect = "/oauth2/introspect"
	PathJWKS       = "/oauth2/jwks"
	PathMetadata   = "/.well-known/oauth-authorization-server" // RFC 8414
)

// Paths of the admin listener. Entities are at PathV1 + collection, and one of
// them at PathV1 + collection + "/" + id, where the id of a pair collection is
// two ids with a slash between.
const (
	PathV1      = "/v1/"
	PathChanges = "/v1/changes"
	PathImport  = "/v1/import"
	PathExport  = "/v1/export"
	PathBackup  = "/v1/backup"
	PathKeys    = "/v1/keys"
	PathStatus  = "/v1/status"
	PathSecrets = "/v1/secrets"
	PathRevoke  = "/v1/revoke"
	PathRenew   = "/v1/renew"
	// PathReplaceKeys drops the keys the token service has signed with, at once.
	PathReplaceKeys = "/v1/token_service/replace_keys"
	// PathRotationSets + id + "/" + action; a GET of + "/status" returns its state.
	PathRotationSets = "/v1/rotation_sets/"
	PathMetrics      = "/metrics"
	// PathBundles + "/" + name: a PUT pushes a bundle, a GET returns the active one.
	PathBundles = "/v1/bundles"
	// PathGenerations + "/" + number; + "/activate" makes it the active one, and
	// + "/diff/" + number compares it with another.
	PathGenerations  = "/v1/generations"
	PathRollback     = "/v1/rollback"
	PathPolicyStatus = "/v1/policy_status"
	// PathGuards + "/" + name + "/mode" sets the mode of a guard.
	PathGuards = "/v1/guards"
	PathShadow = "/v1/shadow"
	PathReplay = "/v1/replay"
	// PathDecisions + "/" + id.
	PathDecisions       = "/v1/decisions"
	PathDecisionsExport = "/v1/decisions/export"
	PathDecisionsVerify = "/v1/decisions/verify"
	// PathAudit + "/" + id.
	PathAudit = "/v1/audit"
)

// Paths of both listeners. PathHealth and PathReady need no key.
const (
	PathHealth  = "/healthz"
	PathReady   = "/readyz"
	PathOpenAPI = "/openapi.json"
)

// Headers of ours.
const (
	// HeaderRequestID names the request in logs. A value of 1 to 128 visible
	// ASCII characters is taken over, and every answer carries one.
	HeaderRequestID = "X-Request-Id"
	// HeaderRevision is the data revision a write made.
	HeaderRevision = "Verdict-Revision"
)

// Media types.
const (
	TypeJSON    = "application/json"
	TypeProblem = "application/problem+json" // RFC 9457
	TypeNDJSON  = "application/x-ndjson"
	TypeBackup  = "application/octet-stream"
	TypeEvent   = "application/secevent+jwt" // RFC 8417
	TypeForm    = "application/x-www-form-urlencoded"
	// TypeBundle is a policy bundle; by it OPA knows that long polls are taken.
	TypeBundle = "application/vnd.openpolicyagent.bundles"
)

// DefaultBodyLimit is how many bytes the body of a request may have when the server is
// not configured otherwise. Batches, imports and bundles may be larger.
const DefaultBodyLimit = 1 << 20
