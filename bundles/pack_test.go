package bundles_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

func pack(t testing.TB, files fs.FS) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := bundles.Pack(&out, files); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// loads holds a bundle to being one for plain opa.
func loads(t *testing.T, packed []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bundle.tar.gz"), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	out := opa(t, dir, "eval", "--bundle", "bundle.tar.gz", "--format", "json", "data")
	var answer struct {
		Result []json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Result) != 1 {
		t.Errorf("opa eval: %v\n%s", err, out)
	}
}

// TestPack holds a packed folder to holding what is read and what is signed, and
// nothing else.
func TestPack(t *testing.T) {
	files := acme()
	tree := folderOf(files)
	tree[".git/config"] = &fstest.MapFile{Data: []byte("x")}
	tree[".env"] = &fstest.MapFile{Data: []byte("SECRET=x")}
	packed := pack(t, tree)
	want := map[string]string{}
	for name, content := range files {
		want["/"+name] = content
	}
	delete(want, "/README.md")
	if diff := cmp.Diff(want, unpacked(t, packed)); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
	loads(t, packed)

	signer := signerOf(t, "ES256")
	files[".signatures.json"] = opaSign(t, files, signer, nil)
	tree = folderOf(files)
	tree["LICENSE"] = &fstest.MapFile{Data: []byte("not signed")}
	want["/README.md"], want["/.signatures.json"] = files["README.md"], files[".signatures.json"]
	packed = pack(t, tree)
	if diff := cmp.Diff(want, unpacked(t, packed)); diff != "" {
		t.Errorf("packed with signatures (-want +got):\n%s", diff)
	}
	dir := writeFolder(t, map[string]string{"bundle.tar.gz": string(packed), "key.pem": signer.key.PEM})
	opa(t, dir, "build", "--bundle", "bundle.tar.gz", "--verification-key", "key.pem", "--signing-alg", "ES256", "--output", "again.tar.gz")
}

// TestPackIsDeterministic holds bundles to their files: neither time nor mode nor
// the order of a folder is part of them.
func TestPackIsDeterministic(t *testing.T) {
	tree := folderOf(acme())
	first := pack(t, tree)
	for _, f := range tree {
		f.ModTime, f.Mode = time.Now(), 0o700
	}
	if !bytes.Equal(first, pack(t, tree)) {
		t.Error("times and modes changed the bundle")
	}
	if !bytes.Equal(first, pack(t, os.DirFS(writeFolder(t, acme())))) {
		t.Error("a folder on disk makes another bundle")
	}
	p, err := bundles.ReadFolder(tree, bundles.Limits{})
	if err != nil || !bytes.Equal(p.Packed, first) || p.Digest != readTar(t, first).Digest {
		t.Errorf("ReadFolder packs something else: %v", err)
	}
}

// TestPackRefuses holds Pack to what Read refuses.
func TestPackRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		".manifest: is missing":      {"x.rego": "package x\n"},
		"policy.wasm: is a kind":     {".manifest": manifest, "policy.wasm": "x"},
		"x/.manifest: is a manifest": {".manifest": manifest, "x/.manifest": manifest},
		"a/xsignatures.json: looks":  {".manifest": manifest, "a/xsignatures.json": "{}"},
	} {
		var out bytes.Buffer
		err := bundles.Pack(&out, folderOf(files))
		wantRefused(t, err, name)
		if out.Len() != 0 {
			t.Errorf("%s: wrote %d bytes", name, out.Len())
		}
	}
}

