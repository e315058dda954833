package authz

import (
	"strconv"
	"time"
)

// States shared by entities.
const (
	StateActive    = "active"
	StateSuspended = "suspended"
	StateExpired   = "expired"
)

// Origins of a machine user.
const (
	OriginInternal = "internal"
	OriginExternal = "external"
)

// MachineUsers are the subjects of decisions.
const MachineUsers Collection = "machine_users"

var machineUserKind = Kind{
	Collection: MachineUsers, Code: 5, New: func() Entity { return new(MachineUser) },
	One: "machine user", About: "A non-human subject.",
	Filters: []string{"tenant", "env", "owner", "kind", "origin", "state"},
	Columns: []string{"kind", "origin", "tenant", "env", "owner", "tier", "state"},
	Fact:    true, Hot: everyKey,
}

// MachineUser is a non-human subject. Rego: data.machine_users[id].
type MachineUser struct {
	Header
	Kind    string `json:"kind"`   // service, job, agent, ci, partner
	Origin  string `json:"origin"` // internal, external
	Tenant  string `json:"tenant,omitempty"`
	Env     string `json:"env,omitempty"`
	Owner   string `json:"owner,omitempty"` // an unowned machine user is denied, not refused
	Purpose string `json:"purpose,omitempty"`
	Tier    int    `json:"tier"`  // 0 most critical .. 3
	State   string `json:"state"` // active, suspended, expired
	// Issuers are the ids of the issuers that may speak for it; empty means those
	// of our own. A third party's issuer speaks only for whom it is listed by.
	Issuers      []string `json:"issuers,omitempty"`
	AllowedCIDRs []string `json:"allowed_cidrs,omitempty"`
	AllowedHours []Hours  `json:"allowed_hours,omitempty"`
	// TokensValidFrom refuses every token issued before it.
	TokensValidFrom time.Time `json:"tokens_valid_from,omitzero"`
	ExpiresAt       time.Time `json:"expires_at,omitzero"`
	noExpiry                  // it is denied after ExpiresAt but kept for its reviewers
}

// Collection is MachineUsers.
func (*MachineUser) Collection() Collection { return MachineUsers }

// Field implements Entity.
func (m *MachineUser) Field(name string) string {
	switch name {
	case "tenant":
		return m.Tenant
	case "env":
		return m.Env
	case "owner":
		return m.Owner
	case "kind":
		return m.Kind
	case "origin":
		return m.Origin
	case "state":
		return m.State
	}
	return ""
}

// Normalize makes a state left out active.
func (m *MachineUser) Normalize() { defaultTo(&m.State, StateActive) }

// Succeed implements Successor: a machine user that becomes active again, or is
// extended after it had ended, has all its older tokens refused, and TokensValidFrom
// never moves back behind now, so that no write makes a refused token valid again.
func (m *MachineUser) Succeed(previous Entity, at time.Time) error {
	was := previous.(*MachineUser)
	if !was.activeAt(at) && m.activeAt(at) {
		m.TokensValidFrom = latest(m.TokensValidFrom, at)
	}
	m.TokensValidFrom = latest(m.TokensValidFrom, earliest(was.TokensValidFrom, at))
	return nil
}

