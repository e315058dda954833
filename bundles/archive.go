package bundles

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// File is one file of a policy set.
type File struct {
	Path  string // slash-separated, from the root of the set
	Bytes []byte
}

// Archive is a policy set as it was read: complete and within bounds, but not
// yet checked or compiled. Files are in path order.
type Archive struct {
	Manifest Manifest
	Policies []File
	Tests    []File // *_test.rego
	Data     []File
}

// Read reads the policy set whose root is the root of files. Folders whose name
// starts with a dot are skipped. Links to files are followed as files does;
// links to folders, pipes, sockets and devices are refused. The error is an
// *authz.Error, CodeTooLarge when a bound was passed and CodeInvalid when the
// set is not a policy set.
func Read(files fs.FS) (Archive, error) {
	f := folder{files: files, limits: Limits{}.orDefaults()}
	all, err := f.read(func(name string) bool { return kindOf(name).loaded() })
	if err != nil {
		return Archive{}, err
	}
	archive, problems := sorted(all)
	return archive, append(f.problems, problems...).err()
}

const signaturesName = ".signatures.json"

// kind is what a file is to a policy set, by its name alone.
type kind int

const (
	kindOther      kind = iota // ignored, as OPA ignores it
	kindManifest               // .manifest
	kindPolicy                 // *.rego
	kindTest                   // *_test.rego
	kindData                   // data.json, data.yaml, data.yml
	kindSignatures             // .signatures.json
	kindRefused                // OPA would read it, and it is not supported
)

// loaded reports whether a file of this kind is part of what is compiled or tested.
func (k kind) loaded() bool {
	return k == kindManifest || k == kindPolicy || k == kindTest || k == kindData
}

// kindOf is as generous as OPA in what it takes for a special file, so that no
// file can mean something to OPA and nothing here.
func kindOf(name string) kind {
	base := path.Base(name)
	switch {
	case name == manifestName:
		return kindManifest
	case name == signaturesName:
		return kindSignatures
	case refusal(name) != "":
		return kindRefused
	case strings.HasSuffix(base, "_test.rego"):
		return kindTest
	case path.Ext(base) == ".rego":
		return kindPolicy
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return kindData
	}
	return kindOther
}

// refusal is why a file that OPA would read is refused; empty when it is not.
func refusal(name string) string {
	switch {
	case strings.HasSuffix(name, "policy.wasm"), strings.HasSuffix(name, "patch.json"):
		return "is a kind of bundle file that is not supported"
	case strings.HasSuffix(name, ".manifest.pb"):
		return "is a manifest in a form that is not supported"
	case strings.HasSuffix(name, manifestName):
		return "is a manifest in a place of its own"
	case strings.HasSuffix(name, "signatures.json"):
		return "looks like signatures, which nobody would verify"
	}
	return ""
}

// unsupported is the problem of a file whose kind is kindRefused.
func unsupported(name string) Problem {
	return Problem{File: name, Message: refusal(name), Fix: "build the bundle from Rego sources, as a whole, with one .manifest and at most one .signatures.json at its root"}
}

// sorted makes an archive of files, which it sorts by path. Signatures and other
// files are left out.
func sorted(files []File) (Archive, Problems) {
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var a Archive
	var problems Problems
	manifest := false
	for _, f := range files {
		k := kindOf(f.Path)
		if k != kindOther && hidden(f.Path) {
			problems = append(problems, Problem{File: f.Path, Message: "lies in a folder whose name starts with a dot", Fix: "move it, or leave it out; such folders are not part of a policy set"})
			continue
		}
		switch k {
		case kindManifest:
			m, found := parseManifest(f)
			manifest, a.Manifest, problems = true, m, append(problems, found...)
		case kindPolicy:
			a.Policies = append(a.Policies, f)
		case kindTest:
			a.Tests = append(a.Tests, f)
		case kindData:
			a.Data = append(a.Data, f)
		case kindRefused:
			problems = append(problems, unsupported(f.Path))
		case kindSignatures, kindOther:
		}
	}
	if !manifest {
		problems = append(problems, Problem{
			File: manifestName, Message: "is missing",
			Fix: `add one such as {"roots": ["guards/acme"], "rego_version": 1}`,
		})
	}
	return a, problems
}

// hidden reports whether a file lies below a folder whose name starts with a dot.
func hidden(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if strings.HasPrefix(path.Base(dir), ".") {
			return true
		}
	}
	return false
}

func tooLarge(field, format string, args ...any) error {
	return &authz.Error{Code: authz.CodeTooLarge, Field: field, Message: fmt.Sprintf(format, args...)}
}
