package authz_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
)

// valid finds the full sample of a collection, normalized.
func valid[E authz.Entity](t *testing.T) E {
	t.Helper()
	for _, entity := range full() {
		if e, ok := entity.(E); ok {
			e.Normalize()
			return e
		}
	}
	t.Fatal("no sample")
	panic("unreachable")
}

// refused spoils one field at a time of an entity that is valid and wants the
// error to name that field.
func refused[E authz.Entity](t *testing.T, spoil map[string]func(E)) {
	t.Helper()
	for field, change := range spoil {
		field, _, _ = strings.Cut(field, "#") // a field may be spoiled in several ways
		e := valid[E](t)
		change(e)
		var err *authz.Error
		if !errors.As(e.Validate(), &err) {
			t.Errorf("%T with a bad %s: no error", e, field)
			continue
		}
		if err.Code != authz.CodeInvalid || err.Field != field || err.Message == "" {
			t.Errorf("%T with a bad %s: %s %q: %s", e, field, err.Code, err.Field, err.Message)
		}
	}
}

func TestMachineUserRefuses(t *testing.T) {
	refused(t, map[string]func(*authz.MachineUser){
		"id":                       func(m *authz.MachineUser) { m.ID = "mu/a" },
		"kind":                     func(m *authz.MachineUser) { m.Kind = "robot" },
		"origin":                   func(m *authz.MachineUser) { m.Origin = "" },
		"tenant":                   func(m *authz.MachineUser) { m.Tenant = "a b" },
		"env":                      func(m *authz.MachineUser) { m.Env = "-prod" },
		"owner":                    func(m *authz.MachineUser) { m.Owner = "a\x00b" },
		"purpose":                  func(m *authz.MachineUser) { m.Purpose = strings.Repeat("x", authz.MaxTextLength+1) },
		"tier":                     func(m *authz.MachineUser) { m.Tier = 4 },
		"state":                    func(m *authz.MachineUser) { m.State = "asleep" },
		"issuers[1]":               func(m *authz.MachineUser) { m.Issuers = []string{"demo", "https://x"} },
		"allowed_cidrs[0]":         func(m *authz.MachineUser) { m.AllowedCIDRs = []string{"10.0.0.1"} },
		"allowed_cidrs[1]":         func(m *authz.MachineUser) { m.AllowedCIDRs = []string{"::/0", "10.4.2.1/24"} },
		"allowed_hours[0].days":    func(m *authz.MachineUser) { m.AllowedHours[0].Days = []string{"Mon"} },
		"allowed_hours[0].from":    func(m *authz.MachineUser) { m.AllowedHours[0].From = "24:00" },
		"allowed_hours[0].from#2":  func(m *authz.MachineUser) { m.AllowedHours[0].From = "1:00" },
		"allowed_hours[0].to":      func(m *authz.MachineUser) { m.AllowedHours[0].To = "" },
		"allowed_hours[0].to#same": func(m *authz.MachineUser) { m.AllowedHours[0].To = m.AllowedHours[0].From },
		"allowed_hours[0].zone":    func(m *authz.MachineUser) { m.AllowedHours[0].Zone = "Local" },
		"allowed_hours[0].zone#2":  func(m *authz.MachineUser) { m.AllowedHours[0].Zone = "Mars/Olympus" },
	})
}

