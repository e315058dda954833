package decisiontable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisiontable"
)

// rows is a table of n rows that all want the same; more stands before its cases.
func rows(n int, want, more string) []byte {
	var table bytes.Buffer
	table.WriteString("time: 2026-11-22T10:00:00Z\n" + more + "input: {subject: {id: mu:a}, action: {name: x}, resource: {id: svc:b}}\ncases:\n")
	for i := range n {
		fmt.Fprintf(&table, "  - {name: row %d, %s}\n", i, want)
	}
	return table.Bytes()
}

func TestCheck(t *testing.T) {
	allowing := fixed(authz.Judgement{Allow: true})
	tests := map[string]struct {
		files map[string][]byte
		rows  int
		code  authz.ErrorCode
		says  string
		first authz.Problem
	}{
		"nothing":                {files: map[string][]byte{"acme/world.yaml": []byte("not: [a table")}},
		"rows pass":              {files: map[string][]byte{"acme/a_table.yaml": rows(3, "want: allow", ""), "acme/x/b_table.yaml": rows(2, "want: allow", "")}, rows: 5},
		"what is included":       {files: map[string][]byte{"acme/x/a_table.yaml": rows(1, "want: allow", "data: {include: ../world.yaml}\n"), "acme/world.yaml": []byte("services: {svc:b: {tier: 1, env: prod}}\n")}, rows: 1},
		"what is not there":      {files: map[string][]byte{"acme/a_table.yaml": rows(1, "want: allow", "data: {include: world.yaml}\n")}, code: authz.CodeInvalid, says: "file does not exist", first: authz.Problem{File: "acme/world.yaml"}},
		"a row fails":            {files: map[string][]byte{"acme/a_table.yaml": rows(2, "want: deny, reasons: [A]", "")}, code: authz.CodeInvalid, says: "2 of 2 rows of the bundle's decision tables do not pass\nacme/a_table.yaml:4: row 0: want deny, got allow; reasons: A is missing", first: authz.Problem{File: "acme/a_table.yaml", Line: 4}},
		"no table":               {files: map[string][]byte{"acme/a_table.yaml": []byte("about: [")}, code: authz.CodeInvalid, says: "is not YAML", first: authz.Problem{File: "acme/a_table.yaml", Line: 1}},
		"many rows":              {files: manyTables(11, 1000), code: authz.CodeTooLarge, says: "more than 10000 rows"},
		"a large file":           {files: map[string][]byte{"acme/a_table.yaml": bytes.Repeat([]byte("# x\n"), 1<<18+1)}, code: authz.CodeInvalid, says: "is larger than 1048576 bytes", first: authz.Problem{File: "acme/a_table.yaml"}},
		"one file, often":        {files: including(20, 1<<20-100), code: authz.CodeTooLarge, says: "larger than 16777216 bytes"},
		"many failures are told": {files: map[string][]byte{"acme/a_table.yaml": rows(60, "want: deny, reasons: [A]", "")}, code: authz.CodeInvalid, says: "and others", first: authz.Problem{File: "acme/a_table.yaml", Line: 4}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decisiontable.Check(t.Context(), allowing, test.files)
			if got != test.rows {
				t.Errorf("%d rows passed, want %d", got, test.rows)
			}
			if test.code == "" {
				if err != nil {
					t.Fatalf("Check: %v, want no error", err)
				}
				return
			}
			var ours *authz.Error
			if !errors.As(err, &ours) || ours.Code != test.code || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("Check: %v, want %s with %q", err, test.code, test.says)
			}
			var first authz.Problem
			if len(ours.Problems) > 0 {
				first = authz.Problem{File: ours.Problems[0].File, Line: ours.Problems[0].Line}
			}
			if diff := cmp.Diff(test.first, first); diff != "" {
				t.Errorf("the first problem (-want +got):\n%s", diff)
			}
		})
	}
}

func manyTables(tables, each int) map[string][]byte {
	files := map[string][]byte{}
	for i := range tables {
		files[fmt.Sprintf("acme/t%d_table.yaml", i)] = rows(each, "want: allow", "")
	}
	return files
}

// including is so many tables that include one file of that size.
func including(tables, size int) map[string][]byte {
	files := map[string][]byte{"acme/world.yaml": append(bytes.Repeat([]byte("#"), size), "\nservices: {}\n"...)}
	for i := range tables {
		files[fmt.Sprintf("acme/t%d_table.yaml", i)] = rows(1, "want: allow", "data: {include: world.yaml}\n")
	}
	return files
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := decisiontable.Check(ctx, fixed(authz.Judgement{Allow: true}), map[string][]byte{"acme/a_table.yaml": rows(3, "want: allow", "")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Check: %v, want %v", err, context.Canceled)
	}
}
