package main

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
)

// paths are made of rows.
type paths struct {
	prose      *prose
	schemas    *schemas
	paths      object
	parameters object // components
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// add adds the operation of a row.
func (p *paths) add(row *route.Row) error {
	collection := collectionAt(row.Path)
	said, err := p.prose.of(row.ID, collection)
	if err != nil {
		return err
	}
	op := object{"operationId": row.ID, "tags": []string{said.Tag}, "summary": said.Summary}
	if text := strings.TrimSpace(needs(row) + " " + said.Description); text != "" {
		op["description"] = text
	}
	if row.Public {
		op["security"] = []any{}
	}
	if parameters := p.params(row); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if body := p.body(row, said); body != nil {
		op["requestBody"] = body
	}
	if op["responses"], err = p.responses(row, said, collection); err != nil {
		return err
	}
	item, _ := p.paths[row.Template()].(object)
	if item == nil {
		item = object{}
		p.paths[row.Template()] = item
	}
	method := strings.ToLower(row.Method)
	if item[method] != nil {
		return fmt.Errorf("is there twice")
	}
	item[method] = op
	return nil
}

// collectionAt is the collection whose entities are at a path, empty for none.
func collectionAt(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, api.PathV1), "/")
	if authz.Collection(name).Known() {
		return name
	}
	return ""
}

// needs says what role is needed.
func needs(row *route.Row) string {
	roles := row.Needs()
	if len(roles) == 0 {
		return ""
	}
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	last := len(names) - 1
	if last == 0 {
		return "Needs the role " + names[0] + "."
	}
	return "Needs the role " + strings.Join(names[:last], ", ") + " or " + names[last] + "."
}

// params are the parameters of a row, those of its path first.
func (p *paths) params(row *route.Row) []any {
	var all []any
	for _, name := range row.PathParams() {
		all = append(all, p.param(row, row.InPath(name)))
	}
	for _, param := range row.Params {
		if param.In != route.InPath {
			all = append(all, p.param(row, param))
		}
	}
	return all
}

func (p *paths) param(row *route.Row, param route.Param) any {
	key := cmp.Or(param.Doc, param.Name)
	made := object{"name": param.Name, "in": string(cmp.Or(param.In, route.InQuery)), "schema": p.values(param)}
	if param.In == route.InPath {
		made["required"] = true
		if param.Doc == "" {
			return made
		}
	} else {
		made["description"] = p.prose.parameter(row.ID, key)
	}
	if param.Kind == route.Many {
		made["explode"] = true
	}
	if param.Doc == "" {
		return made
	}
	p.parameters[param.Doc] = made
	return ref("parameters", param.Doc)
}

// values is the schema of a parameter.
func (p *paths) values(param route.Param) object {
	switch param.Kind {
	case route.ID:
		return ref("schemas", "Id")
	case route.Generation:
		return ref("schemas", "GenerationNumber")
	case route.BundleName:
		return ref("schemas", "BundleName")
	case route.Moment:
		return ref("schemas", "Time")
	case route.Flag:
		return object{"type": "boolean", "default": false}
	case route.Many:
		return object{"type": "array", "items": ref("schemas", "CollectionName")}
	case route.Number:
		schema := object{"type": "integer", "minimum": param.Low}
		if param.High < 1<<62 {
			schema["maximum"] = param.High
		}
		if param.Default >= param.Low {
			schema["default"] = param.Default
		}
		return schema
	}
	if schema, ok := p.schemas.parameter(cmp.Or(param.Doc, param.Name)); ok {
		return schema
	}
	if len(param.Enum) > 0 {
		return object{"enum": param.Enum}
	}
	return object{"type": "string", "minLength": 1}
}

