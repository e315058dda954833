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
//	 "credential": {"kind": "jwt" | "claims"},
//	 "token":      {"id": "tok-..", "issuer": "demo", "issuer_url": "https://..", "key_id": "key-..",
//	                "subject": "mu:user-svc", "audiences": ["brightfold"], "accepted_audiences": ["brightfold"],
//	                "issued_at": 1732266000, "not_before": .., "expires_at": .., "leeway_s": 0,
//	                "tenant": "..", "env": "prod", "scopes": [".."], "methods": ["pwd"], "credential": "..", "own": true},
//	 "trust":      {"level": 3, "freshness": "fresh"},
//	 "time":       "2026-11-22T10:00:00Z"}
//
// properties are always present, as {} when the request had none, and so is
// context. In token, absent strings, times and lists are left out; times are
// Unix seconds. time is RFC 3339 in UTC with up to nanoseconds, and is also what
// time.now_ns() returns.
type Question struct {
	Subject   Subject
	Action    Action
	Resource  Resource
	Context   map[string]any
	Principal Principal
	Time      time.Time
}

// Judgement is what one evaluation said. The zero Judgement denies.
type Judgement struct {
	Allow            bool
	Reasons          []Reason
	WouldDeny        []Reason
	Obligations      []Duty
	Advice           []Duty
	RequiredLevel    int
	CacheableForS    int
	IfPDPUnreachable string
	KeysRead         int
}

// Evaluator judges questions by one immutable policy set. Anything but a
// well-formed allow comes back as a Judgement that denies and says why; so does
// a context that ends.
type Evaluator interface {
	Policy() PolicyRef
	Evaluate(context.Context, Question, Facts) Judgement
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

// IssuerFinder finds registered issuers in the same frozen view as Facts.
type IssuerFinder interface {
	// IssuerByURL finds the issuer whose URL is exactly url. The result is
	// shared and must not be changed.
	IssuerByURL(url string) (issuer *Issuer, ok bool, err error)
}
