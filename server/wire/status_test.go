package wire_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Every error code of the vocabulary has a status of its own choosing: a code
// added there is 500 until somebody decides, and this test says so.
func TestEveryCodeHasAStatus(t *testing.T) {
	codes := errorCodes(t)
	if len(codes) < 12 {
		t.Fatalf("found only %v", codes)
	}
	for _, code := range codes {
		status := wire.Status(code)
		if (status == http.StatusInternalServerError) != (code == authz.CodeInternal) {
			t.Errorf("%s is %d", code, status)
		}
		if status < 400 || http.StatusText(status) == "" {
			t.Errorf("%s is %d, which is no error", code, status)
		}
	}
	if got := wire.Status("made_up"); got != http.StatusInternalServerError {
		t.Errorf("an unknown code is %d", got)
	}
}

// errorCodes reads the constants of type ErrorCode from their source.
func errorCodes(t *testing.T) []authz.ErrorCode {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../authz/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []authz.ErrorCode
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || fmt.Sprint(spec.Type) != "ErrorCode" {
			return true
		}
		for i, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil || !strings.HasPrefix(spec.Names[i].Name, "Code") {
				t.Errorf(`%s: got error %v; want no error, spec.Names[i].Name beginning "Code"`, spec.Names[i].Name, err)
			}
			codes = append(codes, authz.ErrorCode(text))
		}
		return true
	})
	return codes
}
