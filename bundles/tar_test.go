package bundles_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/test/forge"
)

func TestReadTar(t *testing.T) {
	files := acme()
	files[".signatures.json"] = "{}"
	for name, prefix := range map[string]string{"as opa": "/", "as tar": "./", "plain": ""} {
		all := []tar.Header{{Name: prefix + "guards/", Typeflag: tar.TypeDir}, {Name: "./", Typeflag: tar.TypeDir}, {Name: "/", Typeflag: tar.TypeDir}}
		for _, e := range entries(files) {
			e.Name = prefix + e.Name
			all = append(all, e)
		}
		p := readTar(t, tarred(t, all...))
		sameAsOPA(t, p)
		var paths []string
		for _, f := range p.Files {
			paths = append(paths, f.Path)
		}
		if diff := cmp.Diff([]string{".manifest", "README.md", "acme/limits/data.json", "acme/more/data.yaml", "guards/acme/acme.rego", "guards/acme/acme_test.rego"}, paths); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
		if len(p.Policies) != 1 || len(p.Tests) != 1 || len(p.Data) != 2 || p.Manifest.Revision != "7" || string(p.Signatures) != "{}" {
			t.Errorf("%s: archive is %+v", name, p.Archive)
		}
		if !strings.HasPrefix(p.Digest, "sha256:") || len(p.Packed) == 0 {
			t.Errorf("%s: digest %q of %d bytes", name, p.Digest, len(p.Packed))
		}
	}
}

