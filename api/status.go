package api

import (
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Status answers PathStatus: the state of a node.
type Status struct {
	// Problems are what is wrong now, first what makes decisions fail. An empty list means
	// that everything is well.
	Problems []StatusProblem `json:"problems"`

	Version   string    `json:"version"`
	Role      string    `json:"role"` // single: the node has no peers
	StartedAt time.Time `json:"started_at"`
	Now       time.Time `json:"now"`

	Policy      PolicyRef       `json:"policy"` // zero when none is active
	PolicySince time.Time       `json:"policy_since,omitzero"`
	Shadow      *RunningShadow  `json:"shadow,omitempty"` // nil when none runs
	Failures    []PolicyFailure `json:"failures"`         // bundles that did not get through
	Sources     []SourceStatus  `json:"sources"`          // that bundles are pulled from

	DataRevision  uint64            `json:"data_revision"`
	SchemaVersion int               `json:"schema_version"` // of the store
	Collections   map[string]uint64 `json:"collections"`    // entities by collection

	Issuers      []IssuerState       `json:"issuers"`
	DecisionLog  LogStatus           `json:"decision_log"`
	Sinks        []SinkStatus        `json:"sinks"`        // that records are sent to
	Certificates []CertificateStatus `json:"certificates"` // that listeners are served with
}

// RoleSingle is the role of a node without peers.
const RoleSingle = "single"

// RunningShadow is the generation that judges live traffic without effect.
type RunningShadow struct {
	Generation uint64    `json:"generation"`
	Since      time.Time `json:"since"`
	Judged     uint64    `json:"judged"`
	Flips      uint64    `json:"flips"` // decisions that it would have made otherwise
}

// IssuerState is the state of one issuer. A GET of the issuer has more.
type IssuerState struct {
	ID    string `json:"id"`
	State string `json:"state"` // as IssuerStatus has it
	// ChangesInS is how many seconds are left until the first decisions change; nil
	// while the issuer is well.
	ChangesInS *int   `json:"changes_in_s,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

// What of a status the rooms themselves report.
type (
	StatusProblem     = authz.StatusProblem
	PolicyFailure     = authz.PolicyFailure
	SourceStatus      = authz.SourceStatus
	LogStatus         = authz.LogStatus
	SinkStatus        = authz.SinkStatus
	CertificateStatus = authz.CertificateStatus
)