// TestFoldersAndTarsAreAlike holds a set to the same archive and digest however
// it comes.
func TestFoldersAndTarsAreAlike(t *testing.T) {
	files := acme()
	files["a-b/x.rego"], files["a/x.rego"] = "package acme.x\n\nx := 1\n", "package acme.y\n\ny := 1\n"
	delete(files, "README.md")
	archive, err := bundles.Read(folderOf(files))
	if err != nil {
		t.Fatal(err)
	}
	backwards := entries(files)
	slices.Reverse(backwards)
	for name, p := range map[string]bundles.Package{
		"packed":       readTar(t, pack(t, folderOf(files))),
		"built by opa": readTar(t, opaBuild(t, files)),
		"backwards":    readTar(t, tarred(t, backwards...)),
	} {
		if name != "built by opa" { // which puts data into one file
			if diff := cmp.Diff(archive, p.Archive); diff != "" {
				t.Errorf("%s (-folder +tar):\n%s", name, diff)
			}
		}
		got, err := bundles.CompileSet([]bundles.Member{base(t), {Name: "acme", Verified: bundles.Trusted(p)}}, bundles.Options{})
		if err != nil {
			t.Fatalf("%s: got error %v; want no error", name, err)
		}
		want, err := bundles.CompileSet([]bundles.Member{base(t), member(t, "acme", files)}, bundles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Ref() != want.Ref() {
			t.Errorf("%s: %+v, want %+v", name, got.Ref(), want.Ref())
		}
	}
}

func TestStored(t *testing.T) {
	s := signerOf(t, "RS256")
	packed := opaSigned(t, s, map[string]any{"iat": then})
	v, err := readTar(t, packed).Verify(bundles.Verification{Keys: []bundles.Key{s.key}}, bundles.Accepted{})
	if err != nil {
		t.Fatal(err)
	}
	ref := v.Ref("acme", authz.SourcePush)
	want := authz.BundleRef{
		Name: "acme", Digest: v.Digest, Bytes: int64(len(packed)), Revision: "7", Roots: []string{"guards/acme", "guards/acme_test", "acme"},
		Source: authz.SourcePush, SignedBy: "rsa", SignedAt: then,
	}
	if diff := cmp.Diff(want, ref); diff != "" {
		t.Errorf("ref (-want +got):\n%s", diff)
	}
	again, err := bundles.Stored(readTar(t, packed), ref)
	if err != nil || again.Accepted() != v.Accepted() {
		t.Errorf("stored: %+v, %v", again.Accepted(), err)
	}
	if diff := cmp.Diff(bundles.Accepted{Signed: true, SignedAt: then, Revision: "7", Digest: v.Digest}, again.Accepted()); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	for name, ref := range map[string]authz.BundleRef{"another": {Digest: "sha256:00"}, "none": {}} {
		_, err := bundles.Stored(readTar(t, packed), ref)
		if err == nil || !strings.Contains(err.Error(), "which was put away") {
			t.Errorf(`%s: got error %v; want an error, error with "which was put away"`, name, err)
		}
	}
}

func TestModesPackage(t *testing.T) {
	p, err := bundles.ModesPackage(map[string]string{"acme": "observe", "edge": "enforce"}, "3")
	if err != nil {
		t.Fatal(err)
	}
	again, err := bundles.ModesPackage(map[string]string{"edge": "enforce", "acme": "observe"}, "3")
	if err != nil || again.Digest != p.Digest {
		t.Errorf("the same modes made another bundle: %v", err)
	}
	if p.Manifest.Revision != "3" || !slices.Equal(p.Manifest.Roots, []string{"modes"}) || p.Signatures != nil {
		t.Errorf("manifest is %+v", p.Manifest)
	}
	loads(t, p.Packed)
	for guard, mode := range map[string]string{"acme": "Observe", "": "off", "edge": ""} {
		if _, err := bundles.ModesPackage(map[string]string{guard: mode}, "1"); authz.CodeOf(err) != authz.CodeInvalid {
			t.Errorf(`%q %q: got error %v; want code "invalid_request"`, guard, mode, err)
		}
	}
}

func TestDiffFiles(t *testing.T) {
	changed := maps.Clone(acme())
	changed["guards/acme/acme.rego"] = strings.Replace(acmeGuard, "shut.", "closed.", 1)
	changed["acme/new/data.json"] = "{\"x\": 1}\n"
	delete(changed, "acme/more/data.yaml")
	a := []bundles.Member{base(t), member(t, "acme", acme())}
	b := []bundles.Member{member(t, "acme", changed), base(t)}
	want := []authz.FileDiff{
		{Bundle: "acme", Path: "acme/more/data.yaml", Change: authz.FileRemoved, Lines: "--- acme/acme/more/data.yaml\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-on_call: true\n"},
		{Bundle: "acme", Path: "acme/new/data.json", Change: authz.FileAdded, Lines: "--- /dev/null\n+++ acme/acme/new/data.json\n@@ -0,0 +1,1 @@\n+{\"x\": 1}\n"},
		{Bundle: "acme", Path: "guards/acme/acme.rego", Change: authz.FileChanged, Lines: "--- acme/guards/acme/acme.rego\n+++ acme/guards/acme/acme.rego\n@@ -1,7 +1,7 @@\n package guards.acme\n \n # METADATA\n-# title: Acme is shut.\n+# title: Acme is closed.\n # custom:\n #   code: ACME_SHUT\n #   fix: Come back tomorrow.\n"},
	}
	if diff := cmp.Diff(want, bundles.DiffFiles(a, b)); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
	if got := bundles.DiffFiles(a, a); len(got) != 0 {
		t.Errorf("a set differs from itself: %+v", got)
	}
	if got := bundles.DiffFiles(a[:1], a); len(got) != len(acme())-1 || got[0].Change != authz.FileAdded {
		t.Errorf("a bundle more: %+v", got)
	}
}

// TestDiffFilesIsBounded holds what is shown of large and binary files to its
// bounds, and their names to being there all the same.
func TestDiffFilesIsBounded(t *testing.T) {
	signedWith := func(content map[string]string) bundles.Member {
		files := acme()
		maps.Copy(files, content)
		return bundles.Member{Name: "acme", Verified: bundles.Trusted(readTar(t, tarred(t, entries(files)...)))}
	}
	many := map[string]string{"binary": "a\x00b", "large": strings.Repeat("a line\n", 1<<18)}
	for i := range 60 {
		many[fmt.Sprintf("long%02d", i)] = strings.Repeat("a line of words\n", 4000)
	}
	got := bundles.DiffFiles(nil, []bundles.Member{signedWith(many)})
	total := 0
	for _, d := range got {
		total += len(d.Lines)
		switch {
		case d.Path == "binary" || d.Path == "large":
			if d.Lines != "" {
				t.Errorf("%s has lines", d.Path)
			}
		case strings.HasPrefix(d.Path, "long") && d.Lines != "" && !strings.HasSuffix(d.Lines, " more lines\n"):
			t.Errorf("%s is not cut off", d.Path)
		}
	}
	if len(got) != len(acme())+len(many) || total > 1<<20+40<<10 {
		t.Errorf("%d files, %d bytes", len(got), total)
	}
}

// TestPackCarriesDecisionTables: a packed folder has its decision tables and the files
// that they include, and OPA loads it as if they were not there. Beside signatures there
// are only those that are signed.
func TestPackCarriesDecisionTables(t *testing.T) {
	files := map[string]string{
		".manifest":             `{"roots": ["guards/acme"], "rego_version": 1}`,
		"guards/acme/acme.rego": strings.Replace(deny, "guards.door", "guards.acme", 1),
		"tables/one_table.yaml": "data: {include: [../world.yaml, people.yaml, ../../outside.yaml]}\ncases: []\n",
		"tables/two_table.yaml": "data: {include: more.yaml}\n",
		"tables/bad_table.yaml": "data: [",
		"tables/people.yaml":    "users: {}\n",
		"tables/more.yaml":      "users: {}\n",
		"world.yaml":            "services: {}\n",
		"values.yaml":           "secret: x\n",
	}
	want := map[string]string{}
	for name, content := range files {
		if name != "values.yaml" {
			want["/"+name] = content
		}
	}
	packed := pack(t, folderOf(files))
	if diff := cmp.Diff(want, unpacked(t, packed)); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
	loads(t, packed)

	signed := map[string]string{}
	for _, name := range []string{".manifest", "guards/acme/acme.rego", "tables/two_table.yaml"} {
		signed[name] = files[name]
	}
	files[".signatures.json"] = opaSign(t, signed, signerOf(t, "ES256"), nil)
	want = map[string]string{"/.signatures.json": files[".signatures.json"]}
	for name, content := range signed {
		want["/"+name] = content
	}
	if diff := cmp.Diff(want, unpacked(t, pack(t, folderOf(files)))); diff != "" {
		t.Errorf("packed with signatures (-want +got):\n%s", diff)
	}
}