// TestRefusedTars holds everything two readers could take for two things to
// being refused.
func TestRefusedTars(t *testing.T) {
	m := entry(".manifest", manifest)
	whole := tarred(t, m)
	global := tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "of git archive"}}
	for name, test := range map[string]struct {
		packed []byte
		want   string
	}{
		"nothing":                     {nil, "is not a gzipped tar"},
		"no gzip":                     {[]byte("PK\x03\x04 and more than ten bytes"), "is not a gzipped tar"},
		"a tar without gzip":          {tarOf(t, m), "is not a gzipped tar"},
		"no tar":                      {gzipped(t, bytes.Repeat([]byte("x"), 2000)), "is not a whole gzipped tar"},
		"an empty tar":                {tarred(t), ".manifest: is missing"},
		"cut off in the gzip":         {whole[:len(whole)-9], "is not a whole gzipped tar"},
		"cut off in the checksum":     {whole[:len(whole)-1], "is not a whole gzipped tar"},
		"cut off in the tar":          {gzipped(t, tarOf(t, m)[:520]), "is not a whole gzipped tar"},
		"a wrong checksum":            {flipped(whole, len(whole)-5), "is not a whole gzipped tar"},
		"a second gzip member":        {slices.Concat(whole, tarred(t, entry("x.rego", "package x\n"))), "has data after the end of its gzip stream"},
		"an empty second gzip member": {slices.Concat(whole, gzipped(t, nil)), "has data after the end of its gzip stream"},
		"bytes after the gzip":        {slices.Concat(whole, []byte{0}), "has data after the end of its gzip stream"},
		"bytes after the tar":         {gzipped(t, slices.Concat(tarOf(t, m), []byte("x"))), "has data after the end of its tar"},
		"a second tar":                {gzipped(t, slices.Concat(tarOf(t, m), tarOf(t, entry("x.rego", "package x\n")))), "has data after the end of its tar"},
		"a link":                      {tarred(t, m, tar.Header{Name: "x.rego", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), `"x.rego": is neither a file nor a folder`},
		"a hard link":                 {tarred(t, m, tar.Header{Name: "x.rego", Typeflag: tar.TypeLink, Linkname: ".manifest"}), `"x.rego": is neither a file nor a folder`},
		"a device":                    {tarred(t, m, tar.Header{Name: "x.rego", Typeflag: tar.TypeChar}), `"x.rego": is neither a file nor a folder`},
		"a pipe":                      {tarred(t, m, tar.Header{Name: "x.rego", Typeflag: tar.TypeFifo}), `"x.rego": is neither a file nor a folder`},
		"an extended header for all":  {tarred(t, global, m), "is neither a file nor a folder"},
		"out of the bundle":           {tarred(t, m, entry("../x.rego", "package x\n")), `"../x.rego": is no path within the bundle`},
		"out and in again":            {tarred(t, m, entry("a/../x.rego", "package x\n")), "is no path within the bundle"},
		"far out":                     {tarred(t, m, entry("/../../etc/x.rego", "package x\n")), "is no path within the bundle"},
		"two slashes":                 {tarred(t, m, entry("//x.rego", "package x\n")), "is no path within the bundle"},
		"a dot":                       {tarred(t, m, entry("a/./x.rego", "package x\n")), "is no path within the bundle"},
		"a dot after a slash":         {tarred(t, m, entry("/./x.rego", "package x\n")), "is no path within the bundle"},
		"backslashes":                 {tarred(t, m, entry(`a\x.rego`, "package x\n")), "is no path within the bundle"},
		"a control character":         {tarred(t, m, entry("a\nx.rego", "package x\n")), "is no path within the bundle"},
		"no UTF-8":                    {tarred(t, m, tar.Header{Name: "a\xffx.rego", Format: tar.FormatGNU}), "is no path within the bundle"},
		"a folder outside":            {tarred(t, m, tar.Header{Name: "../", Typeflag: tar.TypeDir}), "is no path within the bundle"},
		"a long path":                 {tarred(t, m, entry(strings.Repeat("a/", 300)+"x.rego", "package x\n")), "has a path of more than 512 bytes"},
		"a path twice":                {tarred(t, m, entry("x.rego", "package x\n"), entry("x.rego", "package y\n")), "x.rego: is in the bundle twice"},
		"a path in two ways":          {tarred(t, m, entry("x.rego", "package x\n"), entry("/x.rego", "package y\n")), "x.rego: is in the bundle twice"},
		"two manifests":               {tarred(t, m, entry("./.manifest", manifest)), ".manifest: is in the bundle twice"},
		"an ignored file twice":       {tarred(t, m, entry("x", "1"), entry("./x", "1")), "x: is in the bundle twice"},
		"a hidden policy":             {tarred(t, m, entry(".x/x.rego", "package x\n")), ".x/x.rego: lies in a folder whose name starts with a dot"},
		"hidden data":                 {tarred(t, m, entry("a/.x/y/data.json", "{}")), "a/.x/y/data.json: lies in a folder"},
		"a broken manifest":           {tarred(t, entry(".manifest", `{"roots": [`)), ".manifest: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bundles.ReadTar(bytes.NewReader(test.packed), bundles.Limits{})
			wantRefused(t, err, test.want)
			var e *authz.Error
			if !errors.As(err, &e) || e.Code != authz.CodeInvalid || len(e.Problems) == 0 {
				t.Errorf("error is %#v", err)
			}
		})
	}
}

func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}

// TestReadTarBounds holds every bound to the last byte that it allows.
func TestReadTarBounds(t *testing.T) {
	files := []tar.Header{entry(".manifest", manifest), entry("x", strings.Repeat("x", 1000)), {Name: "folder/", Typeflag: tar.TypeDir}}
	packed := tarred(t, files...)
	exact := bundles.Limits{Packed: int64(len(packed)), Bytes: int64(len(manifest) + 1000), FileBytes: 1000, Files: 3}
	if _, err := bundles.ReadTar(bytes.NewReader(packed), exact); err != nil {
		t.Errorf("exactly the bounds: %v", err)
	}
	for name, less := range map[string]func(*bundles.Limits){
		"is larger than":      func(l *bundles.Limits) { l.Packed-- },
		"takes the bundle":    func(l *bundles.Limits) { l.Bytes-- },
		"x is larger than":    func(l *bundles.Limits) { l.FileBytes-- },
		"more than 2 entries": func(l *bundles.Limits) { l.Files-- },
	} {
		l := exact
		less(&l)
		_, err := bundles.ReadTar(bytes.NewReader(packed), l)
		if authz.CodeOf(err) != authz.CodeTooLarge || !strings.Contains(err.Error(), name) {
			t.Errorf(`%s: got error %v; want code "too_large", error with %q`, name, err, name)
		}
	}
}

