package token_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	jose "github.com/go-jose/go-jose/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token"
)

func pemOf(typ string, der ...[]byte) string {
	var b bytes.Buffer
	for _, d := range der {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: d}))
	}
	return b.String()
}

func TestRoots(t *testing.T) {
	first, second := newCA(t, nil, "first", nil), newCA(t, nil, "second", nil)
	roots, err := token.ParseRoots("# our partners\n" + pemOf("CERTIFICATE", first.Raw, second.Raw))
	if err != nil || len(roots) != 2 || !roots[0].Equal(first.Certificate) || !roots[1].Equal(second.Certificate) {
		t.Fatalf("%d roots: %v", len(roots), err)
	}
	privateKey, err := x509.MarshalPKCS8PrivateKey(first.key)
	if err != nil {
		t.Fatal(err)
	}
	many := make([][]byte, 65)
	for i := range many {
		many[i] = first.Raw
	}
	good := pemOf("CERTIFICATE", first.Raw)
	for name, c := range map[string]struct{ text, says string }{
		"empty":        {"", "no PEM block"},
		"no PEM":       {"spiffe", "no PEM block"},
		"a leaf":       {pemOf("CERTIFICATE", issue(t, &first, ecKey(t, elliptic.P256()), leafTemplate(nil)).Raw), "is not a certificate authority"},
		"a key beside": {good + pemOf("PRIVATE KEY", privateKey), "certificate 2 is a private key"},
		"an EC key":    {pemOf("EC PRIVATE KEY", privateKey), "is a private key"},
		"a request":    {pemOf("CERTIFICATE REQUEST", first.Raw), "another type"},
		"no DER":       {pemOf("CERTIFICATE", []byte("MIIB")), "not an X.509 certificate"},
		"too large":    {pemOf("CERTIFICATE", make([]byte, 16<<10+1)), "larger than 16 kB"},
		"too many":     {pemOf("CERTIFICATE", many...), "more than 64"},
		"damaged":      {good + strings.Replace(good, "\nM", "\n!", 1), "damaged"},
		"cut short":    {good + good[:100], "damaged"},
		"may not sign": {pemOf("CERTIFICATE", newCA(t, nil, "crl", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }).Raw), "may not sign certificates"},
		"weak": {pemOf("CERTIFICATE", issue(t, nil, rsaKey(t, 1024), &x509.Certificate{BasicConstraintsValid: true, IsCA: true}).Raw),
			"RSA key that is not of 2048"},
	} {
		roots, err := token.ParseRoots(c.text)
		var of *authz.Error
		if roots != nil || authz.CodeOf(err) != authz.CodeInvalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d roots, %v", name, len(roots), err)
			continue
		}
		if of, _ = err.(*authz.Error); of == nil || of.Field != "roots" {
			t.Errorf("%s: error about %+v", name, of)
		}
	}
}

