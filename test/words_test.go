package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// dialect are words of comments, each with what a reader of Go expects in its place.
var dialect = map[string]string{
	"says whether": "reports whether",
	"say whether":  "report whether",
	"somebody":     "who or what it is: a caller, a reader, another goroutine",
	"whoever":      "who it is",
	"nobody":       "no caller, no one, or what it is that does not",
}

// puzzles are words of names that only this code would use for what has a name.
var puzzles = []string{"patience", "farewell", "departure", "cramped", "grave", "vault", "shade", "seldom", "owes", "swing"}

func TestRoomsUsePlainWords(t *testing.T) {
	found := map[string][]string{} // :: room -> what is wrong, and where
	eachGoFile(t, func(path string) {
		room := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		if _, ok := found[room]; !ok {
			found[room] = nil
		}
		found[room] = append(found[room], puzzling(t, path)...)
	})
	if len(found) < 30 {
		t.Fatalf("%d rooms were read, want all of the tree's, 30 at the least", len(found))
	}
	for _, room := range slices.Sorted(maps.Keys(found)) {
		for _, what := range found[room] {
			t.Error(what)
		}
	}
}

// puzzling is what is wrong with the words of one file.
func puzzling(t *testing.T, path string) (wrong []string) {
	t.Helper()
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, filepath.Join("..", path), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	at := func(n ast.Node) string { return path + ":" + strconv.Itoa(positions.Position(n.Pos()).Line) }
	for _, group := range file.Comments {
		text := strings.Join(strings.Fields(group.Text()), " ")
		for _, phrase := range slices.Sorted(maps.Keys(dialect)) {
			if first := strings.ToUpper(phrase[:1]) + phrase[1:]; strings.Contains(text, phrase) || strings.Contains(text, first) {
				wrong = append(wrong, at(group)+": the comment has \""+phrase+"\"; write "+dialect[phrase])
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if name, is := n.(*ast.Ident); is {
			for _, word := range wordsOf(name.Name) {
				if slices.Contains(puzzles, word) {
					wrong = append(wrong, at(name)+": "+name.Name+" is a word of this code alone; use the one of the field")
				}
			}
		}
		return true
	})
	return wrong
}

var hump = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)

// wordsOf are the words of a name: of policyPatience, policy and patience.
func wordsOf(name string) []string {
	words := hump.FindAllString(name, -1)
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	return words
}

func TestWordsOf(t *testing.T) {
	for name, want := range map[string][]string{"policyPatience": {"policy", "patience"}, "Grave": {"grave"}, "engrave": {"engrave"}} {
		if got := wordsOf(name); !slices.Equal(got, want) {
			t.Errorf("wordsOf(%q) is %q, want %q", name, got, want)
		}
	}
}
