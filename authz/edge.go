package authz

import (
	"slices"
	"strconv"
	"time"
)

// Modes of a guard. Off: not judged. Observe: reported in would_deny. Flag:
// allowed, with advice. Enforce: denies.
const (
	ModeOff     = "off"
	ModeObserve = "observe"
	ModeFlag    = "flag"
	ModeEnforce = "enforce"
)

// Modes lists the modes of a guard, each stricter than the one before.
func Modes() []string { return []string{ModeOff, ModeObserve, ModeFlag, ModeEnforce} }

// Strictness is the index of a mode in Modes. What is not a mode counts as enforce.
func Strictness(mode string) int {
	if i := slices.Index(Modes(), mode); i >= 0 {
		return i
	}
	return len(Modes()) - 1
}

// NextMode is the mode one step stricter than mode, empty at the strictest.
func NextMode(mode string) string {
	if next := Strictness(mode) + 1; next < len(Modes()) {
		return Modes()[next]
	}
	return ""
}

// AnyAction alone in Edge.Actions, declares every action.
const AnyAction = "*"

// Exception lets one denial code pass on one edge until a date, with an owner.
// The policy decides which codes may be excepted at all.
type Exception struct {
	Code   string    `json:"code"`
	Until  time.Time `json:"until"`
	Owner  string    `json:"owner"`
	Reason string    `json:"reason,omitempty"`
}

// Edges are the declared permissions.
const Edges Collection = "edges"

var edgeKind = Kind{
	Collection: Edges, Code: 6, New: func() Entity { return new(Edge) },
	One: "edge", About: "A declared permission of a machine user to call a service.",
	First: "from", Second: "to", Example: "mu:user-svc/svc:email",
	Filters: []string{"from", "to", "owner"},
	Columns: []string{"actions", "mode", "owner", "expires_at"},
	Fact:    true, Hot: everyKey,
}

// Edge is a declared permission of a machine user to call a service. Its id is
// "from/to". Rego: data.edges[from][to].
type Edge struct {
	Header
	From          string   `json:"from"`
	To            string   `json:"to"`
	Actions       []string `json:"actions"` // or ["*"]
	CIDRs         []string `json:"cidrs,omitempty"`
	RequiredLevel *int     `json:"required_level,omitzero"` // 0..5; nil leaves it to the service
	// Mode applies to the guards that judge the call (edge, assurance, network,
	// schedule, entitlement), never to who the caller is (subject, token).
	Mode       string            `json:"mode,omitempty"`
	Modes      map[string]string `json:"modes,omitempty"` // guard -> mode, before Mode
	Exceptions []Exception       `json:"exceptions,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Owner      string            `json:"owner,omitempty"`
	ExpiresAt  time.Time         `json:"expires_at,omitzero"`
}

// Collection is Edges.
func (*Edge) Collection() Collection { return Edges }

// Field implements Entity.
func (e *Edge) Field(name string) string {
	switch name {
	case "from":
		return e.From
	case "to":
		return e.To
	case "owner":
		return e.Owner
	}
	return ""
}

// Expires implements Entity.
func (e *Edge) Expires() time.Time { return e.ExpiresAt }

// Place implements Paired.
func (e *Edge) Place(from, to string) {
	defaultTo(&e.From, from)
	defaultTo(&e.To, to)
}

// Normalize derives the id.
func (e *Edge) Normalize() { defaultTo(&e.ID, PairKey(e.From, e.To)) }

// Validate implements Entity.
func (e *Edge) Validate() error {
	err := firstError(
		ValidateID("from", e.From),
		ValidateID("to", e.To),
		validatePairID(e.ID, "from", e.From, "to", e.To),
		validateActions(e.Actions),
		validateCIDRs("cidrs", e.CIDRs),
		validateLevel("required_level", e.RequiredLevel),
		validateText("reason", e.Reason),
		validateText("owner", e.Owner),
	)
	if err != nil {
		return err
	}
	if e.Mode != "" {
		if err := validateMode("mode", e.Mode); err != nil {
			return err
		}
	}
	for guard, mode := range e.Modes {
		if err := firstError(ValidateID("modes", guard), validateMode("modes."+guard, mode)); err != nil {
			return err
		}
	}
	for i, x := range e.Exceptions {
		at := "exceptions[" + strconv.Itoa(i) + "]"
		if x.Until.IsZero() {
			return Invalid(at+".until", "is required: an exception ends")
		}
		if x.Owner == "" {
			return Invalid(at+".owner", "is required: somebody answers for an exception")
		}
		if err := firstError(ValidateID(at+".code", x.Code), validateText(at+".owner", x.Owner), validateText(at+".reason", x.Reason)); err != nil {
			return err
		}
	}
	return nil
}

func validateActions(actions []string) error {
	if len(actions) == 0 {
		return Invalid("actions", `is required; name the actions or write ["*"] for all`)
	}
	if slices.Contains(actions, AnyAction) {
		if len(actions) > 1 {
			return Invalid("actions", `has "*" beside other actions; "*" stands alone`)
		}
		return nil
	}
	for i, action := range actions {
		if err := ValidateID("actions["+strconv.Itoa(i)+"]", action); err != nil {
			return err
		}
	}
	return nil
}

func validateMode(field, mode string) error {
	return validateOneOf(field, mode, Modes()...)
}

// validatePairID checks the id of a pair entity against its two parts.
func validatePairID(id, firstField, first, secondField, second string) error {
	if want := PairKey(first, second); id != want {
		return Invalid("id", "is "+strconv.Quote(id)+" but "+firstField+" and "+secondField+" make it "+strconv.Quote(want)+"; leave id out")
	}
	return nil
}
