package authz

// Explanation is how one judgement came about.
type Explanation struct {
	// Guards holds, by name, every guard and below it the rules that could deny.
	Guards []GuardTrace `json:"guards"`
	// Rules holds the other rules that were tried, in the order of their places.
	Rules []RuleTrace `json:"rules"`
	// Facts lists what was read of the data, in the order of collection and key.
	Facts []FactRead `json:"facts"`
	// Needs lists the smallest sets of denials that would have to go for an allow;
	// empty when it is allowed. All members of one set have to go.
	Needs [][]Need `json:"needs,omitempty"`
}

// GuardTrace is how one guard was evaluated.
type GuardTrace struct {
	Guard string      `json:"guard"`
	Rules []RuleTrace `json:"rules"` // its deny rules, by place
}

// RuleTrace is how one rule was evaluated.
type RuleTrace struct {
	Name    string `json:"name"`           // data.guards.network.deny
	Code    string `json:"code,omitempty"` // of a deny rule
	File    string `json:"file"`
	Line    int    `json:"line"`
	Outcome string `json:"outcome"` // one of the Rule constants
	// Stopped is where a rule that did not hold got to; nil for others.
	Stopped *Stop `json:"stopped,omitempty"`
}

// Outcomes of a rule.
const (
	RuleHeld     = "held"
	RuleNotHeld  = "not_held"
	RuleNotTried = "not_tried" // nothing asked for it, or the question alone ruled it out
)

// Stop is the furthest expression that did not hold.
type Stop struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Expression string `json:"expression"` // as it is written
}

// FactRead is one entity that was read.
type FactRead struct {
	Collection Collection `json:"collection"`
	Key        string     `json:"key"`
	Revision   uint64     `json:"revision,omitzero"` // that wrote it; 0 when there is none
}

// Need is one denial that would have to go, with what makes it go.
type Need struct {
	Code    ReasonCode     `json:"code"`
	Guard   string         `json:"guard"`
	Message string         `json:"message,omitempty"`
	Fix     string         `json:"fix,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}