func TestDirectoryRefuses(t *testing.T) {
	refused(t, map[string]func(*authz.User){
		"id":                   func(u *authz.User) { u.ID = "" },
		"tenant":               func(u *authz.User) { u.Tenant = "/" },
		"state":                func(u *authz.User) { u.State = "gone" },
		"addresses[0].id":      func(u *authz.User) { u.Addresses[0].ID = "" },
		"addresses[0].purpose": func(u *authz.User) { u.Addresses[0].Purpose = "" },
		"addresses[1].id":      func(u *authz.User) { u.Addresses = append(u.Addresses, u.Addresses[0]) },
		"opt_outs[0]":          func(u *authz.User) { u.OptOuts = []string{"email marketing"} },
	})
	refused(t, map[string]func(*authz.Tenant){
		"id":    func(e *authz.Tenant) { e.ID = "é" },
		"name":  func(e *authz.Tenant) { e.Name = "\x7f" },
		"plan":  func(e *authz.Tenant) { e.Plan = " " },
		"state": func(e *authz.Tenant) { e.State = "expired" },
	})
	refused(t, map[string]func(*authz.Plan){
		"id":   func(e *authz.Plan) { e.ID = strings.Repeat("x", authz.MaxIDLength+1) },
		"name": func(e *authz.Plan) { e.Name = "\x01" },
	})
	refused(t, map[string]func(*authz.Credential){
		"id":             func(c *authz.Credential) { c.ID = ":" },
		"machine_user":   func(c *authz.Credential) { c.MachineUser = "" },
		"kind":           func(c *authz.Credential) { c.Kind = "password" },
		"generation":     func(c *authz.Credential) { c.Generation = -1 },
		"state":          func(c *authz.Credential) { c.State = "new" },
		"last_used_from": func(c *authz.Credential) { c.LastUsedFrom = "\x02" },
		"not_after":      func(c *authz.Credential) { c.NotAfter = c.NotBefore },
		"secret_hash":    func(c *authz.Credential) { c.SecretHash = "$argon2id$" },
		"keys":           func(c *authz.Credential) { c.Kind = authz.KindSharedSecret },
		"names":          func(c *authz.Credential) { c.Names = []string{"a"}; c.Issuer = "demo" },
		"issuer":         func(c *authz.Credential) { c.Issuer = "demo" },
		"issuer#names":   func(c *authz.Credential) { federated(c); c.Issuer = "" },
		"names[0]":       func(c *authz.Credential) { federated(c); c.Names[0] = "" },
		"names[1]":       func(c *authz.Credential) { federated(c); c.Names[1] = c.Names[0] },
		"names#many":     func(c *authz.Credential) { federated(c); c.Names = make([]string, 17) },
	})
	refused(t, map[string]func(*authz.RotationSet){
		"members":    func(s *authz.RotationSet) { s.Members = nil },
		"members[1]": func(s *authz.RotationSet) { s.Members[1] = s.Members[0] },
		"members[0]": func(s *authz.RotationSet) { s.Members[0] = "a b" },
		"kind":       func(s *authz.RotationSet) { s.Kind = authz.KindFederated },
		"shared":     func(s *authz.RotationSet) { s.Kind = authz.KindPublicKey },
		"quiet_s":    func(s *authz.RotationSet) { s.QuietS = -1 },
		"owner":      func(s *authz.RotationSet) { s.Owner = "\x00" },
	})
	refused(t, map[string]func(*authz.Rotation){
		"phase":          func(r *authz.Rotation) { r.Phase = "prepare" },
		"kind":           func(r *authz.Rotation) { r.Kind = "" },
		"quiet_s":        func(r *authz.Rotation) { r.QuietS = 0 },
		"members":        func(r *authz.Rotation) { r.Members = nil },
		"members[0].new": func(r *authz.Rotation) { r.Members[0].New = "" },
		"steps[0].step":  func(r *authz.Rotation) { r.Steps[0].Step = "leap" },
	})
}

func federated(c *authz.Credential) {
	c.Kind, c.Keys, c.Issuer, c.Names = authz.KindFederated, nil, "demo", []string{"a", "b"}
}

