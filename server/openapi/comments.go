package main

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

const module = "github.com/verdict-pdp/verdict/"

// commented are the packages, as folders of the module, whose types are in the document.
var commented = []string{"api", "authz", "decisionlog", "server/admin", "server/events", "server/oauth", "tokenservice"}

// readComments gives what the sources say of types ("authz.Edge") and their fields
// ("authz.Edge.CIDRs"), in the words of a reader of the document. It is run in the root
// of the module.
func readComments() (map[string]string, error) {
	all := map[string]string{}
	for _, folder := range commented {
		name := folder[strings.LastIndex(folder, "/")+1:]
		noTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
		parsed, err := parser.ParseDir(token.NewFileSet(), folder, noTests, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, file := range parsed[name].Files {
			for _, decl := range file.Decls {
				if types, ok := decl.(*ast.GenDecl); ok {
					commentsOf(all, name, types)
				}
			}
		}
	}
	return all, nil
}

func commentsOf(all map[string]string, pkg string, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		of, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		key := pkg + "." + of.Name.Name
		all[key] = words(of.Doc.Text() + pick(decl.Lparen == token.NoPos, decl.Doc.Text()))
		fields, ok := of.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range fields.Fields.List {
			for _, name := range field.Names {
				text := field.Doc.Text()
				if text == "" {
					text = field.Comment.Text()
				}
				all[key+"."+name.Name] = words(text)
			}
		}
	}
}

func pick(when bool, text string) string {
	if when {
		return text
	}
	return ""
}

// words is a doc comment in one line a paragraph.
func words(text string) string {
	if text == "" {
		return ""
	}
	var p comment.Parser
	printer := comment.Printer{TextWidth: -1}
	return strings.TrimSpace(string(printer.Text(p.Parse(text))))
}
