package statuslist_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

func TestParseReference(t *testing.T) {
	long := strings.Repeat("u", 2000)
	tests := map[string]struct {
		status string
		want   statuslist.Reference
	}{
		"first entry":     {`{"status_list":{"idx":0,"uri":"https://example.com/statuslists/1"}}`, statuslist.Reference{URI: "https://example.com/statuslists/1"}},
		"last entry":      {`{"status_list":{"idx":8388607,"uri":"u"}}`, statuslist.Reference{Index: 8388607, URI: "u"}},
		"longest URI":     {`{"status_list":{"idx":1,"uri":"` + long + `"}}`, statuslist.Reference{Index: 1, URI: long}},
		"other mechanism": {`{"x":{"a":[1,null]},"status_list":{"idx":1,"uri":"u"},"y":null}`, statuslist.Reference{Index: 1, URI: "u"}},
		"other members":   {` {"status_list":{"uri":"u","x":1,"idx":1}} `, statuslist.Reference{Index: 1, URI: "u"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := statuslist.ParseReference([]byte(test.status))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("reference (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	tests := map[string]struct{ status, field, says string }{
		"absent claim":     {``, "", "ends too early"},
		"null":             {`null`, "status_list", "missing"},
		"text":             {`"valid"`, "", "wrong type"},
		"list":             {`[{"status_list":{"idx":0,"uri":"u"}}]`, "", "wrong type"},
		"nothing":          {`{}`, "status_list", "missing"},
		"only another":     {`{"identifier_list":{"id":"a","uri":"u"}}`, "status_list", "missing"},
		"null list":        {`{"status_list":null}`, "status_list", "missing"},
		"other case":       {`{"Status_List":{"idx":0,"uri":"u"}}`, "status_list", "missing"},
		"list is text":     {`{"status_list":"u"}`, "status_list", "wrong type"},
		"no idx":           {`{"status_list":{"uri":"u"}}`, "status_list.idx", "missing"},
		"null idx":         {`{"status_list":{"idx":null,"uri":"u"}}`, "status_list.idx", "missing"},
		"negative idx":     {`{"status_list":{"idx":-1,"uri":"u"}}`, "status_list.idx", "0 to 8388607"},
		"idx beyond lists": {`{"status_list":{"idx":8388608,"uri":"u"}}`, "status_list.idx", "0 to 8388607"},
		"idx of 2^64":      {`{"status_list":{"idx":18446744073709551616,"uri":"u"}}`, "status_list.idx", "number"},
		"idx fraction":     {`{"status_list":{"idx":0.5,"uri":"u"}}`, "status_list.idx", ""},
		"idx exponent":     {`{"status_list":{"idx":1e2,"uri":"u"}}`, "status_list.idx", ""},
		"idx text":         {`{"status_list":{"idx":"0","uri":"u"}}`, "status_list.idx", "wrong type"},
		"idx boolean":      {`{"status_list":{"idx":false,"uri":"u"}}`, "status_list.idx", "wrong type"},
		"no uri":           {`{"status_list":{"idx":0}}`, "status_list.uri", "1 to 2000 bytes"},
		"empty uri":        {`{"status_list":{"idx":0,"uri":""}}`, "status_list.uri", "1 to 2000 bytes"},
		"null uri":         {`{"status_list":{"idx":0,"uri":null}}`, "status_list.uri", "1 to 2000 bytes"},
		"uri number":       {`{"status_list":{"idx":0,"uri":1}}`, "status_list.uri", "wrong type"},
		"uri too long":     {`{"status_list":{"idx":0,"uri":"` + strings.Repeat("u", 2001) + `"}}`, "status_list.uri", "1 to 2000 bytes"},
		"duplicate idx":    {`{"status_list":{"idx":0,"idx":1,"uri":"u"}}`, "status_list.idx", "twice"},
		"duplicate list":   {`{"status_list":{"idx":0,"uri":"u"},"status\u005flist":{"idx":1,"uri":"u"}}`, "status_list", "twice"},
		"duplicate beside": {`{"status_list":{"idx":0,"uri":"u"},"x":{"a":1,"a":2}}`, "x.a", "twice"},
		"trailing":         {`{"status_list":{"idx":0,"uri":"u"}}{}`, "", "more bytes"},
		"lone surrogate":   {`{"status_list":{"idx":0,"uri":"\ud800"}}`, "status_list.uri", "surrogate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := statuslist.ParseReference([]byte(test.status))
			if got != (statuslist.Reference{}) {
				t.Errorf("gave %+v", got)
			}
			wantError(t, err, authz.CodeInvalid, test.field, test.says)
		})
	}
}

// FuzzParseReference reads arbitrary claims: nothing panics, and what is accepted
// is within bounds and says the same to a plain reader of JSON.
func FuzzParseReference(f *testing.F) {
	f.Add([]byte(`{"status_list":{"idx":0,"uri":"https://example.com/statuslists/1"}}`))
	f.Add([]byte(`{"status_list":{"idx":8388607,"uri":"\u0061"},"x":[{"y":null}]}`))
	f.Add([]byte(`{"status_list":{"idx":-1,"uri":""}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := statuslist.ParseReference(data)
		if err != nil {
			if code := authz.CodeOf(err); code != authz.CodeInvalid && code != authz.CodeTooLarge {
				t.Fatalf("error %v of code %s, want CodeInvalid or CodeTooLarge", err, code)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("accepted a claim that is no JSON: %v", err)
		}
		place, ok := plain["status_list"].(map[string]any)
		if !ok || place["uri"] != got.URI || place["idx"] != float64(got.Index) {
			t.Errorf("read %+v of %q", got, data)
		}
		if got.Index < 0 || got.Index >= statuslist.MaxBytes*8 || got.URI == "" || len(got.URI) > 2000 {
			t.Errorf("out of bounds: %+v", got)
		}
	})
}

func TestStatusNames(t *testing.T) {
	// :: status -> name; those not listed are reserved
	want := map[statuslist.Status]string{
		0: "valid", 1: "invalid", 2: "suspended", 3: "application_specific",
		12: "application_12", 13: "application_13", 14: "application_14", 15: "application_15",
	}
	got := map[statuslist.Status]string{}
	for i := range 256 {
		status := statuslist.Status(i)
		if status.Valid() != (i == 0) {
			t.Errorf("%d is valid: %v", i, status.Valid())
		}
		if name := status.String(); name != "reserved" {
			got[status] = name
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
