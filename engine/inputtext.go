package engine

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"
)

// textWriter writes a document as JSON.
type textWriter struct {
	json   []byte
	failed error // the first
}

// name starts a member.
func (w *textWriter) name(name string) {
	if w.json[len(w.json)-1] != '{' {
		w.json = append(w.json, ',')
	}
	w.quote(name)
	w.json = append(w.json, ':')
}

func (w *textWriter) quote(s string) {
	json, err := jsontext.AppendQuote(w.json, s)
	w.json = json
	w.fail(err)
}

func (w *textWriter) fail(err error) {
	if w.failed == nil {
		w.failed = err
	}
}

func (w *textWriter) begin(name string) {
	w.name(name)
	w.json = append(w.json, '{')
}

func (w *textWriter) end() { w.json = append(w.json, '}') }

func (w *textWriter) text(name, s string) {
	w.name(name)
	w.quote(s)
}

func (w *textWriter) flag(name string, b bool) {
	w.name(name)
	w.json = strconv.AppendBool(w.json, b)
}

func (w *textWriter) number(name string, n int) {
	w.name(name)
	w.json = strconv.AppendInt(w.json, int64(n), 10)
}

func (w *textWriter) seconds(name string, t time.Time) {
	w.name(name)
	w.json = strconv.AppendInt(w.json, t.Unix(), 10)
}

func (w *textWriter) texts(name string, list []string) {
	w.name(name)
	w.json = append(w.json, '[')
	for i, s := range list {
		w.comma(i)
		w.quote(s)
	}
	w.json = append(w.json, ']')
}

func (w *textWriter) numbers(name string, list []int) {
	w.name(name)
	w.json = append(w.json, '[')
	for i, n := range list {
		w.comma(i)
		w.json = strconv.AppendInt(w.json, int64(n), 10)
	}
	w.json = append(w.json, ']')
}

func (w *textWriter) comma(before int) {
	if before > 0 {
		w.json = append(w.json, ',')
	}
}

func (w *textWriter) open(name string, m map[string]any) {
	w.name(name)
	w.object(m)
}

func (w *textWriter) object(m map[string]any) {
	w.json = append(w.json, '{')
	for _, name := range slices.Sorted(maps.Keys(m)) {
		w.name(name)
		w.value(m[name])
	}
	w.end()
}

// value writes a string as it is, and what else there is in the way OPA reads it.
func (w *textWriter) value(v any) {
	switch v := v.(type) {
	case string:
		w.quote(v)
	case map[string]any:
		w.object(v)
	default:
		value, err := ast.InterfaceToValue(v)
		if err != nil {
			w.fail(err)
			return
		}
		w.json, err = appendJSON(w.json, value)
		w.fail(err)
	}
}
