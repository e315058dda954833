package decisiontable

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// kind is what a member of the input has to be.
type kind int

const (
	text kind = iota
	whole
	truth
	texts
	wholes
	open   // an object of anything
	moment // Unix seconds, or RFC 3339 in a table
	party  // {type, id}
)

// shape is the input document, as authz.Question has it.
var shape = map[string]map[string]kind{
	"subject":     {"type": text, "id": text, "properties": open},
	"action":      {"name": text, "properties": open},
	"resource":    {"type": text, "id": text, "properties": open},
	"credential":  {"kind": text, "binding": text, "id": text, "type": text, "generation": whole, "state": text, "made_at": moment, "not_before": moment, "not_after": moment},
	"certificate": {"id": text, "thumbprint": text, "name": text, "issuer": text, "credential": text, "not_before": moment, "not_after": moment},
	"token": {
		"id": text, "issuer": text, "issuer_url": text, "key_id": text, "subject": text, "audiences": texts, "accepted_audiences": texts,
		"issued_at": moment, "not_before": moment, "expires_at": moment, "leeway_s": whole, "tenant": text, "env": text, "scopes": texts,
		"methods": texts, "credential": text, "own": truth, "on_behalf_of": party, "status": text,
	},
	"trust": {"level": whole, "freshness": text, "age_s": whole, "usable_for_s": wholes, "supports": texts},
}

// required are the members that every question has, by where they stand.
var required = [][]string{{"subject", "id"}, {"subject", "type"}, {"action", "name"}, {"resource", "id"}, {"resource", "type"}, {"credential", "kind"}, {"trust", "level"}}

// levels are the trust levels of evidence without a binding.
var levels = map[string]int{
	authz.EvidenceSecret: 1, authz.EvidenceOpaque: 2, authz.EvidenceJWT: 3, authz.EvidenceClaims: 3,
	authz.EvidenceAssertion: 3, authz.EvidenceCertificate: 4,
}

// question is the input of one case in the making.
type question struct {
	*document
	line  int          // of the case
	nodes []*yaml.Node // where its input is written, the nearest first; nil when nowhere
	at    time.Time
	given map[string]any // a patch of the defaults
}

// json is the whole document; of no use after a problem.
func (q *question) json() json.RawMessage {
	document := patched(q.defaults(), q.given)
	keepObjects(document)
	for _, name := range slices.Sorted(maps.Keys(document)) {
		document[name] = q.checked(name, document[name])
	}
	for _, path := range required {
		if object, ok := document[path[0]].(map[string]any); !ok || object[path[1]] == nil || object[path[1]] == "" {
			q.problem("is missing", "write it in the input of the case, or of its table", path...)
		}
	}
	q.checkWords(document)
	document["time"] = q.at.Format(time.RFC3339Nano)
	text, err := ijson.Marshal(document)
	if err == nil {
		err = ijson.Check(text)
	}
	if err != nil {
		q.problem(said(err), "write what JSON can say", "input")
	}
	return text
}

// keepObjects puts the objects that every input has back as empty ones.
func keepObjects(document map[string]any) {
	if document["context"] == nil {
		document["context"] = map[string]any{}
	}
	for _, name := range []string{"subject", "action", "resource"} {
		if object, ok := document[name].(map[string]any); ok && object["properties"] == nil {
			object["properties"] = map[string]any{}
		}
	}
}

// defaults are what stands when a table says nothing else; see the package comment.
func (q *question) defaults() map[string]any {
	kind := q.kind()
	level := levels[kind]
	if q.text("credential", "binding") != "" {
		level = levels[authz.EvidenceCertificate]
	}
	document := map[string]any{
		"subject":    map[string]any{"type": authz.SubjectMachineUser, "properties": map[string]any{}},
		"action":     map[string]any{"properties": map[string]any{}},
		"resource":   map[string]any{"type": authz.ResourceService, "properties": map[string]any{}},
		"context":    map[string]any{},
		"credential": map[string]any{"kind": kind},
		"trust":      map[string]any{"level": level, "freshness": authz.Fresh},
	}
	if q.hasToken(kind) {
		document["token"] = q.token(kind)
	}
	return document
}

func (q *question) kind() string {
	if kind := q.text("credential", "kind"); kind != "" {
		return kind
	}
	token, given := q.given["token"]
	if given && token == nil && q.given["certificate"] != nil {
		return authz.EvidenceCertificate
	}
	return authz.EvidenceJWT
}

func (q *question) hasToken(kind string) bool {
	token, given := q.given["token"]
	if given {
		return token != nil
	}
	return kind == authz.EvidenceJWT || kind == authz.EvidenceClaims || kind == authz.EvidenceOpaque
}

// The token that stands when a table says nothing else, and who made it for whom.
const (
	issuer    = "issuer"
	issuerURL = "https://issuer.example"
	jti       = "token"
	kid       = "key"
	audience  = "us"
)