func TestCredentialSucceeds(t *testing.T) {
	secret := func(state, hash string, used time.Time) *authz.Credential {
		return &authz.Credential{Kind: authz.KindSharedSecret, State: state, SecretHash: hash, LastUsedAt: used, LastUsedFrom: "from"}
	}
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	tests := map[string]struct {
		was, is, want *authz.Credential // want nil: refused
	}{
		"hash left out":       {secret("active", "h", early), secret("active", "", late), secret("active", "h", late)},
		"new hash":            {secret("active", "h", early), secret("active", "i", late), secret("active", "i", late)},
		"use left out":        {secret("active", "h", late), secret("retiring", "", early), secret("retiring", "h", late)},
		"retired for good":    {secret("retired", "h", early), secret("active", "", early), nil},
		"retired, revoked":    {secret("retired", "h", early), secret("revoked", "", early), secret("revoked", "h", early)},
		"revoked for good":    {secret("revoked", "h", early), secret("pending", "", early), nil},
		"revoked not retired": {secret("revoked", "h", early), secret("retired", "", early), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.is.Succeed(test.was, late)
			if test.want == nil {
				var ours *authz.Error
				if !errors.As(err, &ours) || ours.Field != "state" {
					t.Errorf("answered %v", err)
				}
				return
			}
			if diff := cmp.Diff(test.want, test.is, cmp.AllowUnexported(authz.Credential{})); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func TestACredentialStaysWhoseItIs(t *testing.T) {
	was := &authz.Credential{MachineUser: "mu:a", Kind: authz.KindSharedSecret, State: "active", SecretHash: "h"}
	for field, is := range map[string]*authz.Credential{
		"machine_user": {MachineUser: "mu:b", Kind: authz.KindSharedSecret, State: "active"},
		"kind":         {MachineUser: "mu:a", Kind: authz.KindPublicKey, State: "active"},
	} {
		var ours *authz.Error
		if err := is.Succeed(was, time.Unix(0, 0)); !errors.As(err, &ours) || ours.Field != field {
			t.Errorf("with another %s: %v", field, err)
		}
	}
}

// TestEntriesMerge: an entry made to stop at least what another one does is never
// weaker than either.
func TestEntriesMerge(t *testing.T) {
	at := func(h int) time.Time {
		if h == 0 {
			return time.Time{}
		}
		return time.Unix(int64(h)*3600, 0)
	}
	for _, test := range []struct{ before, until, wasBefore, wasUntil, wantBefore, wantUntil int }{
		{1, 5, 2, 4, 2, 5}, {2, 4, 1, 5, 2, 5}, {0, 4, 1, 5, 0, 5}, {1, 4, 0, 5, 0, 5}, {1, 0, 2, 5, 2, 0}, {1, 4, 2, 0, 2, 0},
	} {
		r := &authz.Revocation{IssuedBefore: at(test.before), Until: at(test.until)}
		r.AtLeast(&authz.Revocation{IssuedBefore: at(test.wasBefore), Until: at(test.wasUntil)})
		if !r.IssuedBefore.Equal(at(test.wantBefore)) || !r.Until.Equal(at(test.wantUntil)) {
			t.Errorf("%+v made %v until %v", test, r.IssuedBefore, r.Until)
		}
		n := &authz.Renewal{IssuedBefore: at(max(test.before, 1)), Deadline: at(9), Until: at(test.until)}
		n.AtLeast(&authz.Renewal{IssuedBefore: at(max(test.wasBefore, 1)), Deadline: at(8), Until: at(test.wasUntil)})
		if !n.IssuedBefore.Equal(at(max(test.before, test.wasBefore, 1))) || !n.Deadline.Equal(at(8)) || !n.Until.Equal(at(test.wantUntil)) {
			t.Errorf("%+v made a renewal of %v by %v until %v", test, n.IssuedBefore, n.Deadline, n.Until)
		}
	}
	r, n := &authz.Revocation{Until: at(1)}, &authz.Renewal{Deadline: at(1)}
	r.AtLeast(nil)
	n.AtLeast(nil)
	if !r.Until.Equal(at(1)) || !n.Deadline.Equal(at(1)) {
		t.Error("none changed them")
	}
}

// TestDeadTokensStayDead: no write of a machine user makes a refused token good.
func TestDeadTokensStayDead(t *testing.T) {
	now := time.Unix(1000, 0)
	early, ahead := time.Unix(100, 0), time.Unix(5000, 0)
	tests := map[string]struct {
		was, is   string
		from, to  time.Time // tokens_valid_from
		wantAfter time.Time
	}{
		"reactivated":                  {was: "suspended", is: "active", wantAfter: now},
		"reactivated, said earlier":    {was: "expired", is: "active", to: early, wantAfter: now},
		"reactivated, said later":      {was: "suspended", is: "active", to: ahead, wantAfter: ahead},
		"suspended":                    {was: "active", is: "suspended"},
		"stays active":                 {was: "active", is: "active", to: early, wantAfter: early},
		"left out":                     {was: "active", is: "active", from: early, wantAfter: early},
		"moved back":                   {was: "active", is: "active", from: time.Unix(900, 0), to: early, wantAfter: time.Unix(900, 0)},
		"a slip of the hand corrected": {was: "active", is: "active", from: ahead, to: early, wantAfter: now},
	}
	was := &authz.MachineUser{State: "active", ExpiresAt: early}
	is := &authz.MachineUser{State: "active", ExpiresAt: ahead}
	if err := is.Succeed(was, now); err != nil || !is.TokensValidFrom.Equal(now) {
		t.Errorf("one that had ended and is extended: %v from %v", err, is.TokensValidFrom)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			was := &authz.MachineUser{State: test.was, TokensValidFrom: test.from}
			is := &authz.MachineUser{State: test.is, TokensValidFrom: test.to}
			if err := is.Succeed(was, now); err != nil {
				t.Fatal(err)
			}
			if !is.TokensValidFrom.Equal(test.wantAfter) {
				t.Errorf("tokens are valid from %v, want %v", is.TokensValidFrom, test.wantAfter)
			}
		})
	}
}

func TestCertificateID(t *testing.T) {
	want := authz.CertificateID("CN=Brightfold CA,O=Brightfold", "0a1f")
	for _, same := range [][2]string{
		{"O=Brightfold, CN=Brightfold CA", "A1F"},
		{"cn=brightfold ca,o=brightfold", "0a:1f"},
		{"/O=Brightfold/CN=Brightfold CA", "00:0A:1F"},
		{"2.5.4.3=Brightfold CA,OID.2.5.4.10=#130a427269676874666f6c64", "0xa1f"},
	} {
		if got := authz.CertificateID(same[0], same[1]); got != want {
			t.Errorf("%v is %s, want %s", same, got, want)
		}
	}
	for _, other := range [][2]string{{"CN=Brightfold CA", "0a1f"}, {"CN=Brightfold CA,O=Brightfold", "a1"}, {"CN=Brightfold CA,O=Brightfold", ""}} {
		if authz.CertificateID(other[0], other[1]) == want {
			t.Errorf("%v is the same", other)
		}
	}
	r := &authz.Revocation{Listed: authz.Listed{By: authz.ByCertificate, Issuer: "O=Brightfold, CN=Brightfold CA", Name: "A1F"}}
	if r.Normalize(); r.Of != want || r.Validate() != nil {
		t.Errorf("a revocation of it is %s: %v", r.Of, r.Validate())
	}
	for _, serial := range []string{"serial", "0x", ":", "12.5", "-5"} {
		r := &authz.Revocation{Listed: authz.Listed{By: authz.ByCertificate, Issuer: "CN=CA", Name: serial}}
		if r.Normalize(); r.Validate() == nil {
			t.Errorf("%q is taken for a serial number", serial)
		}
	}
}

// What one tool names and another writes as OID and BER is one name: a revocation by
// the text of openssl must hit what crypto/x509 reads.
func TestCertificateIDOfNamesToolsWriteDifferently(t *testing.T) {
	of := func(name string) string { return authz.CertificateID(name, "1") }
	parsed := pkix.Name{CommonName: "CA", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"},
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "ops"},
		{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "ca@example.com"},
	}}.String()
	// Before Go 1.27 crypto/x509 wrote the attributes it has no name for in BER.
	ber := func(value string) string {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return "#" + hex.EncodeToString(der)
	}
	inBER := "1.2.840.113549.1.9.1=" + ber("ca@example.com") + ",0.9.2342.19200300.100.1.1=" + ber("ops") + ",0.9.2342.19200300.100.1.25=" + ber("example") + ",CN=CA"
	for _, same := range []string{inBER, "emailAddress = ca@example.com, CN = CA, UID = ops, DC = example", "/E=ca@example.com/CN=CA/userId=ops/DC=example"} {
		if of(same) != of(parsed) {
			t.Errorf("%s is not %s", same, parsed)
		}
	}
	if of("DC=#0c0161") != of("DC=a") {
		t.Error("a UTF-8 string in BER is not read")
	}
	for _, odd := range []string{"DC=#", "DC=#zz", "DC=#0c", "DC=#0c0161ff", "DC=#2c0161", "DC=#020161"} {
		if of(odd) == of("DC=a") {
			t.Errorf("%s is read as a", odd)
		}
	}
}

