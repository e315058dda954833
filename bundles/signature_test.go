package bundles_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

const (
	then  = int64(1_790_000_000)
	later = int64(1_790_003_600)
)

// TestSignaturesOfOPA holds what the real opa signs to being accepted, with every
// family of algorithms, by `opa build` and by `opa sign`.
func TestSignaturesOfOPA(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			s := signerOf(t, algorithm)
			v := bundles.Verification{Required: true, Keys: []bundles.Key{signerOf(t, "stranger").key, s.key}, Scope: "prod"}
			claims := map[string]any{"scope": "prod", "iat": then, "keyid": s.key.ID, "by": "a claim of its own"}
			built, err := readTar(t, opaSigned(t, s, claims)).Verify(v, bundles.Accepted{})
			if err != nil {
				t.Fatalf("opa build: %v", err)
			}
			if built.SignedBy != s.key.ID || built.SignedAt != then || built.Manifest.Revision != "7" {
				t.Errorf("signed by %q at %d, revision %q", built.SignedBy, built.SignedAt, built.Manifest.Revision)
			}
			files := acme()
			files[".signatures.json"] = opaSign(t, files, s, claims)
			p, err := bundles.ReadFolder(folderOf(files), bundles.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			signed, err := p.Verify(v, built.Accepted())
			if err != nil {
				t.Fatalf("opa sign: %v", err)
			}
			if signed.SignedBy != s.key.ID || len(signed.Files) != len(acme()) {
				t.Errorf("signed by %q, %d files", signed.SignedBy, len(signed.Files))
			}
		})
	}
}

// TestKeysAreFound holds a signature to the key it names, and one without a name
// to any key, so that keys can be changed without a gap.
func TestKeysAreFound(t *testing.T) {
	s, stranger := signerOf(t, "RS256"), signerOf(t, "stranger")
	named := func(s signer, id string) bundles.Key {
		return bundles.Key{ID: id, Algorithm: s.key.Algorithm, PEM: s.key.PEM}
	}
	byDefault := opaSigned(t, s, nil)                                    // kid "default"
	byName := opaSigned(t, s, nil, "--verification-key-id", "acme-2026") // kid "acme-2026"
	nameless := opaSigned(t, s, map[string]any{"iat": then})             // no kid
	tests := []struct {
		name   string
		packed []byte
		keys   []bundles.Key
		want   string // key; or, starting with "!", the refusal
	}{
		{"its kid", byName, []bundles.Key{named(stranger, "old"), named(s, "acme-2026")}, "acme-2026"},
		{"opa build's own kid", byDefault, []bundles.Key{named(s, "default")}, "default"},
		{"another kid", byName, []bundles.Key{named(s, "acme-2025")}, `!.signatures.json: is signed with the key "acme-2026", which is not configured`},
		{"the kid of another key", byName, []bundles.Key{named(s, "old"), named(stranger, "acme-2026")}, `!with the key "acme-2026" it was not made`},
		{"no kid, second key", nameless, []bundles.Key{named(stranger, "new"), named(s, "old")}, "old"},
		{"no kid, no key of ours", nameless, []bundles.Key{named(stranger, "new")}, `!with the key "new" it was not made`},
		{"no key at all", nameless, nil, "!no key is configured"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readTar(t, test.packed).Verify(bundles.Verification{Keys: test.keys}, bundles.Accepted{})
			if refusal, ok := strings.CutPrefix(test.want, "!"); ok {
				wantRefused(t, err, refusal)
				return
			}
			if err != nil || got.SignedBy != test.want {
				t.Errorf("signed by %q, error %v", got.SignedBy, err)
			}
		})
	}
}