// body is what a row takes; nil for nothing.
func (p *paths) body(row *route.Row, said operation) object {
	content := object{}
	body := row.Handler.Body()
	if row.Body != nil {
		body = reflect.TypeOf(row.Body)
	}
	switch {
	case slices.Equal(row.Takes, []string{api.TypeForm}):
		return ref("requestBodies", "Form")
	case row.ID == "replay":
		return ref("requestBodies", p.replayForm(body))
	case slices.Equal(row.Takes, []string{api.TypeNDJSON}):
		content[api.TypeNDJSON] = object{"schema": p.lines(body)}
	case len(row.Takes) > 0:
		for _, media := range row.Takes {
			content[media] = object{}
		}
	case body != nil:
		content[api.TypeJSON] = object{"schema": p.schemas.of(body)}
	default:
		return nil
	}
	made := object{"required": true, "content": content}
	if said.Body != "" {
		made["description"] = said.Body
	}
	return made
}

// replayForm makes sure that the schema of what the form has is there.
func (p *paths) replayForm(body reflect.Type) string {
	p.schemas.of(body)
	return "Replay"
}

// lines is the schema of NDJSON, of which OpenAPI can say no more in words.
func (p *paths) lines(line reflect.Type) object {
	name, _ := strings.CutPrefix(p.schemas.of(line)["$ref"].(string), "#/components/schemas/")
	return object{"type": "string", "description": "Lines as the schema " + name + " has it"}
}

func (p *paths) responses(row *route.Row, said operation, collection string) (object, error) {
	made := object{"default": ref("responses", "Problem")}
	if row.Fault != nil {
		p.schemas.of(reflect.TypeOf(row.Fault))
		made["default"] = ref("responses", "OAuthError")
	}
	answers := row.Answers
	if len(answers) == 0 {
		answers = []route.Answer{{Status: http.StatusOK}}
		if p.reply(row, answers[0]) == nil {
			answers[0].Status = http.StatusNoContent
		}
	}
	for _, answer := range answers {
		text := said.Answers[answer.Status]
		if text == "" {
			text = plain[answer.Status]
		}
		if text == "" {
			return nil, fmt.Errorf("prose.yaml does not say what %s answers with %d", row.ID, answer.Status)
		}
		one := object{"description": text, "headers": headers(answer, row)}
		if content := p.content(row, answer, collection); content != nil {
			one["content"] = content
		}
		made[strconv.Itoa(answer.Status)] = one
	}
	return made, nil
}

// plain is what answers mean of which nothing is said.
var plain = map[int]string{
	http.StatusOK:          "Done, durably.",
	http.StatusCreated:     "Done, durably.",
	http.StatusNoContent:   "Done, durably.",
	http.StatusNotModified: "The version named by If-None-Match is the one of now.",
}

// headerNames are the components of headers.
var headerNames = map[string]string{"ETag": "ETag", "Location": "Location", api.HeaderRevision: "Revision"}

func headers(answer route.Answer, row *route.Row) object {
	made := object{api.HeaderRequestID: ref("headers", "RequestId")}
	for _, name := range answer.Headers {
		made[name] = ref("headers", headerNames[name])
		if name == "ETag" && row.ID == "getBundle" {
			made[name] = ref("headers", "BundleETag")
		}
	}
	return made
}

// reply is the type of an answer's body; nil for none.
func (p *paths) reply(row *route.Row, answer route.Answer) reflect.Type {
	switch {
	case answer.Body == route.NoBody:
		return nil
	case answer.Body != nil:
		return reflect.TypeOf(answer.Body)
	case row.Shows != nil:
		return reflect.TypeOf(row.Shows)
	}
	return row.Handler.Reply()
}

func (p *paths) content(row *route.Row, answer route.Answer, collection string) object {
	body := p.reply(row, answer)
	switch {
	case answer.Type == api.TypeNDJSON:
		return object{answer.Type: object{"schema": p.lines(body)}}
	case answer.Type == "text/plain":
		return object{answer.Type: object{"schema": object{"type": "string"}}}
	case answer.Type != "":
		return object{answer.Type: object{}}
	case body == nil:
		return nil
	}
	made := object{api.TypeJSON: object{"schema": p.schemas.ofCollection(body, collection)}}
	if answer.Status >= 400 && answer.Body != nil { // a problem where it was refused before
		p.schemas.of(reflect.TypeFor[api.Problem]())
		made[api.TypeProblem] = object{"schema": ref("schemas", "Problem")}
	}
	return made
}
