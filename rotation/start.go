package rotation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Issue makes the new credential of one member: its material (SecretHash, Keys or
// Names with Issuer) and, if wanted, NotBefore and NotAfter. Start fills the rest.
type Issue func(member string) (*authz.Credential, error)

// Limits of what a member may have before a rotation starts.
const (
	maxCurrent   = 1 // pending or active
	maxLeftovers = 1 // retiring: what an aborted rotation left
)

// Start plans a new rotation: for each member a pending credential, one generation
// above its highest, to replace all accepted ones of the kind. It is a conflict
// when a rotation runs, or when a member has two generations already. Issue is
// called, once a member and in order; its error is returned as it is. Material that
// an accepted generation has too is refused: a use would prove both. Advance is who
// takes the further steps: authz.AdvanceAuto or authz.AdvanceManual.
//
// The caller checks that the members exist and that the material is sound.
func Start(s State, advance string, issue Issue) (Plan, error) {
	if s.running() {
		return Plan{}, authz.Errorf(authz.CodeConflict, "a rotation of %s is running, in phase %s; let it end or abort it first", s.Set.ID, s.Rotation.Phase)
	}
	r := &run{State: s, rotation: s.next(advance)}
	for _, name := range s.Set.Members {
		accepted := s.accepted(name)
		if err := s.checkCount(name, accepted); err != nil {
			return Plan{}, err
		}
		r.members = append(r.members, member{RotationMember: authz.RotationMember{MachineUser: name, Old: ids(accepted)}, old: accepted})
	}
	for _, m := range r.members {
		c, err := s.issue(m.MachineUser, issue)
		if err != nil {
			return Plan{}, err
		}
		if err := checkDistinct(c, m.old); err != nil {
			return Plan{}, err
		}
		m.New = c.ID
		r.rotation.Members = append(r.rotation.Members, m.RotationMember)
		r.put = append(r.put, c)
	}
	r.step(authz.StepPrepare, false)
	plan := r.plan(authz.PhasePropagate)
	if err := r.rotation.Validate(); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// next is the rotation to be, which replaces the last one.
func (s State) next(advance string) *authz.Rotation {
	next := &authz.Rotation{Header: authz.Header{ID: s.Set.ID}, Kind: s.Set.Kind, QuietS: s.Set.QuietS, Advance: advance}
	if s.Rotation != nil {
		next.Header = s.Rotation.Header
	}
	return next
}

// accepted gives a member's credentials that the rotation is to replace: the one
// that Abort would make active again first, then the others, newest first.
func (s State) accepted(machineUser string) []*authz.Credential {
	accepted := slices.DeleteFunc(s.credentials(machineUser, s.Set.Kind), func(c *authz.Credential) bool { return !c.Accepted() })
	slices.SortFunc(accepted, func(a, b *authz.Credential) int {
		return cmp.Or(cmp.Compare(s.preference(a), s.preference(b)), cmp.Compare(b.Generation, a.Generation), strings.Compare(a.ID, b.ID))
	})
	return accepted
}

// preference is 0 for the credential that its member should use, 1 for one that is
// retiring, and 2 for one that is dead.
func (s State) preference(c *authz.Credential) int {
	switch {
	case s.dead(c):
		return 2
	case c.State == authz.CredentialRetiring:
		return 1
	}
	return 0
}

// checkCount refuses a member whom one more generation would give too many. Those
// past their not_after do not count.
func (s State) checkCount(machineUser string, accepted []*authz.Credential) error {
	var current, leftovers []*authz.Credential
	for _, c := range accepted {
		switch s.preference(c) {
		case 0:
			current = append(current, c)
		case 1:
			leftovers = append(leftovers, c)
		}
	}
	if len(current) > maxCurrent {
		return authz.Errorf(authz.CodeConflict, "%s has %s of %s already; revoke those it does not need, then start", machineUser, generations(current), s.Set.Kind)
	}
	if len(leftovers) > maxLeftovers {
		return authz.Errorf(authz.CodeConflict, "%s has %s of %s retiring; revoke those it no longer uses, then start", machineUser, generations(leftovers), s.Set.Kind)
	}
	return nil
}

func (s State) issue(machineUser string, issue Issue) (*authz.Credential, error) {
	made, err := issue(machineUser)
	if err != nil {
		return nil, err
	}
	if made == nil {
		return nil, authz.Errorf(authz.CodeInternal, "no credential was made for %s", machineUser)
	}
	c := *made
	c.MachineUser, c.Kind, c.State = machineUser, s.Set.Kind, authz.CredentialPending
	c.Header = authz.Header{}
	c.LastUsedAt, c.LastUsedFrom = time.Time{}, ""
	if c.ID, c.Generation, err = Next(machineUser, s.Set.Kind, s.Credentials[machineUser], s.taken); err != nil {
		return nil, err
	}
	if err := checkMaterial(&c); err != nil {
		return nil, err
	}
	if s.dead(&c) {
		return nil, authz.Invalid("members."+machineUser+".not_after", "has passed; nobody could use the new generation")
	}
	return &c, c.Validate()
}

// checkMaterial refuses a credential without material, which could never be proved: the
// rotation would wait for ever.
func checkMaterial(c *authz.Credential) error {
	at := "members." + c.MachineUser + "."
	switch {
	case c.Kind == authz.KindSharedSecret && c.SecretHash == "":
		return authz.Errorf(authz.CodeInternal, "no secret was made for %s", c.MachineUser)
	case c.Kind == authz.KindPublicKey && len(c.Keys) == 0:
		return authz.Invalid(at+"keys", "are required: the public half of the new key")
	case c.Kind == authz.KindCertificate && len(c.Names) == 0:
		return authz.Invalid(at+"names", "are required: what the new certificate is known by")
	}
	return nil
}

// Next is the generation after those of a kind that a machine user holds, and the id
// of its credential: the first that is not taken.
func Next(machineUser, kind string, held []*authz.Credential, taken func(id string) (bool, error)) (id string, generation int, err error) {
	for _, c := range held {
		if c.Kind == kind {
			generation = max(generation, c.Generation)
		}
	}
	for {
		generation++
		id = credentialID(machineUser, kind, generation)
		if used, err := taken(id); err != nil || !used {
			return id, generation, err
		}
	}
}

func (s State) taken(id string) (bool, error) {
	for _, credentials := range s.Credentials {
		if slices.ContainsFunc(credentials, func(c *authz.Credential) bool { return c.ID == id }) {
			return true, nil
		}
	}
	if s.Exists == nil {
		return false, nil
	}
	return s.Exists(id)
}

var shortKinds = map[string]string{ // :: kind -> as it stands in ids
	authz.KindSharedSecret: "secret",
	authz.KindPublicKey:    "key",
	authz.KindCertificate:  "certificate",
}

// credentialID is "<machine user>.<kind>.<generation>", with a hash in the machine
// user's place when that would be too long for an id.
func credentialID(machineUser, kind string, generation int) string {
	suffix := "." + shortKinds[kind] + "." + strconv.Itoa(generation)
	if len(machineUser)+len(suffix) > authz.MaxIDLength {
		sum := sha256.Sum256([]byte(machineUser))
		machineUser = "cred-" + hex.EncodeToString(sum[:20])
	}
	return machineUser + suffix
}

func ids(credentials []*authz.Credential) []string {
	list := []string{}
	for _, c := range credentials {
		list = append(list, c.ID)
	}
	return list
}
