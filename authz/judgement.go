package authz

import (
	"context"
	"time"
)

// Question is what the guards judge: the policy's input document. Its JSON
// shape, which evaluators must give policies exactly, is
//
//	{"subject":    {"type": "machine_user", "id": "mu:user-svc", "properties": {...}},
//	 "action":     {"name": "email.send", "properties": {...}},
//	 "resource":   {"type": "service", "id": "svc:email", "properties": {...}},
//	 "context":    {"source_ip": "10.4.2.19", "env": "prod", ...},
//	 "credential": {"kind": "jwt" | "claims" | "opaque" | "secret" | "assertion" | "certificate",
//	                "binding": "x5t#S256" | "jkt",
//	                "id": "cred-81", "type": "shared_secret", "generation": 3, "state": "active",
//	                "made_at": .., "not_before": .., "not_after": ..},
//	 "certificate": {"id": "crt-..", "thumbprint": "..", "name": "spiffe://prod.example/user-svc", "issuer": "prod",
//	                "credential": "cred-82", "not_before": .., "not_after": ..},
//	 "token":      {"id": "tok-..", "issuer": "demo", "issuer_url": "https://..", "key_id": "key-..",
//	                "subject": "mu:user-svc", "audiences": ["brightfold"], "accepted_audiences": ["brightfold"],
//	                "issued_at": 1732266000, "not_before": .., "expires_at": .., "leeway_s": 0,
//	                "tenant": "..", "env": "prod", "scopes": [".."], "methods": ["pwd"], "credential": "..", "own": true,
//	                "on_behalf_of": {"type": "user" | "tenant", "id": "u-ana"},
//	                "status": "valid" | "invalid" | "suspended" | ..},
//	 "trust":      {"level": 3, "freshness": "fresh" | "stale", "age_s": 40, "usable_for_s": [1800, 1800, 7200, 7200],
//	                "supports": ["certificate", "known_source"]},
//	 "time":       "2026-11-22T10:00:00Z"}
//
// properties are always present, as {} when the request had none, and so is
// context. token is absent for evidence that is no token: a secret, an assertion,
// a certificate. In credential everything but kind is absent when no registered
// credential stands behind the evidence; certificate is the verified client
// certificate, if there was one. Absent strings, times and lists are left out;
// times are Unix seconds. usable_for_s holds, by tier 0 to 3, how long what the
// issuer said stays usable. time is RFC 3339 in UTC with up to nanoseconds, and is
// also what time.now_ns() returns.
type Question struct {
	Subject   Subject
	Action    Action
	Resource  Resource
	Context   map[string]any
	Principal Principal
	Time      time.Time
}

// Judgement is the result of one evaluation. The zero Judgement denies.
type Judgement struct {
	Allow            bool
	Reasons          []Reason
	WouldDeny        []Reason
	Obligations      []Duty
	Advice           []Duty
	RequiredLevel    int
	CacheableForS    int
	IfPDPUnreachable Outcome
	// Record is how durable the policy wants the record of its decision, at least;
	// empty leaves it to the configuration.
	Record   Durability
	KeysRead int
}

// Evaluator judges questions by one immutable policy set. Anything but a well-formed
// allow is returned as a Judgement that denies, with the reason, and so is a context that
// ends.
type Evaluator interface {
	Policy() PolicyRef
	Evaluate(context.Context, Question, Facts) Judgement
}

// Explainer judges like an Evaluator and explains the result. It costs several times as
// much as Evaluate.
type Explainer interface {
	Explain(context.Context, Question, Facts) (Judgement, *Explanation)
}

// Rejudger judges questions as they were recorded: input is the policy's input
// document (see Question), which also holds the time. The same input, facts and
// policy give the same Judgement as Evaluate did.
type Rejudger interface {
	Policy() PolicyRef
	EvaluateInput(ctx context.Context, input []byte, f Facts) Judgement
	ExplainInput(ctx context.Context, input []byte, f Facts) (Judgement, *Explanation)
}

// Fact is one entity as a policy sees it.
type Fact struct {
	Key      string // the entity's key within its collection
	Revision uint64 // the revision that wrote it: same key and revision, same bytes
	JSON     []byte // its JSON; shared, never to be changed
}

// Facts is one frozen view of the data. It is used by one goroutine at a time.
type Facts interface {
	// Revision is the data revision of the view.
	Revision() uint64
	// Fact reads one entity by key; ok is false when there is none.
	Fact(c Collection, key string) (f Fact, ok bool, err error)
	// Under reads the entities of a pair collection whose first id is first, in
	// key order, and stops with more true after limit of them.
	Under(c Collection, first string, limit int) (facts []Fact, more bool, err error)
}

// Directory finds issuers and credentials, in the same frozen view as Facts. What
// it returns is shared and must not be changed.
type Directory interface {
	// IssuerByURL finds the issuer whose URL is exactly url.
	IssuerByURL(url string) (issuer *Issuer, ok bool, err error)
	// IssuerByID finds an issuer by its id.
	IssuerByID(id string) (issuer *Issuer, ok bool, err error)
	// IssuersOf lists the issuers of one kind, in the order of their ids.
	IssuersOf(kind string) ([]*Issuer, error)
	// Credential finds a credential by its id.
	Credential(id string) (c *Credential, ok bool, err error)
	// CredentialsOf lists the credentials of a machine user, at most MaxCredentials
	// of them: accepted ones first, and of those and of the others the newest
	// generation first.
	CredentialsOf(machineUser string) ([]*Credential, error)
	// CredentialsNamed lists the credentials that have name among their Names, in
	// the same order and as many.
	CredentialsNamed(name string) ([]*Credential, error)
}

// MaxCredentials bounds what a Directory lists of credentials.
const MaxCredentials = 16