func TestEvidenceHasOneReading(t *testing.T) {
	certificate := &authz.Certificate{Thumbprint: "t"}
	proof := &authz.Proof{JWT: "p", Method: "GET", URL: "https://a"}
	tests := map[string]struct {
		evidence authz.Evidence
		field    string // "": accepted
	}{
		"none":                     {},
		"token":                    {evidence: authz.Evidence{Token: "t"}},
		"token and certificate":    {evidence: authz.Evidence{Token: "t", Certificate: certificate}},
		"token and proof":          {evidence: authz.Evidence{Token: "t", Proof: proof}},
		"claims and certificate":   {evidence: authz.Evidence{Claims: json.RawMessage(`{}`), Certificate: certificate}},
		"certificate":              {evidence: authz.Evidence{Certificate: certificate}},
		"secret":                   {evidence: authz.Evidence{ClientID: "mu:a", ClientSecret: "s"}},
		"assertion":                {evidence: authz.Evidence{Assertion: "a"}},
		"named assertion":          {evidence: authz.Evidence{ClientID: "mu:a", Assertion: "a"}},
		"token and claims":         {evidence: authz.Evidence{Token: "t", Claims: json.RawMessage(`{}`)}, field: "credential"},
		"secret and assertion":     {evidence: authz.Evidence{ClientID: "mu:a", ClientSecret: "s", Assertion: "a"}, field: "credential"},
		"secret of nobody":         {evidence: authz.Evidence{ClientSecret: "s"}, field: "credential.client_id"},
		"name alone":               {evidence: authz.Evidence{ClientID: "mu:a"}, field: "credential.client_secret"},
		"name that is none":        {evidence: authz.Evidence{ClientID: "a b", ClientSecret: "s"}, field: "credential.client_id"},
		"issuer without token":     {evidence: authz.Evidence{Issuer: "i", Assertion: "a"}, field: "credential.issuer"},
		"proof without token":      {evidence: authz.Evidence{Proof: proof}, field: "credential.dpop"},
		"claims with a dpop proof": {evidence: authz.Evidence{Claims: json.RawMessage(`{}`), Proof: proof}, field: "credential.dpop"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := authz.Request{Evidence: test.evidence, Action: authz.Action{Name: "a"}, Resource: authz.Resource{Type: authz.ResourceService, ID: "s"}}
			err := r.Validate()
			var ours *authz.Error
			if errors.As(err, &ours); (ours == nil) != (test.field == "") || ours != nil && ours.Field != test.field {
				t.Errorf("answered %v, want one about %q", err, test.field)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(verb, test.evidence); text != "[evidence]" {
					t.Errorf("%s prints %s", verb, text)
				}
			}
		})
	}
}

