package ijson_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

type target struct {
	Name  string         `json:"name"`
	Count int            `json:"count"`
	Any   map[string]any `json:"any"`
	List  []struct {
		ID string `json:"id"`
	} `json:"list"`
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := map[string]struct {
		in    string
		field string
		says  string
		code  authz.ErrorCode
	}{
		"empty":             {in: ``, says: "ends too early"},
		"broken":            {in: `{"name": }`, says: "broken at byte"},
		"duplicate":         {in: `{"name":"a","name":"b"}`, field: "name", says: "twice"},
		"duplicate in any":  {in: `{"any":{"a":{"b":1,"b":2}}}`, field: "any.a.b", says: "twice"},
		"escaped duplicate": {in: `{"name":"a","n\u0061me":"b"}`, field: "name", says: "twice"},
		"unknown":           {in: `{"nmae":"a"}`, field: "nmae", says: "not a known field"},
		"unknown in list":   {in: `{"list":[{"id":"a"},{"idd":"b"}]}`, field: "list[1].idd", says: "not a known field"},
		"case":              {in: `{"Name":"a"}`, field: "Name", says: "not a known field"},
		"wrong type":        {in: `{"count":"1"}`, field: "count", says: "cannot be a string"},
		"fraction":          {in: `{"count":1.5}`, field: "count"},
		"trailing":          {in: `{} {}`, says: "more bytes"},
		"invalid UTF-8":     {in: "{\"name\":\"\xff\"}", says: "UTF-8"},
		"lone surrogate":    {in: `{"name":"\ud800"}`, says: "surrogate"},
		"huge number":       {in: `{"any":{"n":1e999}}`, field: "any.n", says: "number"},
		"inexact integer":   {in: `{"any":{"n":9007199254740993000}}`, field: "any.n", says: "number"},
		"one too many":      {in: `{"any":{"n":9007199254740993}}`, field: "any.n", says: "number"},
		"1e17":              {in: `{"any":{"n":1e17}}`, field: "any.n", says: "number"},
		"null":              {in: ` null `, says: "null"},
		"too deep":          {in: `{"any":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`, code: authz.CodeTooLarge, says: "nested"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var v target
			err := ijson.Unmarshal([]byte(test.in), &v)
			if err == nil {
				t.Fatalf("accepted %s", test.in)
			}
			want := test.code
			if want == "" {
				want = authz.CodeInvalid
			}
			if got := authz.CodeOf(err); got != want {
				t.Errorf("code %q, want %q", got, want)
			}
			if got := err.(*authz.Error).Field; test.field != "" && got != test.field {
				t.Errorf("field %q, want %q", got, test.field)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("message %q does not say %q", err, test.says)
			}
		})
	}
}

func TestUnmarshalReads(t *testing.T) {
	var v target
	if err := ijson.Unmarshal([]byte(` {"name":"a","count":9007199254740992,"any":{"x":[1.5e3]}} `), &v); err != nil {
		t.Fatal(err)
	}
	want := target{Name: "a", Count: 1 << 53, Any: map[string]any{"x": []any{1500.0}}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"name":"a","any":{"b":[1,2,{"c":null}]}}`))
	f.Add([]byte(`{"name":"a","name":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if err := ijson.UnmarshalOpen(data, &v); err != nil {
			if authz.CodeOf(err) == authz.CodeInternal {
				t.Fatalf("an input error without a code: %v", err)
			}
			return
		}
		// What was accepted survives being written and read again.
		first, err := ijson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if err := ijson.UnmarshalOpen(first, &again); err != nil {
			t.Fatalf("own output refused: %v", err)
		}
		second, err := ijson.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Fatalf("%s became %s", first, second)
		}
	})
}
