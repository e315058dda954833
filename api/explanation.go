package api

// Explanation says how one decision came about.
type Explanation struct {
	// Guards holds every guard and below it the rules that could deny.
	Guards []GuardTrace `json:"guards"`
	// Rules holds the other rules that were tried.
	Rules []RuleTrace `json:"rules"`
	// Facts lists what was read of the data.
	Facts []FactRead `json:"facts"`
	// Needs lists the smallest sets of denials that would have to go for an allow.
	Needs [][]Need `json:"needs,omitempty"`
}

// GuardTrace is what one guard said.
type GuardTrace struct {
	Guard string      `json:"guard"`
	Rules []RuleTrace `json:"rules"`
}

// RuleTrace is what became of one rule.
type RuleTrace struct {
	Name    string `json:"name"`
	Code    string `json:"code,omitempty"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Outcome string `json:"outcome"` // held, not_held or not_tried
	// Stopped is where a rule that did not hold got to.
	Stopped *Stop `json:"stopped,omitempty"`
}

// Stop is the furthest expression that did not hold.
type Stop struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Expression string `json:"expression"`
}

// FactRead is one entity that was read.
type FactRead struct {
	Collection string `json:"collection"`
	Key        string `json:"key"`
	Revision   uint64 `json:"revision,omitzero"` // that wrote it; 0 when there is none
}

// Need is one denial that would have to go, with what makes it go.
type Need struct {
	Code    string         `json:"code"`
	Guard   string         `json:"guard"`
	Message string         `json:"message,omitempty"`
	Fix     string         `json:"fix,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}