func TestIssuerKinds(t *testing.T) {
	introspection := func(i *authz.Issuer) {
		i.Kind, i.JWKSURL = authz.IssuerIntrospection, ""
		i.Introspection = &authz.Introspection{URL: "https://ledgerlink.example/introspect", ClientID: "us", Secret: "ledgerlink"}
	}
	trustDomain := func(i *authz.Issuer) {
		i.Kind, i.URL, i.Algorithms, i.Types = authz.IssuerSPIFFE, "spiffe://prod.example", nil, nil
	}
	ca := func(i *authz.Issuer) { i.Kind, i.JWKSURL, i.Roots = authz.IssuerX509, "", "pem" }
	for name, makeKind := range map[string]func(*authz.Issuer){"introspection": introspection, "spiffe": trustDomain, "x509": ca} {
		i := valid[*authz.Issuer](t)
		makeKind(i)
		i.Normalize()
		if err := i.Validate(); err != nil {
			t.Errorf("%s: got error %v; want no error", name, err)
		}
	}
	refused(t, map[string]func(*authz.Issuer){
		"introspection":                 func(i *authz.Issuer) { introspection(i); i.Introspection = nil },
		"introspection#of another kind": func(i *authz.Issuer) { i.Introspection = &authz.Introspection{} },
		"introspection.url":             func(i *authz.Issuer) { introspection(i); i.Introspection.URL = "http://ledgerlink.example" },
		"introspection.secret":          func(i *authz.Issuer) { introspection(i); i.Introspection.Secret = "../operator.key" },
		"introspection.deadline_ms":     func(i *authz.Issuer) { introspection(i); i.Introspection.DeadlineMS = 60_000 },
		"keys":                          func(i *authz.Issuer) { introspection(i); i.JWKSURL = "https://a" },
		"keys#ca":                       func(i *authz.Issuer) { ca(i); i.JWKSURL = "https://a" },
		"roots":                         func(i *authz.Issuer) { ca(i); i.Roots = "" },
		"roots#of another kind":         func(i *authz.Issuer) { i.Roots = "pem" },
		"url": func(i *authz.Issuer) {
			trustDomain(i)
			i.Algorithms = authz.Algorithms()
			i.URL = "spiffe://Prod.example"
		},
		"url#path": func(i *authz.Issuer) {
			trustDomain(i)
			i.Algorithms = authz.Algorithms()
			i.URL = "spiffe://prod.example/a"
		},
		"subject_is":             func(i *authz.Issuer) { i.SubjectIs = "user" },
		"usable_for_s_by_tier.4": func(i *authz.Issuer) { i.UsableForSByTier = map[string]int{"4": 10} },
		"usable_for_s_by_tier.1": func(i *authz.Issuer) { i.UsableForSByTier = map[string]int{"1": i.UsableForS + 1} },
		"status_lists[0]":        func(i *authz.Issuer) { i.StatusLists = []string{"http://issuer.example/list"} },
		"status_lists":           func(i *authz.Issuer) { ca(i); i.StatusLists = []string{"https://a"} },
		"events.audience":        func(i *authz.Issuer) { i.Events = &authz.EventStream{} },
	})
	i := valid[*authz.Issuer](t)
	i.UsableForS, i.UsableForSByTier = 7200, map[string]int{"0": 1800}
	if got := []time.Duration{i.UsableFor(0), i.UsableFor(1)}; got[0] != 30*time.Minute || got[1] != 2*time.Hour {
		t.Errorf("usable for %v", got)
	}
}
func TestAPIKeyRefuses(t *testing.T) {
	refused(t, map[string]func(*authz.APIKey){
		"id":       func(k *authz.APIKey) { k.ID = "" },
		"hash":     func(k *authz.APIKey) { k.Hash = "" },
		"roles":    func(k *authz.APIKey) { k.Roles = nil },
		"roles[1]": func(k *authz.APIKey) { k.Roles = []authz.Role{authz.RoleDecide, authz.RoleDecide} },
		"roles[0]": func(k *authz.APIKey) { k.Roles = []authz.Role{"root"} },
	})
}

