package ijson_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/ijson"
)

func TestCut(t *testing.T) {
	for name, test := range map[string]struct{ doc, start, end, want string }{
		"both":               {`{"a":0,"b":1,"c":""}`, `{"a":0`, `"}`, `,"b":1,"c":"`},
		"start alone":        {`{"a":0,"b":1}`, `{"a":0`, ``, `,"b":1}`},
		"nothing between":    {`{"a":0}`, `{"a":0`, `}`, ``},
		"another start":      {`{"b":0,"c":""}`, `{"a":0`, `"}`, `error`},
		"another end":        {`{"a":0,"c":1}`, `{"a":0`, `"}`, `error`},
		"one over the other": {`{"a":0,"c":""}`, `{"a":0,`, `,"c":""}`, `error`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ijson.Cut([]byte(test.doc), test.start, test.end)
			if err != nil {
				if got = []byte("error"); !strings.Contains(err.Error(), test.start) {
					t.Errorf("the error %v does not say what was looked for", err)
				}
			}
			if string(got) != test.want {
				t.Errorf("%s, %v; want %s", got, err, test.want)
			}
		})
	}
}

// FuzzCut: members written around what was cut make what writing them at once makes.
func FuzzCut(f *testing.F) {
	f.Add(uint64(0), "", "")
	f.Add(uint64(1), `,"last":""}`, "ab")
	f.Add(^uint64(0), `{"first":0`, `"}`)
	f.Add(uint64(10), "\x00\u2028\"\\", "}")
	f.Fuzz(func(t *testing.T, first uint64, between, last string) {
		type object struct {
			First   uint64   `json:"first"`
			Between []string `json:"between"`
			Last    string   `json:"last"`
		}
		o := object{Between: []string{between, last}}
		doc, err := ijson.Marshal(o)
		if err != nil {
			t.Skip("no JSON is made of it")
		}
		middle, err := ijson.Cut(doc, `{"first":0`, `"}`)
		if err != nil {
			t.Fatal(err)
		}
		o.First, o.Last = first, last
		want, err := ijson.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := ijson.Marshal(last)
		if err != nil {
			t.Fatal(err)
		}
		got := `{"first":` + strconv.FormatUint(first, 10) + string(middle) + string(text[1:len(text)-1]) + `"}`
		if got != string(want) || !json.Valid([]byte(got)) {
			t.Errorf("cut and written: %s\nwritten at once: %s", got, want)
		}
	})
}
