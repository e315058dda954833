package main

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// commented are the packages, as folders of the module, whose types are in the document;
// a pattern stands for several.
var commented = []string{"api", "authz", "server/*", "tokenservice"}

// readComments gives what the sources say of types ("authz.Edge") and their fields
// ("authz.Edge.CIDRs"), in the words of a reader of the document. It is run in the root
// of the module.
func readComments() (map[string]string, error) {
	all := map[string]string{}
	for _, folder := range commented {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("there are no sources in %s; run this in the root of the module", folder)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, decl := range parsed.Decls {
				if types, ok := decl.(*ast.GenDecl); ok && !strings.HasSuffix(file, "_test.go") {
					commentsOf(all, filepath.Base(filepath.Dir(file)), types)
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
		text := of.Doc.Text()
		if decl.Lparen == token.NoPos {
			text = decl.Doc.Text()
		}
		all[key] = words(text)
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

// words is a doc comment in one line a paragraph.
func words(text string) string {
	if text == "" {
		return ""
	}
	var p comment.Parser
	printer := comment.Printer{TextWidth: -1}
	return strings.TrimSpace(string(printer.Text(p.Parse(text))))
}