func TestServiceAndEdgeRefuse(t *testing.T) {
	refused(t, map[string]func(*authz.Service){
		"id":                      func(s *authz.Service) { s.ID = "svc:e mail" },
		"tier":                    func(s *authz.Service) { s.Tier = -1 },
		"business_criticality":    func(s *authz.Service) { s.Business = 5 },
		"security_criticality":    func(s *authz.Service) { s.Security = 5 },
		"data_class":              func(s *authz.Service) { s.DataClass = "a b" },
		"env":                     func(s *authz.Service) { s.Env = "a b" },
		"owner":                   func(s *authz.Service) { s.Owner = "\x03" },
		"required_level.internal": func(s *authz.Service) { s.RequiredLevel.Internal = level(6) },
		"required_level.external": func(s *authz.Service) { s.RequiredLevel.External = level(-1) },
		"max_token_age_s":         func(s *authz.Service) { s.MaxTokenAgeS = -1 },
	})
	refused(t, map[string]func(*authz.Edge){
		"from":                func(e *authz.Edge) { e.From = "" },
		"to":                  func(e *authz.Edge) { e.To = "a/b" },
		"id":                  func(e *authz.Edge) { e.ID = "mu:a/svc:other" },
		"actions":             func(e *authz.Edge) { e.Actions = nil },
		"actions#2":           func(e *authz.Edge) { e.Actions = []string{"*", "a"} },
		"actions[1]":          func(e *authz.Edge) { e.Actions = []string{"a", "b c"} },
		"cidrs[0]":            func(e *authz.Edge) { e.CIDRs = []string{"10.0.0.0/33"} },
		"required_level":      func(e *authz.Edge) { e.RequiredLevel = level(9) },
		"mode":                func(e *authz.Edge) { e.Mode = "shadow" },
		"modes.network":       func(e *authz.Edge) { e.Modes = map[string]string{"network": ""} },
		"exceptions[0].until": func(e *authz.Edge) { e.Exceptions[0].Until = time.Time{} },
		"exceptions[0].owner": func(e *authz.Edge) { e.Exceptions[0].Owner = "" },
		"exceptions[0].code":  func(e *authz.Edge) { e.Exceptions[0].Code = "" },
		"reason":              func(e *authz.Edge) { e.Reason = "\x04" },
		"owner":               func(e *authz.Edge) { e.Owner = "\x05" },
	})
}

func TestGrantsAndListsRefuse(t *testing.T) {
	refused(t, map[string]func(*authz.Entitlement){
		"holder":          func(e *authz.Entitlement) { e.Holder = "u-ana" },
		"holder#kind":     func(e *authz.Entitlement) { e.Holder = "group:a" },
		"holder#empty":    func(e *authz.Entitlement) { e.Holder = "user:" },
		"feature":         func(e *authz.Entitlement) { e.Feature = "a/b" },
		"id":              func(e *authz.Entitlement) { e.ID = "user:u-b/email.x" },
		"effect":          func(e *authz.Entitlement) { e.Effect = "maybe" },
		"address_purpose": func(e *authz.Entitlement) { e.AddressPurpose = "a b" },
		"source":          func(e *authz.Entitlement) { e.Source = "\x06" },
		"expires_at":      func(e *authz.Entitlement) { e.ExpiresAt = e.NotBefore },
		"attributes":      func(e *authz.Entitlement) { e.Attributes = map[string]string{"": "v"} },
		"attributes.k":    func(e *authz.Entitlement) { e.Attributes = map[string]string{"k": "\x07"} },
	})
	refused(t, map[string]func(*authz.Revocation){
		"by":     func(r *authz.Revocation) { r.By = "name" },
		"of":     func(r *authz.Revocation) { r.Of = "a b" },
		"of#2":   func(r *authz.Revocation) { r.By, r.Of = authz.ByToken, "" },
		"id":     func(r *authz.Revocation) { r.ID = "subject/other" },
		"reason": func(r *authz.Revocation) { r.Reason = "\x08" },
		"issuer": func(r *authz.Revocation) { r.Issuer = "https://i" },
		"issuer#token": func(r *authz.Revocation) {
			*r = authz.Revocation{Listed: authz.Listed{By: authz.ByToken, Issuer: "https://i\x08", Name: "j"}}
			r.Normalize()
		},
		"name": func(r *authz.Revocation) { r.By, r.Of, r.Issuer = authz.ByToken, authz.TokenID("i", "j"), "i" },
		"of#contradicts": func(r *authz.Revocation) {
			r.Listed = authz.Listed{By: authz.ByToken, Of: authz.TokenID("i", "j"), Issuer: "i", Name: "k"}
		},
		"of#raw": func(r *authz.Revocation) { r.Listed = authz.Listed{By: authz.ByToken, Of: "jti-1"} },
		"of#key": func(r *authz.Revocation) { r.Listed = authz.Listed{By: authz.ByIssuerKey, Of: authz.TokenID("i", "j")} },
		"of#hex": func(r *authz.Revocation) {
			r.Listed = authz.Listed{By: authz.ByToken, Of: strings.ToUpper(authz.TokenID("i", "j"))}
		},
	})
	refused(t, map[string]func(*authz.Renewal){
		"issued_before": func(r *authz.Renewal) { r.IssuedBefore = time.Time{} },
		"deadline":      func(r *authz.Renewal) { r.Deadline = time.Time{} },
		"by":            func(r *authz.Renewal) { r.By = "" },
		"id":            func(r *authz.Renewal) { r.ID = "x" },
	})
}