// Every file of go-spiffe's bundles.
func TestBundleVectors(t *testing.T) {
	type counts struct {
		Authorities, Ignored int
		NoSet                bool
	}
	want := map[string]counts{
		"jwtbundle-jwks_missing_kid.json":               {},
		"jwtbundle-jwks_valid_1.json":                   {},
		"jwtbundle-jwks_valid_2.json":                   {},
		"witbundle-jwks_missing_kid.json":               {},
		"witbundle-jwks_valid_1.json":                   {},
		"witbundle-jwks_valid_2.json":                   {},
		"spiffebundle-spiffebundle_missing_kid.json":    {Authorities: 1},
		"spiffebundle-spiffebundle_multiple_x509.json":  {Ignored: 1},
		"spiffebundle-spiffebundle_no_keys.json":        {NoSet: true},
		"spiffebundle-spiffebundle_valid_1.json":        {Authorities: 1},
		"spiffebundle-spiffebundle_valid_2.json":        {Authorities: 1},
		"spiffebundle-spiffebundle_valid_with_wit.json": {Authorities: 1},
	}
	got := map[string]counts{}
	for _, name := range vectors.Names(t, "spiffe/bundles", len(want)) {
		authorities, ignored, err := token.ParseBundle(vectors.Read(t, "spiffe/bundles/"+name))
		got[name] = counts{len(authorities), ignored, err != nil}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// entry is the JWK of an authority in a SPIFFE bundle; change, if any, spoils it.
func entry(t *testing.T, ca certified, change func(map[string]any)) string {
	t.Helper()
	data, err := json.Marshal(jose.JSONWebKey{Key: ca.key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	jwk := map[string]any{}
	if err := json.Unmarshal(data, &jwk); err != nil {
		t.Fatal(err)
	}
	jwk["use"], jwk["x5c"] = "x509-svid", []string{base64.StdEncoding.EncodeToString(ca.Raw)}
	if change != nil {
		change(jwk)
	}
	if data, err = json.Marshal(jwk); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBundle(t *testing.T) {
	ca, other := newCA(t, nil, "ca", nil), newCA(t, nil, "other", nil)
	leaf := issue(t, &ca, ecKey(t, elliptic.P256()), leafTemplate(nil))
	with := func(member string, value any) func(map[string]any) {
		return func(jwk map[string]any) { jwk[member] = value }
	}
	good := entry(t, ca, nil)
	type counts struct{ Authorities, Ignored int }
	for name, c := range map[string]struct {
		keys []string
		want counts
	}{
		"empty: all revoked":    {nil, counts{}},
		"two":                   {[]string{good, entry(t, other, nil)}, counts{2, 0}},
		"a JWT key beside":      {[]string{entry(t, other, with("use", "jwt-svid")), good}, counts{1, 0}},
		"no use":                {[]string{entry(t, other, with("use", nil)), good}, counts{1, 0}},
		"unknown use":           {[]string{entry(t, other, with("use", "tls")), good}, counts{1, 0}},
		"no object":             {[]string{"1", "null", good}, counts{1, 0}},
		"unknown kty":           {[]string{entry(t, other, with("kty", "AKP")), good}, counts{1, 1}},
		"unknown curve":         {[]string{entry(t, other, with("crv", "P-192")), good}, counts{1, 1}},
		"a private key":         {[]string{entry(t, other, with("d", "AAAA")), good}, counts{1, 1}},
		"no certificate":        {[]string{entry(t, other, with("x5c", nil)), entry(t, other, with("x5c", []string{})), good}, counts{1, 2}},
		"two certificates":      {[]string{entry(t, other, with("x5c", []string{base64.StdEncoding.EncodeToString(other.Raw), base64.StdEncoding.EncodeToString(ca.Raw)}))}, counts{0, 1}},
		"base64url":             {[]string{entry(t, other, with("x5c", []string{base64.RawURLEncoding.EncodeToString(other.Raw)}))}, counts{0, 1}},
		"no DER":                {[]string{entry(t, other, with("x5c", []string{"AAAA"}))}, counts{0, 1}},
		"a leaf":                {[]string{entry(t, leaf, nil)}, counts{0, 1}},
		"another's certificate": {[]string{entry(t, other, with("x5c", []string{base64.StdEncoding.EncodeToString(ca.Raw)}))}, counts{0, 1}},
	} {
		authorities, ignored, err := token.ParseBundle(fmt.Appendf(nil, `{"keys":[%s],"spiffe_sequence":1}`, strings.Join(c.keys, ",")))
		if diff := cmp.Diff(c.want, counts{len(authorities), ignored}); diff != "" || err != nil {
			t.Errorf("%s: error %v, want none; authorities and ignored keys (-want +got):\n%s", name, err, diff)
		}
	}
	many := strings.TrimSuffix(strings.Repeat(good+",", 65), ",")
	for _, document := range []string{"", "[]", `{}`, `{"keys":{}}`, `{"keys":[]} x`, `{"keys":[` + many + `]}`, strings.Repeat(" ", 256<<10+1)} {
		if authorities, _, err := token.ParseBundle([]byte(document)); err == nil || authorities != nil {
			t.Errorf("%.20s: %d authorities", document, len(authorities))
		}
	}
}