// TestBombs holds what unpacks to very much to little memory: nothing that a
// bundle says of itself is believed.
func TestBombs(t *testing.T) {
	megabyte := make([]byte, 1<<20)
	head := func(header tar.Header) forge.Run {
		var out bytes.Buffer
		header.Typeflag = tar.TypeReg
		if err := tar.NewWriter(&out).WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		return forge.Run{Content: out.Bytes(), Times: 1}
	}
	end := forge.Run{Content: make([]byte, 1<<10), Times: 1} // of a tar
	var large []forge.Run
	for i := range 40 {
		large = append(large, head(tar.Header{Name: fmt.Sprint(i), Size: 4 << 20}), forge.Run{Content: megabyte, Times: 4})
	}
	bombs := map[string][]byte{
		"one huge file":       forge.Gzip(t, head(tar.Header{Name: "x", Size: 1 << 27}), forge.Run{Content: megabyte, Times: 128}, end),
		"padding without end": forge.Gzip(t, forge.Run{Content: tarOf(t, entry(".manifest", manifest)), Times: 1}, forge.Run{Content: megabyte, Times: 128}),
		"many large files":    forge.Gzip(t, append(large, end)...),
		"100,000 files": zipped(t, func(w io.Writer) error {
			tw := tar.NewWriter(w)
			for i := range 100_000 {
				if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg}); err != nil {
					return err
				}
			}
			return tw.Close()
		}),
		"100,000 folders": zipped(t, func(w io.Writer) error {
			tw := tar.NewWriter(w)
			for i := range 100_000 {
				if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprint(i, "/"), Typeflag: tar.TypeDir}); err != nil {
					return err
				}
			}
			return tw.Close()
		}),
		"long extended headers": zipped(t, func(w io.Writer) error {
			tw := tar.NewWriter(w)
			for i := range 300 {
				header := tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg, PAXRecords: map[string]string{"X.y": strings.Repeat("z", 500<<10)}}
				if err := tw.WriteHeader(&header); err != nil {
					return err
				}
			}
			return tw.Close()
		}),
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := bundles.ReadTar(bytes.NewReader(bomb), bundles.Limits{})
			runtime.ReadMemStats(&after)
			if authz.CodeOf(err) != authz.CodeTooLarge {
				t.Errorf("error is %v", err)
			}
			allocated := int64(after.TotalAlloc - before.TotalAlloc)
			t.Logf("%d kB packed, %d kB allocated", len(bomb)>>10, allocated>>10)
			if allocated > 160<<20 {
				t.Errorf("allocated %d MB for a bundle of %d kB", allocated>>20, len(bomb)>>10)
			}
		})
	}
	t.Run("a stream without end", func(t *testing.T) {
		if _, err := bundles.ReadTar(zeroReader{}, bundles.Limits{}); authz.CodeOf(err) != authz.CodeTooLarge {
			t.Errorf("error is %v", err)
		}
	})
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func zipped(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestReaderFails holds the error of a body that breaks off to its code, and to
// that of whoever bounds the body.
func TestReaderFails(t *testing.T) {
	broken := errors.New("connection reset by 192.0.2.7")
	_, err := bundles.ReadTar(io.MultiReader(strings.NewReader("x"), failing{broken}), bundles.Limits{})
	if authz.CodeOf(err) != authz.CodeInvalid || !errors.Is(err, broken) || strings.Contains(err.Error(), "192.0.2.7") {
		t.Errorf("error is %v", err)
	}
	bound := authz.Errorf(authz.CodeTooLarge, "the body is too large")
	if _, err := bundles.ReadTar(failing{bound}, bundles.Limits{}); authz.CodeOf(err) != authz.CodeTooLarge {
		t.Errorf("error is %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzReadTar holds ReadTar to refusing whatever is no tar, or reading it.
func FuzzReadTar(f *testing.F) {
	f.Add(tarOf(f, entries(acme())...))
	f.Add(tarOf(f, entry("/.manifest", manifest), entry("./x.rego", "package x\n"), tar.Header{Name: "a/", Typeflag: tar.TypeDir}))
	f.Add(tarOf(f, entry(".manifest", manifest), tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "/"}))
	f.Add(append(tarOf(f, entry(".manifest", manifest)), 1))
	f.Fuzz(func(t *testing.T, content []byte) { readsOrRefuses(t, gzipped(t, content)) })
}

// FuzzReadEntries does so for tars that are whole, with entries of any name.
func FuzzReadEntries(f *testing.F) {
	f.Add("/guards/acme/acme.rego", "./acme/data.json", byte(tar.TypeReg), "package guards.acme\n")
	f.Add("a/../b.rego", "b.rego", byte(tar.TypeReg), "package b\n")
	f.Add(".signatures.json", "x/patch.json", byte(tar.TypeReg), "{}")
	f.Add("a/", "a", byte(tar.TypeDir), "")
	f.Add("a.rego", "b.rego", byte(tar.TypeLink), "package b\n")
	f.Fuzz(func(t *testing.T, first, second string, kind byte, content string) {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, header := range []tar.Header{entry(first, content), entry(".manifest", manifest), {Name: second, Typeflag: kind}} {
			content := header.PAXRecords["TEST.content"]
			header.PAXRecords, header.Size = nil, int64(len(content))
			if err := w.WriteHeader(&header); err != nil {
				t.Skip("no tar has such an entry")
			}
			if _, err := io.WriteString(w, content); err != nil {
				t.Skip("an entry of this kind has no content")
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		readsOrRefuses(t, gzipped(t, out.Bytes()))
	})
}

// readsOrRefuses holds what was read to being within bounds, unambiguous, the
// same to OPA, and the same when it is packed again.
func readsOrRefuses(t *testing.T, packed []byte) {
	t.Helper()
	l := bundles.Limits{Packed: 64 << 10, Bytes: 64 << 10, FileBytes: 16 << 10, Files: 20}
	p, err := bundles.ReadTar(bytes.NewReader(packed), l)
	if err != nil {
		if code := authz.CodeOf(err); code != authz.CodeInvalid && code != authz.CodeTooLarge {
			t.Fatalf("code %q: %v", code, err)
		}
		return
	}
	files := map[string]string{}
	read := 0
	for _, file := range p.Files {
		if _, twice := files[file.Path]; twice || !fs.ValidPath(file.Path) {
			t.Errorf("path %q", file.Path)
		}
		files[file.Path] = string(file.Bytes)
		read += len(file.Bytes)
	}
	if read > int(l.Bytes) || len(p.Files) > l.Files {
		t.Errorf("%d files, %d bytes", len(p.Files), read)
	}
	sameAsOPA(t, p)
	again := readTar(t, tarred(t, entries(files)...))
	if diff := cmp.Diff(p.Archive, again.Archive); diff != "" {
		t.Errorf("read again (-first +second):\n%s", diff)
	}
}

// sameAsOPA holds a package to the policies that OPA's own reader finds in it, if
// it takes it at all.
func sameAsOPA(t *testing.T, p bundles.Package) {
	t.Helper()
	theirs, err := bundle.NewReader(bytes.NewReader(p.Packed)).WithSkipBundleVerification(true).Read()
	if err != nil {
		return
	}
	var want, got []string
	for _, m := range theirs.Modules {
		want = append(want, path.Clean("/" + m.Path)[1:]+"\n"+string(m.Raw))
	}
	for _, f := range slices.Concat(p.Policies, p.Tests) {
		got = append(got, f.Path+"\n"+string(f.Bytes))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-opa +ours):\n%s", diff)
	}
}