func TestIssuerRefuses(t *testing.T) {
	refused(t, map[string]func(*authz.Issuer){
		"id":             func(i *authz.Issuer) { i.ID = "https://x" },
		"kind":           func(i *authz.Issuer) { i.Kind = "saml" },
		"url":            func(i *authz.Issuer) { i.URL = "" },
		"url#control":    func(i *authz.Issuer) { i.URL = "https://x\n" + "\x00" },
		"keys":           func(i *authz.Issuer) { i.JWKSURL = "" },
		"keys#both":      func(i *authz.Issuer) { i.Keys = json.RawMessage(`{"keys":[]}`) },
		"jwks_url":       func(i *authz.Issuer) { i.JWKSURL = "http://issuer.example/jwks" },
		"jwks_url#user":  func(i *authz.Issuer) { i.JWKSURL = "https://a:b@issuer.example/jwks" },
		"jwks_url#parse": func(i *authz.Issuer) { i.JWKSURL = "https://%zz" },
		"jwks_url#file":  func(i *authz.Issuer) { i.JWKSURL = "file:///etc/passwd" },
		"algorithms":     func(i *authz.Issuer) { i.Algorithms = nil },
		"algorithms[0]":  func(i *authz.Issuer) { i.Algorithms = []string{"none"} },
		"algorithms[1]":  func(i *authz.Issuer) { i.Algorithms = []string{"ES256", "HS256"} },
		"audiences[0]":   func(i *authz.Issuer) { i.Audiences = []string{""} },
		"fresh_for_s":    func(i *authz.Issuer) { i.FreshForS = -1 },
		"usable_for_s":   func(i *authz.Issuer) { i.UsableForS = 1 },
		"leeway_s":       func(i *authz.Issuer) { i.LeewayS = 301 },
	})
	loopback := valid[*authz.Issuer](t)
	loopback.JWKSURL = "http://127.0.0.1:9/jwks"
	if err := loopback.Validate(); err != nil {
		t.Errorf("plain http to a loopback address: %v", err)
	}
}

