package authz

// Collection names one kind of entity, as it stands in URLs (/v1/edges), in
// import lines and, for those a policy may see, in Rego (data.edges).
type Collection string

// The collections.
const (
	MachineUsers Collection = "machine_users"
	Users        Collection = "users"
	Tenants      Collection = "tenants"
	Plans        Collection = "plans"
	Services     Collection = "services"
	Edges        Collection = "edges"
	Entitlements Collection = "entitlements"
	Credentials  Collection = "credentials"
	RotationSets Collection = "rotation_sets"
	Rotations    Collection = "rotations"
	Issuers      Collection = "issuers"
	Revocations  Collection = "revocations"
	Renewals     Collection = "renewals"
	APIKeys      Collection = "api_keys"
)

// collectionInfo is what the vocabulary knows of a collection.
type collectionInfo struct {
	new     func() Entity
	pair    bool     // keyed by two ids: data.edges[from][to]
	fact    bool     // policies see it
	filters []string // JSON names of the fields a list may be filtered by
}

func collections() map[Collection]collectionInfo {
	return map[Collection]collectionInfo{
		MachineUsers: {new: func() Entity { return new(MachineUser) }, fact: true, filters: []string{"tenant", "env", "owner", "kind", "origin", "state"}},
		Users:        {new: func() Entity { return new(User) }, fact: true, filters: []string{"tenant", "state"}},
		Tenants:      {new: func() Entity { return new(Tenant) }, fact: true, filters: []string{"plan", "state"}},
		Plans:        {new: func() Entity { return new(Plan) }, fact: true},
		Services:     {new: func() Entity { return new(Service) }, fact: true, filters: []string{"env", "owner", "data_class"}},
		Edges:        {new: func() Entity { return new(Edge) }, pair: true, fact: true, filters: []string{"from", "to", "owner"}},
		Entitlements: {new: func() Entity { return new(Entitlement) }, pair: true, fact: true, filters: []string{"holder", "feature", "source"}},
		Credentials:  {new: func() Entity { return new(Credential) }, filters: []string{"machine_user", "kind", "state"}},
		RotationSets: {new: func() Entity { return new(RotationSet) }, filters: []string{"owner"}},
		Rotations:    {new: func() Entity { return new(Rotation) }, filters: []string{"phase"}},
		Issuers:      {new: func() Entity { return new(Issuer) }, filters: []string{"url", "kind"}},
		Revocations:  {new: func() Entity { return new(Revocation) }, pair: true, fact: true, filters: []string{"by"}},
		Renewals:     {new: func() Entity { return new(Renewal) }, pair: true, fact: true, filters: []string{"by"}},
		APIKeys:      {new: func() Entity { return new(APIKey) }},
	}
}

var known = collections()

// AllCollections lists every collection in the order an import should write
// them, referenced before referring.
func AllCollections() []Collection {
	return []Collection{Plans, Tenants, Users, Services, MachineUsers, Edges, Entitlements, Issuers, Credentials, RotationSets, Rotations, Revocations, Renewals, APIKeys}
}

// Known says whether c is one of the collections.
func (c Collection) Known() bool { _, ok := known[c]; return ok }

// New is an empty entity of c, or nil when c is not known.
func (c Collection) New() Entity {
	if info, ok := known[c]; ok {
		return info.new()
	}
	return nil
}

// Pair says whether entities of c are keyed by two ids.
func (c Collection) Pair() bool { return known[c].pair }

// Fact says whether policies see c as data.<c>.
func (c Collection) Fact() bool { return known[c].fact }

// Filters lists the fields a list of c may be filtered by, by JSON name.
func (c Collection) Filters() []string { return known[c].filters }

// ValidateKey says whether key may name an entity of c: one id, or for a pair
// collection two ids joined by a slash.
func (c Collection) ValidateKey(key string) error {
	if !c.Pair() {
		return ValidateID("id", key)
	}
	first, second, ok := SplitPairKey(key)
	if !ok {
		return Invalid("id", "of "+string(c)+" is two ids joined by a slash")
	}
	if err := ValidateID("id", first); err != nil {
		return err
	}
	return ValidateID("id", second)
}
