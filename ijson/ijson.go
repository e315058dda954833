// Package ijson reads and writes JSON the strict way every input of Verdict is
// read: RFC 7493 (I-JSON). Duplicate member names, unknown members, members that
// differ only in case, invalid UTF-8, lone surrogates, numbers a double cannot
// hold, deep nesting and trailing bytes are refused with an *authz.Error that
// names the member at fault. A duplicate "subject" that two readers resolve
// differently is an attack, not a nuisance.
//
// It stands between the rooms and the JSON library, so that they all read alike, and has the
// one reading of JSON pointers.
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

// MaxDepth is the deepest nesting accepted by Unmarshal and Check.
const MaxDepth = 32

// maxExactInteger is the largest integer every reader of JSON holds exactly
// (RFC 7493 section 2.2).
const maxExactInteger = 1 << 53

// Unmarshal reads exactly one JSON value from data into v. It refuses null, which
// would leave v as it is and so read as a document with nothing in it.
func Unmarshal(data []byte, v any) error {
	if string(bytes.TrimSpace(data)) == "null" {
		return authz.Invalid("", "the JSON value is null; send the document itself")
	}
	if err := scan(data, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	return explain(json.Unmarshal(data, v, json.RejectUnknownMembers(true)))
}

// UnmarshalOpen is Unmarshal for documents whose unknown members are to be
// ignored, such as token claims and JWK Sets.
func UnmarshalOpen(data []byte, v any) error {
	if err := scan(data, jsontext.AllowDuplicateNames(true)); err != nil {
		return err
	}
	return explain(json.Unmarshal(data, v))
}

// Check says whether data is exactly one I-JSON value no deeper than MaxDepth.
func Check(data []byte) error { return scan(data) }

// scanners keeps what reading tokens needs from one scan to the next.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

type scanner struct {
	data    bytes.Reader
	decoder jsontext.Decoder
}

// scan is Check with the library's options. Whoever decodes data afterwards may
// leave duplicate names to that: the library looks for them again.
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

// Marshal writes v as JSON with members of maps in sorted order, so that equal
// values have equal bytes. Nil lists are written as [], nil maps as {}.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

func trailing(rest []byte) error {
	if len(bytes.TrimLeft(rest, " \t\r\n")) == 0 {
		return nil
	}
	return authz.Invalid("", "the JSON value is followed by more bytes")
}

func exact(number string) bool {
	if !strings.ContainsAny(number, ".eE") {
		i, err := strconv.ParseInt(number, 10, 64)
		return err == nil && -maxExactInteger <= i && i <= maxExactInteger
	}
	f, err := strconv.ParseFloat(number, 64)
	return err == nil && (math.Abs(f) <= maxExactInteger || math.Trunc(f) != f)
}

// explain turns an error of the JSON library into one that names the member.
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
		return &authz.Error{Code: authz.CodeInvalid, Field: field(string(syntactic.JSONPointer)), Message: "JSON is broken at byte " + strconv.FormatInt(syntactic.ByteOffset, 10) + ": " + plain(syntactic.Err), Cause: err}
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
		return "is not acceptable: " + plain(err.Err)
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

// plain strips the library's own prefix: callers do not know the library.
func plain(err error) string {
	if err == nil {
		return "unexpected bytes"
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}

// field writes a JSON pointer the way our messages name members: a.b[0].c.
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

// clip keeps a hostile member name from filling a message or a log.
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
