package authz

import "time"

// StatusProblem is something that is wrong with a node now.
type StatusProblem struct {
	What string `json:"what"`
	Fix  string `json:"fix"` // what to do about it
}

// LogStatus is the state of the decision log. Counts of what was lost or refused are since
// the start of the process.
type LogStatus struct {
	Records   uint64    `json:"records"`         // kept, of decisions and of changes
	Oldest    time.Time `json:"oldest,omitzero"` // decision kept
	Waiting   int       `json:"waiting"`         // records on their way to be written
	Queue     int       `json:"queue"`           // as many may wait
	Lost      uint64    `json:"lost"`            // async records that were not written
	Refused   uint64    `json:"refused"`         // decisions taken back because they could not be recorded
	Bytes     int64     `json:"bytes"`           // of the records kept, before compression
	FreeBytes uint64    `json:"free_bytes"`
	// Error is why a decision might not be recorded now; empty when it would be.
	Error string `json:"error,omitempty"`
}

// SinkStatus is the state of one sink of the decision log.
type SinkStatus struct {
	Name        string    `json:"name"`
	LagRecords  uint64    `json:"lag_records"` // that it does not have yet
	LagS        float64   `json:"lag_s"`       // how long ago the oldest of those under way was decided
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"` // empty once it took records again
}

// CertificateStatus is the certificate that a listener is served with over TLS.
type CertificateStatus struct {
	Listener  string    `json:"listener"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}
