package authz

// RequiredLevel is the trust level callers of a service must reach, by origin.
type RequiredLevel struct {
	// Internal is 0 to 5; nil leaves it to the policy's trust matrix for the tier.
	Internal *int `json:"internal,omitzero"`
	// External is 0 to 5; nil means that the service takes no external callers.
	External *int `json:"external,omitzero"`
}

// Services are what machine users call.
const Services Collection = "services"

var serviceKind = Kind{
	Collection: Services, Code: 4, New: func() Entity { return new(Service) },
	One: "service", About: "A callable target.",
	Filters: []string{"env", "owner", "data_class"},
	Columns: []string{"tier", "business_criticality", "security_criticality", "data_class", "env", "owner"},
	Fact:    true, Hot: everyKey,
}

// Service is a callable target. Rego: data.services[id].
type Service struct {
	Header
	Tier          int           `json:"tier"`                 // 0 most critical .. 3
	Business      int           `json:"business_criticality"` // 0..4
	Security      int           `json:"security_criticality"` // 0..4
	DataClass     string        `json:"data_class,omitempty"`
	Env           string        `json:"env,omitempty"`
	Owner         string        `json:"owner,omitempty"`
	RequiredLevel RequiredLevel `json:"required_level,omitzero"`
	// MaxTokenAgeS is in seconds since the token was issued; 0 leaves it to the
	// policy's value for the tier.
	MaxTokenAgeS int `json:"max_token_age_s,omitzero"`
	noExpiry
}

// Collection is Services.
func (*Service) Collection() Collection { return Services }

// Field implements Entity.
func (s *Service) Field(name string) string {
	switch name {
	case "env":
		return s.Env
	case "owner":
		return s.Owner
	case "data_class":
		return s.DataClass
	}
	return ""
}

// Normalize does nothing.
func (*Service) Normalize() {}

// Validate implements Entity.
func (s *Service) Validate() error {
	return firstError(
		ValidateID("id", s.ID),
		validateRange("tier", s.Tier, 0, 3),
		validateRange("business_criticality", s.Business, 0, 4),
		validateRange("security_criticality", s.Security, 0, 4),
		validateOptionalID("data_class", s.DataClass),
		validateOptionalID("env", s.Env),
		validateText("owner", s.Owner),
		validateLevel("required_level.internal", s.RequiredLevel.Internal),
		validateLevel("required_level.external", s.RequiredLevel.External),
		validateRange("max_token_age_s", s.MaxTokenAgeS, 0, 366*24*3600),
	)
}

func validateLevel(field string, level *int) error {
	if level == nil {
		return nil
	}
	return validateRange(field, *level, 0, MaxLevel)
}