// TestTampered changes a bundle that opa signed in every way there is.
func TestTampered(t *testing.T) {
	s := signerOf(t, "ES256")
	packed := opaSigned(t, s, map[string]any{"scope": "prod", "iat": then})
	v := bundles.Verification{Required: true, Keys: []bundles.Key{s.key}, Scope: "prod"}
	if _, err := readTar(t, packed).Verify(v, bundles.Accepted{}); err != nil {
		t.Fatalf("untouched: %v", err)
	}
	other := unpacked(t, opaSigned(t, signerOf(t, "stranger"), map[string]any{"scope": "prod"}))["/.signatures.json"]
	replace := func(name, from, to string) func(map[string]string) {
		return func(files map[string]string) {
			if !strings.Contains(files[name], from) {
				t.Fatalf("%s has no %q:\n%s", name, from, files[name])
			}
			files[name] = strings.Replace(files[name], from, to, 1)
		}
	}
	put := func(name, content string) func(map[string]string) {
		return func(files map[string]string) { files[name] = content }
	}
	drop := func(name string) func(map[string]string) {
		return func(files map[string]string) {
			if _, ok := files[name]; !ok {
				t.Fatalf("no %s", name)
			}
			delete(files, name)
		}
	}
	tests := map[string]struct {
		change func(map[string]string)
		want   string
	}{
		"a byte of a policy":        {replace("/guards/acme/acme.rego", "shut", "shot"), "guards/acme/acme.rego: is not what was signed"},
		"a space in a policy":       {replace("/guards/acme/acme.rego", "\n", " \n"), "guards/acme/acme.rego: is not what was signed"},
		"a byte of a test":          {replace("/guards/acme/acme_test.rego", "0", "1"), "guards/acme/acme_test.rego: is not what was signed"},
		"a value of data":           {replace("/data.json", "10", "11"), "data.json: is not what was signed"},
		"the type of a value":       {replace("/data.json", "10", `"10"`), "data.json: is not what was signed"},
		"data that is broken":       {replace("/data.json", "{", "{{"), "data.json: is not what was signed"},
		"the revision":              {replace("/.manifest", `"7"`, `"8"`), ".manifest: is not what was signed"},
		"the roots":                 {replace("/.manifest", `"guards/acme"`, `"guards/other"`), ".manifest: is not what was signed"},
		"a policy more":             {put("/guards/acme/more.rego", "package guards.acme\n"), "guards/acme/more.rego: is not signed"},
		"data more":                 {put("/acme/new/data.json", "{}"), "acme/new/data.json: is not signed"},
		"an ignored file more":      {put("/LICENSE", "x"), "LICENSE: is not signed"},
		"a file in a hidden folder": {put("/.git/config", "x"), ".git/config: is not signed"},
		"a policy less":             {drop("/guards/acme/acme.rego"), "guards/acme/acme.rego: is signed and is not in the bundle"},
		"a test less":               {drop("/guards/acme/acme_test.rego"), "guards/acme/acme_test.rego: is signed and is not in the bundle"},
		"a file under another name": {func(f map[string]string) {
			f["/x.rego"] = f["/guards/acme/acme.rego"]
			delete(f, "/guards/acme/acme.rego")
		}, "guards/acme/acme.rego: is signed and is not in the bundle"},
		"no signatures":                 {drop("/.signatures.json"), ".signatures.json: is missing; bundles must be signed"},
		"the signatures of another key": {put("/.signatures.json", other), `its algorithm is "RS256", not ES256`},
		"a second signatures file":      {put("/x/.signatures.json", other), "x/.signatures.json: looks like signatures"},
		"a name like signatures":        {put("/foosignatures.json", other), "foosignatures.json: looks like signatures"},
		"a delta":                       {put("/patch.json", `{"data": []}`), "patch.json: is a kind of bundle file"},
		"a name like a delta":           {put("/x/foopatch.json", `{"data": []}`), "x/foopatch.json: is a kind of bundle file"},
		"a delta alone":                 {func(f map[string]string) { clear(f); f["/patch.json"] = `{"data": []}` }, "patch.json: is a kind of bundle file"},
		"Wasm":                          {put("/policy.wasm", "\x00asm"), "policy.wasm: is a kind of bundle file"},
		"Wasm in a folder":              {put("/x/policy.wasm", "\x00asm"), "x/policy.wasm: is a kind of bundle file"},
		"a manifest in a folder":        {put("/x/.manifest", `{"roots": [""]}`), "x/.manifest: is a manifest in a place of its own"},
		"a name like a manifest":        {put("/x.manifest", `{"roots": [""]}`), "x.manifest: is a manifest in a place of its own"},
		"a binary manifest":             {put("/.manifest.pb", "x"), ".manifest.pb: is a manifest in a form"},
		"signatures: empty":             {put("/.signatures.json", ""), ".signatures.json: "},
		"signatures: an empty object":   {put("/.signatures.json", "{}"), "has 0 signatures"},
		"signatures: none":              {put("/.signatures.json", `{"signatures": []}`), "has 0 signatures"},
		"signatures: null":              {put("/.signatures.json", "null"), ".signatures.json: "},
		"signatures: two":               {func(f map[string]string) { f["/.signatures.json"] = twice(t, f["/.signatures.json"]) }, "has 2 signatures"},
		"signatures: a plugin":          {replace("/.signatures.json", "_default", "mine"), `signing plugin "mine"`},
		"signatures: an unknown member": {replace("/.signatures.json", "{", `{"x": 1,`), "x is not a known field"},
		"signatures: twice the member":  {replace("/.signatures.json", "{", `{"signatures": [],`), "appears twice"},
		"signatures: a letter more":     {replace("/.signatures.json", "\"\n ]", "A\"\n ]"), "it was not made"},
		"signatures: no JWS":            {put("/.signatures.json", `{"signatures": ["x"]}`), "does not hold a JWS in compact form"},
		"signatures: no base64":         {put("/.signatures.json", `{"signatures": ["!.!.!"]}`), "cannot be read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := unpacked(t, packed)
			test.change(files)
			p, err := bundles.ReadTar(bytes.NewReader(tarred(t, entries(files)...)), bundles.Limits{})
			var got bundles.Verified
			if err == nil {
				got, err = p.Verify(v, bundles.Accepted{})
			}
			wantRefused(t, err, test.want)
			if authz.CodeOf(err) != authz.CodeInvalid {
				t.Errorf("code is %q", authz.CodeOf(err))
			}
			if _, err := bundles.CompileSet([]bundles.Member{base(t), {Name: "acme", Verified: got}}, bundles.Options{}); err == nil {
				t.Error("what Verify returned with an error compiles")
			}
		})
	}
}