func (q *question) token(kind string) map[string]any {
	token := map[string]any{
		"id": authz.TokenID(issuerURL, jti), "issuer": issuer, "issuer_url": issuerURL, "own": true, "leeway_s": 0,
		"audiences": []any{audience}, "accepted_audiences": []any{audience},
		"issued_at": q.at.Add(-30 * time.Second).Unix(), "expires_at": q.at.Add(5 * time.Minute).Unix(),
	}
	if kind == authz.EvidenceJWT {
		token["key_id"] = authz.IssuerKeyID(issuerURL, kid)
	}
	if subject := q.text("subject", "id"); subject != "" {
		token["subject"] = subject
	}
	return token
}

// text is a text that the table or the case gives; "" when they give none.
func (q *question) text(object, name string) string {
	members, _ := q.given[object].(map[string]any)
	s, _ := members[name].(string)
	return s
}

// checked is a member of the input with its times in seconds.
func (q *question) checked(name string, value any) any {
	object, ok := value.(map[string]any)
	known, is := shape[name]
	switch {
	case !is && name != "context":
		q.problem("is not known here", "an input has "+strings.Join(append(slices.Sorted(maps.Keys(shape)), "context"), ", "), name)
		return value
	case !ok:
		q.problem("is not a mapping", "write it as name: value", name)
		return value
	case !is:
		return value
	}
	checked := make(map[string]any, len(object))
	for member, value := range object {
		kind, ok := known[member]
		if !ok {
			q.problem("is not known here", name+" has "+strings.Join(slices.Sorted(maps.Keys(known)), ", "), name, member)
			continue
		}
		if checked[member], ok = kind.accept(value); !ok {
			q.problem("is not "+kind.String(), "correct it", name, member)
		}
	}
	return checked
}

// accept is the value as the document has it; ok is false when it is of another kind.
func (k kind) accept(value any) (accepted any, ok bool) {
	switch k {
	case text:
		_, ok = value.(string)
	case truth:
		_, ok = value.(bool)
	case whole:
		ok = isWhole(value)
	case texts:
		ok = every(value, func(v any) bool { _, is := v.(string); return is })
	case wholes:
		ok = every(value, isWhole)
	case open:
		_, ok = value.(map[string]any)
	case moment:
		return acceptMoment(value)
	case party:
		object, is := value.(map[string]any)
		_, named := object["type"].(string)
		_, known := object["id"].(string)
		ok = is && named && known && len(object) == 2
	}
	return value, ok
}

func acceptMoment(value any) (any, bool) {
	written, is := value.(string)
	if !is {
		return value, isWhole(value)
	}
	at, err := time.Parse(time.RFC3339Nano, written)
	return at.Unix(), err == nil
}

func every(value any, is func(any) bool) bool {
	list, ok := value.([]any)
	return ok && !slices.ContainsFunc(list, func(v any) bool { return !is(v) })
}

func isWhole(value any) bool {
	switch value := value.(type) {
	case int, int64:
		return true
	case json.RawMessage:
		_, err := strconv.ParseInt(string(value), 10, 64)
		return err == nil
	}
	return false
}

// String continues "is not".
func (k kind) String() string {
	switch k {
	case text:
		return "text"
	case truth:
		return "true or false"
	case whole:
		return "a whole number"
	case texts:
		return "a list of texts"
	case wholes:
		return "a list of whole numbers"
	case open:
		return "a mapping"
	case moment:
		return "a time: Unix seconds, or RFC 3339"
	}
	return "a mapping with the texts type and id"
}

// checkWords refuses words that no evidence is described by.
func (q *question) checkWords(document map[string]any) {
	credential, _ := document["credential"].(map[string]any)
	if kind, ok := credential["kind"].(string); ok && kind != "" {
		if _, known := levels[kind]; !known {
			q.problem("is "+strconv.Quote(kind), "write one of "+strings.Join(slices.Sorted(maps.Keys(levels)), ", "), "credential", "kind")
		}
	}
	trust, _ := document["trust"].(map[string]any)
	if level, ok := trust["level"].(json.RawMessage); ok {
		if n, err := strconv.Atoi(string(level)); err == nil && (n < 0 || n > authz.MaxLevel) {
			q.problem("is "+strconv.Itoa(n), "write a level from 0 to "+strconv.Itoa(authz.MaxLevel), "trust", "level")
		}
	}
}

// problem is what is wrong at a path of the input, by the nearest place that has
// it, or else by the case.
func (q *question) problem(message, fix string, path ...string) {
	line := q.line
	for _, n := range q.nodes {
		if n == nil {
			continue
		}
		if at := lineAt(n, path...); at > 0 {
			line = at
			break
		}
	}
	q.problems.add(q.file, line, "input."+strings.Join(path, ".")+": "+message, fix)
}
