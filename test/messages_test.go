package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// TestFailuresSayWhatWasWanted holds every failure message to words: a reader of a red
// test is told what was wanted and what came, not "3 [] <nil>". An error alone is shown
// by Error or Fatal, without a format.
func TestFailuresSayWhatWasWanted(t *testing.T) {
	checked := 0
	eachGoFile(t, func(path string) {
		if !strings.HasSuffix(path, "_test.go") && !testsOnly(filepath.Dir(path)) {
			return
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, filepath.Join("..", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if format, is := failureFormat(call); is {
				checked++
				if !hasWords(format) {
					t.Errorf("%s:%d fails with %q, which says neither what was wanted nor what came", path, positions.Position(call.Pos()).Line, format)
				}
			}
			return true
		})
	})
	if checked < 1000 {
		t.Errorf("%d formats of failures were found; want all of the tree's, 1000 at the least", checked)
	}
}

func TestHasWords(t *testing.T) {
	for format, want := range map[string]bool{
		"%v": false, "%d %s": false, "%+v, %v": false, "%q: %[2]v": false, "": false, "%s:%d %-10s|%06.2f %%": false, "%s (-want +got):\n%s": true, "got %v": true, "%v is no error": true,
	} {
		if got := hasWords(format); got != want {
			t.Errorf("hasWords(%q) is %v, want %v", format, got, want)
		}
	}
}

var verb = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?[\d.*]*(\[\d+\])?[a-zA-Z%]`)

// hasWords reports whether a format has letters beside its verbs.
func hasWords(format string) bool {
	return strings.ContainsFunc(verb.ReplaceAllString(format, ""), unicode.IsLetter)
}

// failureFormat is the format of a call of Errorf or Fatalf of a test, benchmark or
// property, as far as it is written in the call.
func failureFormat(call *ast.CallExpr) (string, bool) {
	called, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || called.Sel.Name != "Errorf" && called.Sel.Name != "Fatalf" || len(call.Args) == 0 {
		return "", false
	}
	if of, is := called.X.(*ast.Ident); is && (of.Name == "fmt" || of.Name == "authz") {
		return "", false // these make errors
	}
	text, written := "", false
	for _, part := range operands(call.Args[0]) {
		literal, is := part.(*ast.BasicLit)
		if !is || literal.Kind != token.STRING {
			continue
		}
		unquoted, err := strconv.Unquote(literal.Value)
		if err != nil {
			return "", false
		}
		text, written = text+unquoted, true
	}
	return text, written
}

// operands are the parts of a sum.
func operands(e ast.Expr) []ast.Expr {
	if sum, is := e.(*ast.BinaryExpr); is {
		return append(operands(sum.X), operands(sum.Y)...)
	}
	return []ast.Expr{e}
}

// testsOnly reports whether a folder's package is what tests are made with.
func testsOnly(dir string) bool {
	return strings.HasPrefix(dir, "test") || strings.HasSuffix(dir, "test")
}

// eachGoFile calls do with the path of each Go file of the clone, from its root.
func eachGoFile(t *testing.T, do func(path string)) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "data"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			do(strings.TrimPrefix(filepath.ToSlash(path), "../"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