func twice(t *testing.T, content string) string {
	t.Helper()
	var file struct {
		Signatures []string `json:"signatures"`
	}
	if err := json.Unmarshal([]byte(content), &file); err != nil {
		t.Fatal(err)
	}
	file.Signatures = append(file.Signatures, file.Signatures...)
	doubled, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(doubled)
}

// TestScope holds signatures to the scope that is asked for.
func TestScope(t *testing.T) {
	s := signerOf(t, "RS256")
	with := func(scope string) bundles.Key {
		key := s.key
		key.Scope = scope
		return key
	}
	prod, none := opaSigned(t, s, map[string]any{"scope": "prod"}), opaSigned(t, s, map[string]any{"iat": then})
	tests := []struct {
		name   string
		packed []byte
		v      bundles.Verification
		want   string
	}{
		{"as asked", prod, bundles.Verification{Keys: []bundles.Key{with("")}, Scope: "prod"}, ""},
		{"as its key asks", prod, bundles.Verification{Keys: []bundles.Key{with("prod")}}, ""},
		{"asked before its key", prod, bundles.Verification{Keys: []bundles.Key{with("prod")}, Scope: "test"}, `its scope is "prod", not "test"`},
		{"another than its key asks", prod, bundles.Verification{Keys: []bundles.Key{with("test")}}, `its scope is "prod", not "test"`},
		{"one that nobody asked for", prod, bundles.Verification{Keys: []bundles.Key{with("")}}, `its scope is "prod", not ""`},
		{"none", none, bundles.Verification{Keys: []bundles.Key{with("")}, Scope: "prod"}, `its scope is "", not "prod"`},
		{"none asked, none there", none, bundles.Verification{Keys: []bundles.Key{with("")}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readTar(t, test.packed).Verify(test.v, bundles.Accepted{})
			if test.want != "" {
				wantRefused(t, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnsigned holds unsigned bundles to where they may be, and to no way back.
func TestUnsigned(t *testing.T) {
	packed := opaBuild(t, acme())
	key := signerOf(t, "RS256").key
	tests := []struct {
		name   string
		v      bundles.Verification
		before bundles.Accepted
		want   string
	}{
		{"nothing asked", bundles.Verification{}, bundles.Accepted{}, ""},
		{"keys and no requirement", bundles.Verification{Keys: []bundles.Key{key}}, bundles.Accepted{}, ""},
		{"required", bundles.Verification{Required: true, Keys: []bundles.Key{key}}, bundles.Accepted{}, "is missing; bundles must be signed"},
		{"required, and the same as before", bundles.Verification{Required: true, Keys: []bundles.Key{key}}, bundles.Accepted{Digest: readTar(t, packed).Digest}, "is missing; bundles must be signed"},
		{"signed before", bundles.Verification{}, bundles.Accepted{Signed: true}, "was signed before"},
		{"an older revision", bundles.Verification{}, bundles.Accepted{Revision: "8"}, "has revision 7, before the bundle accepted last, 8"},
		{"required without keys", bundles.Verification{Required: true}, bundles.Accepted{}, "keys is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readTar(t, packed).Verify(test.v, test.before)
			if test.want != "" {
				wantRefused(t, err, test.want)
				return
			}
			if err != nil || got.SignedBy != "" || got.Accepted().Signed {
				t.Errorf("signed by %q, error %v", got.SignedBy, err)
			}
		})
	}
}

// TestOlder holds bundles to the one accepted before them.
func TestOlder(t *testing.T) {
	s := signerOf(t, "RS256")
	v := bundles.Verification{Required: true, Keys: []bundles.Key{s.key}}
	dated, undated := opaSigned(t, s, map[string]any{"iat": then}), opaSigned(t, s, map[string]any{"by": "acme"})
	tests := []struct {
		name   string
		packed []byte
		before bundles.Accepted
		want   string
	}{
		{"the first", dated, bundles.Accepted{}, ""},
		{"of the same moment", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: "7"}, ""},
		{"newer", dated, bundles.Accepted{Signed: true, SignedAt: then - 1, Revision: "6"}, ""},
		{"older", dated, bundles.Accepted{Signed: true, SignedAt: later}, "was signed at 2026-09-21T14:13:20Z, before the bundle accepted last, 2026-09-21T15:13:20Z"},
		{"older, and the same", dated, bundles.Accepted{Signed: true, SignedAt: later, Revision: "9", Digest: readTar(t, dated).Digest}, ""},
		{"no longer dated", undated, bundles.Accepted{Signed: true, SignedAt: then}, "does not say when it was signed"},
		{"never dated", undated, bundles.Accepted{Signed: true}, ""},
		{"dated now", dated, bundles.Accepted{Signed: true}, ""},
		{"an older revision", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: "8"}, "has revision 7"},
		{"an older revision, by value", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: "10"}, "has revision 7"},
		{"a newer revision with zeros before", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: "0000000006"}, ""},
		{"a revision larger than any number", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: strings.Repeat("9", 40)}, "has revision 7"},
		{"a revision that is no number", dated, bundles.Accepted{Signed: true, SignedAt: then, Revision: "9f86d08"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readTar(t, test.packed).Verify(v, test.before)
			if test.want != "" {
				wantRefused(t, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestForgedSignatures makes signatures that opa would not make.
func TestForgedSignatures(t *testing.T) {
	s := signerOf(t, "RS256")
	files := acme()
	v := bundles.Verification{Keys: []bundles.Key{s.key}}
	sums := func(algorithm string) []any {
		var all []any
		for name, content := range files {
			all = append(all, map[string]any{"name": name, "hash": hashOf(t, algorithm, name, content), "algorithm": algorithm})
		}
		return all
	}
	header := func(more ...any) map[string]any {
		h := map[string]any{"alg": "RS256"}
		for i := 0; i < len(more); i += 2 {
			h[more[i].(string)] = more[i+1]
		}
		return h
	}
	tests := []struct {
		name    string
		header  map[string]any
		payload map[string]any
		change  func(jws string) string
		want    string // empty: accepted
	}{
		{name: "a good one", header: header(), payload: map[string]any{"files": sums("SHA-256")}},
		{name: "SHA-384", header: header(), payload: map[string]any{"files": sums("SHA-384")}},
		{name: "SHA-512", header: header(), payload: map[string]any{"files": sums("SHA-512")}},
		{name: "SHA-512-256", header: header(), payload: map[string]any{"files": sums("SHA-512-256")}},
		{name: "MD5", header: header(), payload: map[string]any{"files": sums("MD5")}, want: `with the hash "MD5"`},
		{name: "SHA-1", header: header(), payload: map[string]any{"files": sums("SHA-1")}, want: `with the hash "SHA-1"`},
		{name: "SHA-224", header: header(), payload: map[string]any{"files": sums("SHA-224")}, want: `with the hash "SHA-224"`},
		{name: "SHA-512-224", header: header(), payload: map[string]any{"files": sums("SHA-512-224")}, want: `with the hash "SHA-512-224"`},
		{name: "no hash at all", header: header(), payload: map[string]any{"files": []any{map[string]any{"name": ".manifest"}}}, want: `with the hash ""`},
		{name: "no files", header: header(), payload: map[string]any{}, want: ".manifest: is not signed"},
		{name: "a file twice", header: header(), payload: map[string]any{"files": append(sums("SHA-256"), sums("SHA-256")...)}, want: "twice"},
		{name: "alg none", header: map[string]any{"alg": "none"}, payload: map[string]any{"files": sums("SHA-256")}, change: func(jws string) string { return jws[:strings.LastIndex(jws, ".")+1] }, want: `its algorithm is "none"`},
		{name: "no signature", header: header(), payload: map[string]any{"files": sums("SHA-256")}, change: func(jws string) string { return jws[:strings.LastIndex(jws, ".")+1] }, want: "it was not made"},
		{name: "alg HS256", header: map[string]any{"alg": "HS256"}, payload: map[string]any{"files": sums("SHA-256")}, want: `its algorithm is "HS256"`},
		{name: "alg of another family", header: map[string]any{"alg": "PS256"}, payload: map[string]any{"files": sums("SHA-256")}, want: `its algorithm is "PS256"`},
		{name: "no alg", header: map[string]any{}, payload: map[string]any{"files": sums("SHA-256")}, want: `its algorithm is ""`},
		{name: "its own key", header: header("jwk", map[string]any{"kty": "RSA"}, "kid", "mine"), payload: map[string]any{"files": sums("SHA-256")}, want: `the key "mine", which is not configured`},
		{name: "a kid that is no text", header: header("kid", 7), payload: map[string]any{"files": sums("SHA-256")}, want: "cannot be read"},
		{name: "crit", header: header("crit", []string{"b64"}, "b64", false), payload: map[string]any{"files": sums("SHA-256")}, want: "extensions crit or b64"},
		{name: "a changed payload", header: header(), payload: map[string]any{"files": sums("SHA-256")}, change: func(jws string) string {
			parts := strings.Split(jws, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"files": []}`))
			return strings.Join(parts, ".")
		}, want: "it was not made"},
		{name: "padding", header: header(), payload: map[string]any{"files": sums("SHA-256")}, change: func(jws string) string { return strings.Replace(jws, ".", "=.", 1) }, want: "cannot be read"},
		{name: "a fourth part", header: header(), payload: map[string]any{"files": sums("SHA-256")}, change: func(jws string) string { return jws + ".x" }, want: "compact form"},
		{name: "an iat in milliseconds", header: header(), payload: map[string]any{"files": sums("SHA-256"), "iat": then * 1000}, want: "no time in Unix seconds"},
		{name: "an iat below zero", header: header(), payload: map[string]any{"files": sums("SHA-256"), "iat": -1}, want: "no time in Unix seconds"},
		{name: "an iat that is no number", header: header(), payload: map[string]any{"files": sums("SHA-256"), "iat": "now"}, want: "cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			jws := signed(t, s.private.(*rsa.PrivateKey), test.header, test.payload)
			if test.change != nil {
				jws = test.change(jws)
			}
			content, err := json.Marshal(map[string]any{"signatures": []string{jws}})
			if err != nil {
				t.Fatal(err)
			}
			all := maps.Clone(files)
			all[".signatures.json"] = string(content)
			_, err = readTar(t, tarred(t, entries(all)...)).Verify(v, bundles.Accepted{})
			if test.want != "" {
				wantRefused(t, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// signed is a JWS in compact form, RS256 whatever its header says.
func signed(t *testing.T, key *rsa.PrivateKey, header, payload map[string]any) string {
	t.Helper()
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := part(header) + "." + part(payload)
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// hashOf is the hash that a signature lists for a file.
func hashOf(t *testing.T, algorithm, name, content string) string {
	t.Helper()
	hasher, err := bundle.NewSignatureHasher(bundle.HashingAlgorithm(algorithm))
	if err != nil {
		t.Fatal(err)
	}
	var value any = []byte(content)
	if bundle.IsStructuredDoc(name) {
		if err := util.Unmarshal([]byte(content), &value); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := hasher.HashFile(value)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum)
}