func (m *MachineUser) activeAt(at time.Time) bool {
	return m.State == StateActive && (m.ExpiresAt.IsZero() || at.Before(m.ExpiresAt))
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Validate implements Entity.
func (m *MachineUser) Validate() error {
	return firstError(
		ValidateID("id", m.ID),
		validateOneOf("kind", m.Kind, "service", "job", "agent", "ci", "partner"),
		validateOneOf("origin", m.Origin, OriginInternal, OriginExternal),
		validateOptionalID("tenant", m.Tenant),
		validateOptionalID("env", m.Env),
		validateText("owner", m.Owner),
		validateText("purpose", m.Purpose),
		validateRange("tier", m.Tier, 0, 3),
		validateOneOf("state", m.State, StateActive, StateSuspended, StateExpired),
		validateIDs("issuers", m.Issuers),
		validateCIDRs("allowed_cidrs", m.AllowedCIDRs),
		validateHours("allowed_hours", m.AllowedHours),
	)
}

// Address is one e-mail address of a user. Verdict knows which one to use, not
// what it is: the value stays with the service that owns it.
type Address struct {
	ID       string `json:"id"`
	Purpose  string `json:"purpose"` // primary, billing, security, ...
	Verified bool   `json:"verified"`
}

// Users are people.
const Users Collection = "users"

var userKind = Kind{
	Collection: Users, Code: 3, New: func() Entity { return new(User) },
	One: "user", About: "A person, as a recipient and a holder of entitlements.",
	Filters: []string{"tenant", "state"},
	Columns: []string{"tenant", "state", "opt_outs"},
	Fact:    true,
}

// User is a person, as a recipient and a holder of entitlements. Rego: data.users[id].
type User struct {
	Header
	Tenant    string    `json:"tenant,omitempty"`
	State     string    `json:"state"` // active, suspended, left
	Addresses []Address `json:"addresses,omitempty"`
	OptOuts   []string  `json:"opt_outs,omitempty"` // features or their prefixes: "email.marketing"
	noExpiry
}

// Collection is Users.
func (*User) Collection() Collection { return Users }

// Field implements Entity.
func (u *User) Field(name string) string {
	switch name {
	case "tenant":
		return u.Tenant
	case "state":
		return u.State
	}
	return ""
}

// Normalize makes a state left out active.
func (u *User) Normalize() { defaultTo(&u.State, StateActive) }

// Validate implements Entity.
func (u *User) Validate() error {
	err := firstError(
		ValidateID("id", u.ID),
		validateOptionalID("tenant", u.Tenant),
		validateOneOf("state", u.State, StateActive, StateSuspended, "left"),
	)
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(u.Addresses))
	for i, a := range u.Addresses {
		at := "addresses[" + strconv.Itoa(i) + "]"
		if err := firstError(ValidateID(at+".id", a.ID), ValidateID(at+".purpose", a.Purpose)); err != nil {
			return err
		}
		if seen[a.ID] {
			return Invalid(at+".id", "repeats "+strconv.Quote(a.ID))
		}
		seen[a.ID] = true
	}
	for i, feature := range u.OptOuts {
		if err := ValidateID("opt_outs["+strconv.Itoa(i)+"]", feature); err != nil {
			return err
		}
	}
	return nil
}

// Tenants are customers.
const Tenants Collection = "tenants"

var tenantKind = Kind{
	Collection: Tenants, Code: 2, New: func() Entity { return new(Tenant) },
	One: "tenant", About: "A customer.",
	Filters: []string{"plan", "state"},
	Columns: []string{"name", "plan", "state"},
	Fact:    true, Hot: everyKey,
}

// Tenant is a customer. Rego: data.tenants[id].
type Tenant struct {
	Header
	Name  string `json:"name,omitempty"`
	Plan  string `json:"plan,omitempty"`
	State string `json:"state"` // active, suspended
	noExpiry
}

// Collection is Tenants.
func (*Tenant) Collection() Collection { return Tenants }

// Field implements Entity.
func (t *Tenant) Field(name string) string {
	switch name {
	case "plan":
		return t.Plan
	case "state":
		return t.State
	}
	return ""
}

// Normalize makes a state left out active.
func (t *Tenant) Normalize() { defaultTo(&t.State, StateActive) }

// Validate implements Entity.
func (t *Tenant) Validate() error {
	return firstError(
		ValidateID("id", t.ID),
		validateText("name", t.Name),
		validateOptionalID("plan", t.Plan),
		validateOneOf("state", t.State, StateActive, StateSuspended),
	)
}

// Plans are what tenants buy.
const Plans Collection = "plans"

var planKind = Kind{
	Collection: Plans, Code: 1, New: func() Entity { return new(Plan) },
	One: "plan", About: "What a tenant bought.",
	Columns: []string{"name"},
	Fact:    true, Hot: everyKey,
}

// Plan is what a tenant bought. Rego: data.plans[id].
type Plan struct {
	Header
	Name string `json:"name"`
	noExpiry
}

// Collection is Plans.
func (*Plan) Collection() Collection { return Plans }

// Field implements Entity; plans have no filters.
func (*Plan) Field(string) string { return "" }

// Normalize does nothing.
func (*Plan) Normalize() {}

// Validate implements Entity.
func (p *Plan) Validate() error {
	return firstError(ValidateID("id", p.ID), validateText("name", p.Name))
}

func defaultTo(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
