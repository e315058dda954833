// Package ijson reads and writes JSON, as strictly as all input of Verdict is read: RFC
// 7493 (I-JSON). It refuses duplicate member names, unknown members, members that differ
// only in case, invalid UTF-8, lone surrogates, numbers a double cannot represent, deep
// nesting and trailing bytes, with an *authz.Error that names the member. Strictness is a
// matter of security: two parsers may resolve a duplicate "subject" differently, and an
// attacker may use that.
//
// All packages read JSON through it, so they all read it alike; and JSON pointers, in one
// place.
package ijson

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-pdp/verdict/authz"
)

// MaxDepth is the deepest nesting that is accepted.
const MaxDepth = 32

// maxExactInteger is the largest integer that every JSON parser represents exactly (RFC
// 7493 section 2.2).
const maxExactInteger = 1 << 53

// Unmarshal parses exactly one JSON value into v. It refuses null, which would not
// change v and so look like an empty document.
func Unmarshal(data []byte, v any) error {
	if string(bytes.TrimSpace(data)) == "null" {
		return authz.Invalid("", "the JSON value is null; send the document itself")
	}
	if err := scan(data, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	return explain(json.Unmarshal(data, v, json.RejectUnknownMembers(true)))
}

// UnmarshalOpen is Unmarshal for documents whose unknown members are ignored, such as
// token claims and JWK Sets. It accepts null.
func UnmarshalOpen(data []byte, v any) error {
	if err := scan(data, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	return explain(json.Unmarshal(data, v))
}

// Check returns an error unless data is exactly one I-JSON value, nested at most
// MaxDepth deep.
func Check(data []byte) error { return scan(data) }

// scanners reuses the buffers of scans.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

type scanner struct {
	data    bytes.Reader
	decoder jsontext.Decoder
}

// scan is Check with options of the library. A caller that unmarshals data afterwards
// may allow duplicate names here: the library looks for them then.
func scan(data []byte, options ...jsontext.Options) error {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	s.data.Reset(data)
	d := &s.decoder
	d.Reset(&s.data, options...)
	defer s.data.Reset(nil)
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) && d.InputOffset() > 0 && d.StackDepth() == 0 {
			return nil
		}
		if err != nil {
			return explain(err)
		}
		if d.StackDepth() > MaxDepth {
			return &authz.Error{Code: authz.CodeTooLarge, Field: field(string(d.StackPointer())), Message: "is nested deeper than " + strconv.Itoa(MaxDepth) + " levels"}
		}
		if token.Kind() == '0' && !exact(token.String()) {
			return authz.Invalid(field(string(d.StackPointer())), "is a number that not every JSON reader holds exactly (RFC 7493 section 2.2)")
		}
		if d.StackDepth() == 0 {
			return trailing(data[d.InputOffset():])
		}
	}
}

// Marshal returns v as JSON, with the members of maps sorted, so that equal values have
// equal bytes. Nil slices are [], nil maps {}.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

func trailing(rest []byte) error {
	if len(bytes.TrimLeft(rest, " \t\r\n")) == 0 {
		return nil
	}
	return authz.Invalid("", "the JSON value is followed by more bytes")
}

// exact reports whether every JSON parser represents the number exactly.
func exact(number string) bool {
	if !strings.ContainsAny(number, ".eE") {
		i, err := strconv.ParseInt(number, 10, 64)
		return err == nil && -maxExactInteger <= i && i <= maxExactInteger
	}
	f, err := strconv.ParseFloat(number, 64)
	return err == nil && (math.Abs(f) <= maxExactInteger || math.Trunc(f) != f)
}

// explain converts an error of the JSON library to one that names the member.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var ours *authz.Error
	if errors.As(err, &ours) {
		return ours
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return &authz.Error{Code: authz.CodeInvalid, Field: field(string(semantic.JSONPointer)), Message: semanticMessage(semantic), Cause: err}
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return &authz.Error{Code: authz.CodeInvalid, Field: field(string(syntactic.JSONPointer)), Message: "appears twice", Cause: err}
		}
		return &authz.Error{Code: authz.CodeInvalid, Field: field(string(syntactic.JSONPointer)), Message: "JSON is broken at byte " + strconv.FormatInt(syntactic.ByteOffset, 10) + ": " + libraryMessage(syntactic.Err), Cause: err}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &authz.Error{Code: authz.CodeInvalid, Message: "JSON ends too early", Cause: err}
	}
	return &authz.Error{Code: authz.CodeInvalid, Message: "JSON is broken", Cause: err}
}

func semanticMessage(err *json.SemanticError) string {
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return "is not a known field"
	case err.JSONKind != 0 && err.GoType != nil && err.Err == nil:
		return "has the wrong type: it cannot be " + kindName(err.JSONKind)
	case err.Err != nil:
		return "is not acceptable: " + libraryMessage(err.Err)
	}
	return "has the wrong type"
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	}
	return "a list"
}

// libraryMessage returns the error's text without the library's prefix.
func libraryMessage(err error) string {
	if err == nil {
		return "unexpected bytes"
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}

// field converts a JSON pointer to the form that our messages have: a.b[0].c.
func field(pointer string) string {
	var b strings.Builder
	for part := range jsontext.Pointer(pointer).Tokens() {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(part))
	}
	return b.String()
}

// clip shortens a member name for messages and logs, and replaces control characters:
// the sender chose it.
func clip(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '�'
		}
		return r
	}, name)
}