// TestPlaceFillsWhatWasLeftOut: what the document says wins.
func TestPlaceFillsWhatWasLeftOut(t *testing.T) {
	for _, c := range authz.AllCollections() {
		pair, ok := c.New().(authz.Paired)
		if ok != c.Pair() {
			t.Fatalf("%s: paired %v", c, ok)
		}
		if !ok {
			continue
		}
		pair.Place("one", "two")
		pair.Place("three", "four")
		pair.Normalize()
		if got := pair.Head().ID; got != "one/two" {
			t.Errorf(`%s: got %s; want got "one/two"`, c, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	m := &authz.MachineUser{}
	m.Normalize()
	i := &authz.Issuer{}
	i.Normalize()
	r := &authz.Revocation{Listed: authz.Listed{By: authz.ByToken, Issuer: "https://i", Name: "jti-1"}}
	r.Normalize()
	k := &authz.Renewal{Listed: authz.Listed{By: authz.ByIssuerKey, Issuer: "https://i", Name: "kid-1"}}
	k.Normalize()
	got := []any{m.State, i.Kind, i.Types, i.Claims.Subject, i.FreshForS, i.UsableForS, r.Of, r.ID, k.Of}
	want := []any{"active", "jwt", []string{"at+jwt"}, "sub", 600, 86400, authz.TokenID("https://i", "jti-1"), "token/" + authz.TokenID("https://i", "jti-1"), authz.IssuerKeyID("https://i", "kid-1")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIDs(t *testing.T) {
	for id, good := range map[string]bool{
		"a": true, "mu:user-svc": true, "A.b_c:d@e-f": true, "0": true, strings.Repeat("x", 200): true,
		"": false, ".a": false, "-a": false, "a b": false, "a/b": false, "a\x00": false, "é": false, "a\n": false, strings.Repeat("x", 201): false,
	} {
		if got := authz.ValidateID("id", id) == nil; got != good {
			t.Errorf("%q: got %v; want %v", id, got, good)
		}
	}
}

// TestPairKeysHaveOneReading: whatever two ids are joined, the same two come back.
func TestPairKeysHaveOneReading(t *testing.T) {
	if err := quick.Check(func(a, b string) bool {
		if authz.ValidateID("", a) != nil || authz.ValidateID("", b) != nil {
			first, second, ok := authz.SplitPairKey(authz.PairKey(a, b))
			return !ok || first == a && second == b || authz.Edges.ValidateKey(authz.PairKey(a, b)) != nil
		}
		first, second, ok := authz.SplitPairKey(authz.PairKey(a, b))
		return ok && first == a && second == b
	}, nil); err != nil {
		t.Error(err)
	}
	for key, good := range map[string]bool{"a/b": true, "a": false, "a/": false, "/b": false, "a/b/c": false, "a /b": false, "a/b ": false} {
		if got := authz.Edges.ValidateKey(key) == nil; got != good {
			t.Errorf("edge key %q: %v", key, got)
		}
	}
	if authz.Users.ValidateKey("u-a") != nil || authz.Users.ValidateKey("a/b") == nil {
		t.Error("a user's key is one id")
	}
}

func TestTokenIDsDoNotCollide(t *testing.T) {
	seen := map[string]string{}
	for _, pair := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"1:a", "b"}} {
		for _, id := range []string{authz.TokenID(pair[0], pair[1]), authz.IssuerKeyID(pair[0], pair[1])} {
			if err := authz.ValidateID("", id); err != nil {
				t.Error(err)
			}
			if before, ok := seen[id]; ok {
				t.Errorf("%v and %s share %s", pair, before, id)
			}
			seen[id] = fmt.Sprint(pair)
		}
	}
}

func TestUnknownCollection(t *testing.T) {
	c := authz.Collection("widgets")
	if c.Known() || c.New() != nil || c.Fact() || c.Pair() || len(c.Filters()) != 0 {
		t.Error("widgets are known")
	}
}

func TestZeroDenies(t *testing.T) {
	var d authz.Decision
	if d.Outcome != authz.Deny || authz.Outcome(7).String() != "deny" {
		t.Error("the zero decision does not deny")
	}
	for text, want := range map[string]authz.Outcome{`"allow"`: authz.Allow, `"deny"`: authz.Deny, `"ALLOW"`: authz.Deny, `"yes"`: authz.Deny, `""`: authz.Deny} {
		o := authz.Allow
		if err := json.Unmarshal([]byte(text), &o); err != nil || o != want {
			t.Errorf("%s became %v, %v", text, o, err)
		}
	}
	if text, err := json.Marshal(authz.Allow); err != nil || string(text) != `"allow"` {
		t.Errorf("got text %s, error %v; want no error, text `\"allow\"`", text, err)
	}
}

func TestRequestRefuses(t *testing.T) {
	good := func() authz.Request {
		return authz.Request{
			Subject:  &authz.Subject{Type: authz.SubjectMachineUser, ID: "mu:a"},
			Action:   authz.Action{Name: "email.send"},
			Resource: authz.Resource{Type: authz.ResourceService, ID: "svc:email"},
			Explain:  authz.ExplainNone,
		}
	}
	for field, change := range map[string]func(*authz.Request){
		"":              func(*authz.Request) {},
		"credential":    func(r *authz.Request) { r.Evidence = authz.Evidence{Token: "a", Claims: json.RawMessage(`{}`)} },
		"subject.id":    func(r *authz.Request) { r.Subject.ID = "" },
		"subject.type":  func(r *authz.Request) { r.Subject.Type = "user" },
		"action.name":   func(r *authz.Request) { r.Action.Name = "" },
		"resource.type": func(r *authz.Request) { r.Resource.Type = "" },
		"resource.id":   func(r *authz.Request) { r.Resource.ID = "../x" },
		"explain":       func(r *authz.Request) { r.Explain = "everything" },
	} {
		r := good()
		change(&r)
		err := r.Validate()
		var named *authz.Error
		if field == "" && err != nil || field != "" && (!errors.As(err, &named) || named.Field != field) {
			t.Errorf("bad %s: %v", field, err)
		}
	}
	r := good()
	r.Context = map[string]any{"list": make([]any, authz.MaxValues)}
	if err := r.Validate(); authz.CodeOf(err) != authz.CodeTooLarge {
		t.Errorf("a context of too many values: %v", err)
	}
	for semantics, good := range map[authz.Semantics]bool{"": true, authz.ExecuteAll: true, authz.DenyOnFirstDeny: true, authz.PermitOnFirstPermit: true, "any": false} {
		if (semantics.Validate() == nil) != good {
			t.Errorf("semantics %q", semantics)
		}
	}
}

func TestEvidenceDoesNotPrint(t *testing.T) {
	secret := authz.Evidence{Token: "s3cr3t", Claims: json.RawMessage("s3cr3t")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if strings.Contains(fmt.Sprintf(format, secret), "s3cr3t") {
			t.Errorf("%s prints it", format)
		}
	}
}

func TestErrorsShowNoCause(t *testing.T) {
	cause := errors.New("disk sda1 is on fire")
	err := fmt.Errorf("opening: %w", &authz.Error{Code: authz.CodeUnavailable, Field: "store", Message: "cannot be read", Cause: cause})
	if authz.CodeOf(err) != authz.CodeUnavailable || authz.CodeOf(cause) != authz.CodeInternal || authz.CodeOf(nil) != "" {
		t.Error("codes")
	}
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "fire") || !strings.Contains(err.Error(), "store cannot be read") {
		t.Error(err)
	}
	if got := authz.Errorf(authz.CodeGone, "after %d", 3).Error(); got != "after 3" {
		t.Error(got)
	}
}

func TestCallerHasOnlyItsRoles(t *testing.T) {
	c := authz.Caller{Roles: []authz.Role{authz.RoleDecide}}
	if !c.Has(authz.RoleDecide) || c.Has(authz.RoleOperate) || (authz.Caller{}).Has("") {
		t.Error("roles")
	}
}
