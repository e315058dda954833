package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/store"
)

// IDs are the ids of entities, in their order.
func IDs[E authz.Entity](entities []E) []string {
	ids := make([]string, len(entities))
	for i, e := range entities {
		ids[i] = e.Head().ID
	}
	return ids
}

// wantIDs compares a list of a Directory with ids, separated by spaces.
func wantIDs[E authz.Entity](t *testing.T, what, want string, got []E, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v, want no error", what, err)
	}
	if diff := cmp.Diff(strings.Fields(want), IDs(got)); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// certificate is a valid credential known by names.
func certificate(id, machineUser string, generation int, names ...string) *authz.Credential {
	return &authz.Credential{Header: authz.Header{ID: id}, MachineUser: machineUser, Kind: authz.KindCertificate, Generation: generation, Issuer: "ca", Names: names}
}

func testDirectory(t *testing.T, s *store.Store, _ *Clock) {
	long := strings.Repeat("n", authz.MaxTextLength)
	Put(t, s,
		&authz.Issuer{Header: authz.Header{ID: "b"}, URL: "https://b", JWKSURL: "https://b/jwks", Algorithms: []string{"ES256"}},
		&authz.Issuer{Header: authz.Header{ID: "a"}, URL: "https://a", JWKSURL: "https://a/jwks", Algorithms: []string{"ES256"}},
		&authz.Issuer{Header: authz.Header{ID: "c"}, URL: "spiffe://prod.example", Kind: authz.IssuerSPIFFE, JWKSURL: "https://c/bundle"},
		certificate("c-1", "mu:a", 1, "dns:a", "dns:shared"), certificate("c-3", "mu:a", 2, "dns:\u00e9\n\t/", long), certificate("c-2", "mu:a", 2, "dns:shared"),
		certificate("d-1", "mu:a-b", 1, "dns:a.b"))
	view := View(t, s)
	issuer, ok, err := view.IssuerByID("c")
	if !ok || err != nil || issuer.URL != "spiffe://prod.example" || issuer.Revision != 1 {
		t.Errorf("issuer by id: %+v %v %v", issuer, ok, err)
	}
	if _, ok, err := view.IssuerByID("d"); ok || err != nil {
		t.Errorf("unknown issuer: %v %v", ok, err)
	}
	for kind, want := range map[string]string{authz.IssuerJWT: "a b", authz.IssuerSPIFFE: "c", authz.IssuerX509: "", "": ""} {
		got, err := view.IssuersOf(kind)
		wantIDs(t, "issuers of "+kind, want, got, err)
	}
	credential, ok, err := view.Credential("c-1")
	if !ok || err != nil || credential.Revision != 1 || credential.State != authz.CredentialActive {
		t.Errorf("credential: %+v %v %v", credential, ok, err)
	}
	if _, ok, err := view.Credential("c-9"); ok || err != nil {
		t.Errorf("unknown credential: %v %v", ok, err)
	}
	for user, want := range map[string]string{"mu:a": "c-2 c-3 c-1", "mu:a-b": "d-1", "mu:": "", "": ""} {
		got, err := view.CredentialsOf(user)
		wantIDs(t, "credentials of "+user, want, got, err)
	}
	for name, want := range map[string]string{"dns:shared": "c-2 c-1", "dns:a": "c-1", "dns:a.b": "d-1", "dns:\u00e9\n\t/": "c-3", long: "c-3", long + "n": "", "dns:": "", "": "", "dns:a\x00c-1": "", "dns:a\x00": ""} {
		got, err := view.CredentialsNamed(name)
		wantIDs(t, fmt.Sprintf("credentials named %.40q", name), want, got, err)
	}
	// A rename leaves the old name, a delete all of them.
	Apply(t, s, store.Op{Entity: certificate("c-1", "mu:a", 7, "dns:b", "dns:shared")}, store.Op{Collection: authz.Credentials, Key: "c-3"})
	later := View(t, s)
	for name, want := range map[string]string{"dns:shared": "c-1 c-2", "dns:a": "", "dns:b": "c-1", long: ""} {
		got, err := later.CredentialsNamed(name)
		wantIDs(t, "credentials named "+name[:min(len(name), 20)]+" later", want, got, err)
	}
	got, err := later.CredentialsOf("mu:a")
	wantIDs(t, "credentials of mu:a later", "c-1 c-2", got, err)
	got, err = view.CredentialsOf("mu:a")
	wantIDs(t, "credentials of mu:a before", "c-2 c-3 c-1", got, err)
	testDirectoryLimit(t, s)
}

// testDirectoryLimit holds lists to authz.MaxCredentials.
func testDirectoryLimit(t *testing.T, s *store.Store) {
	const n = authz.MaxCredentials + 4
	var ops []store.Op
	var newest []string
	for i := range n {
		c := certificate(fmt.Sprintf("many-%02d", i), "mu:many", i+1, "dns:many")
		if i > 0 {
			c.State = authz.CredentialRetired
		}
		ops = append(ops, store.Op{Entity: c})
		if i < authz.MaxCredentials {
			newest = append(newest, fmt.Sprintf("many-%02d", n-i))
		}
	}
	// The one that is still accepted is the oldest, and comes first all the same.
	newest[0] = "many-00"
	Apply(t, s, ops...)
	view := View(t, s)
	got, err := view.CredentialsOf("mu:many")
	wantIDs(t, "credentials of mu:many", strings.Join(newest, " "), got, err)
	got, err = view.CredentialsNamed("dns:many")
	wantIDs(t, "credentials named dns:many", strings.Join(newest, " "), got, err)
}
