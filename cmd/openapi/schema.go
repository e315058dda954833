package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-pdp/verdict/authz"
)

// names of schemas that are not those of their types.
var schemaNames = map[string]string{
	"api.Credential":     "CredentialEvidence",
	"authz.Problem":      "FileError",
	"authz.Rotation":     "RotationRecord",
	"authz.RotationView": "Rotation",
	"oauth.refusal":      "OAuthError",
	"events.refusal":     "EventRefusal",
}

// texts are types that are sent as a text out of a list.
var texts = map[reflect.Type][]string{
	reflect.TypeFor[authz.Outcome]():    {authz.Allow.String(), authz.Deny.String()},
	reflect.TypeFor[authz.Role]():       plainTexts(authz.Roles()),
	reflect.TypeFor[authz.ChangeKind](): plainTexts(authz.ChangeKinds()),
}

func plainTexts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

// schemas are made of Go types, as far as they are reached.
type schemas struct {
	comments    map[string]string
	constraints constraints
	components  object
	known       map[string]reflect.Type // :: name of a component -> its type
	used        map[string]bool         // constraints that were met
	failed      error
}

// constraints is what constraints.yaml has.
type constraints struct {
	// Scalars are schemas without a Go type, Parameters those of parameters.
	Scalars, Parameters map[string]object
	// Members are schemas of members that have a name and a type, whosever they are.
	Members map[string]map[string]object
	// Schemas is, by schema and member, what is added to what the type tells, or stands
	// in its place when it has a $ref or an enum. The member "." is the schema itself.
	Schemas map[string]map[string]object
}

func newSchemas(comments map[string]string, source []byte) (*schemas, error) {
	s := &schemas{comments: comments, components: object{}, known: map[string]reflect.Type{}, used: map[string]bool{}}
	if err := yaml.Unmarshal(source, &s.constraints); err != nil {
		return nil, fmt.Errorf("constraints.yaml: %w", err)
	}
	for name, scalar := range s.constraints.Scalars {
		s.components[name] = scalar
	}
	for t, values := range texts {
		s.components[t.Name()] = object{"enum": values}
	}
	s.components["CollectionName"] = object{"enum": collectionNames()}
	return s, nil
}

func collectionNames() []string {
	return plainTexts(authz.ServedCollections())
}

// parameter is the schema that a parameter has by its name.
func (s *schemas) parameter(name string) (object, bool) {
	schema, ok := s.constraints.Parameters[name]
	return schema, ok
}

// ofCollection is of for an answer about the entities of a collection.
func (s *schemas) ofCollection(t reflect.Type, collection string) object {
	if t != reflect.TypeFor[authz.Page[authz.Entity]]() {
		return s.of(t)
	}
	entity := reflect.TypeOf(authz.Collection(collection).New()).Elem()
	list := s.component(nameOf(entity)+"List", t)
	list["description"] = "A page of " + collection + "."
	list["properties"].(object)["items"] = object{"type": "array", "items": s.of(entity)}
	return ref("schemas", nameOf(entity)+"List")
}

// of is the schema of a type, a reference where it is a component.
func (s *schemas) of(t reflect.Type) object {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if texts[t] != nil {
		return ref("schemas", t.Name())
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return ref("schemas", "Time")
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return object{"type": "object"}
	case t.Kind() == reflect.Map && t.Name() == "Duty":
		return ref("schemas", "Duty")
	case t.Kind() == reflect.Struct:
		s.component(nameOf(t), t)
		return ref("schemas", nameOf(t))
	}
	return s.plain(t)
}

// plain is the schema of a type that is no component.
func (s *schemas) plain(t reflect.Type) object {
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0} // nothing that is sent is below
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	}
	s.fail(fmt.Errorf("%s: the document has no schema for a %s", t, t.Kind()))
	return object{}
}

func (s *schemas) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// nameOf is the name of the schema of a struct.
func nameOf(t reflect.Type) string {
	name, parameter, generic := strings.Cut(t.Name(), "[")
	if special, ok := schemaNames[packageOf(t)+"."+name]; ok {
		return special
	}
	if !generic {
		return name
	}
	switch name {
	case "ImportLine":
		return "Line"
	case "Changes":
		return "ChangeList"
	case "LogPage":
		if strings.HasSuffix(parameter, ".Record]") {
			return "RecordList"
		}
		return "AuditPage"
	case "Listing": // of *authz.Revocation: RevocationListing
		return strings.TrimSuffix(parameter[strings.LastIndex(parameter, ".")+1:], "]") + name
	}
	return name
}

func packageOf(t reflect.Type) string {
	return t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
}

// component is the schema of a struct under a name. It is made once; two types of one
// name must be sent alike.
func (s *schemas) component(name string, t reflect.Type) object {
	if first, ok := s.known[name]; ok {
		if first != t && !slices.Equal(members(first), members(t)) {
			s.fail(fmt.Errorf("%s and %s both have the schema %s, and not the same members", first, t, name))
		}
		return s.components[name].(object)
	}
	properties := object{}
	made := object{"type": "object", "additionalProperties": false, "properties": properties}
	s.known[name], s.components[name] = t, made
	origin, _, _ := strings.Cut(t.Name(), "[")
	if text := s.comments[packageOf(t)+"."+origin]; text != "" && origin != "Page" && origin != "LogPage" {
		made["description"] = inMembers(t, text)
	}
	var required []string
	for _, field := range reflect.VisibleFields(t) {
		member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if member == "" || member == "-" {
			continue
		}
		always := !strings.Contains(options, "omit")
		if always {
			required = append(required, member)
		}
		properties[member] = s.constrained(name, member, s.field(field, always), s.commentOn(t, field))
		if entity, ok := reflect.New(t).Interface().(authz.Entity); ok && member == "id" {
			properties[member] = keyOf(entity)
		}
	}
	if len(required) > 0 {
		made["required"] = required
	}
	maps.Copy(made, s.met(name, ".", made))
	maps.DeleteFunc(made, func(_ string, value any) bool { return value == nil })
	return made
}

// field is the schema of a field. A pointer to what is no component may be null, and
// another one when it is always there.
func (s *schemas) field(field reflect.StructField, always bool) object {
	schema := s.of(field.Type)
	if field.Type.Kind() != reflect.Pointer {
		return schema
	}
	if kind, plain := schema["type"].(string); plain {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	if !always {
		return schema
	}
	return object{"oneOf": []any{object{"type": "null"}, schema}}
}

// commentOn is what the source says of a field, in the struct that declares it, with the
// names that members have in the document.
func (s *schemas) commentOn(t reflect.Type, field reflect.StructField) string {
	for _, i := range field.Index[:len(field.Index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	origin, _, _ := strings.Cut(t.Name(), "[")
	text := s.comments[packageOf(t)+"."+origin+"."+field.Name]
	if rest, ok := strings.CutPrefix(text, field.Name+" "); ok {
		member, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		text = member + " " + rest
	}
	return inMembers(t, text)
}

// inMembers is a comment that calls members as they are sent: "or issued_before" and not
// "or IssuedBefore". A name of one word may be a word like any other, and is left.
func inMembers(t reflect.Type, text string) string {
	for i := range t.NumField() {
		name, tag := t.Field(i).Name, t.Field(i).Tag.Get("json")
		member, _, _ := strings.Cut(tag, ",")
		if member != "" && member != "-" && strings.Contains(member, "_") {
			text = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(text, member)
		}
	}
	return text
}

// constrained is a member's schema with what constraints.yaml adds and what the source
// says of it.
func (s *schemas) constrained(schema, member string, made object, text string) object {
	made = maps.Clone(made)
	if more := s.met(schema, member, made); more != nil {
		if more["$ref"] != nil || more["enum"] != nil || more["const"] != nil {
			made = object{}
		}
		maps.Copy(made, more)
	}
	if text != "" && made["description"] == nil {
		made["description"] = text
	}
	return made
}

// met is what constraints.yaml has for a member.
func (s *schemas) met(schema, member string, made object) object {
	if more, ok := s.constraints.Schemas[schema][member]; ok {
		s.used[schema+"."+member] = true
		return more
	}
	kind, _ := made["type"].(string)
	return s.constraints.Members[member][kind]
}

// finish refuses constraints of what there is not.
func (s *schemas) finish() error {
	for _, schema := range sorted(s.constraints.Schemas) {
		for _, member := range sorted(s.constraints.Schemas[schema]) {
			if !s.used[schema+"."+member] {
				s.fail(fmt.Errorf("constraints.yaml has %s of %s, which no type has", member, schema))
			}
		}
	}
	return s.failed
}

// keyOf is the schema of an entity's id.
func keyOf(entity authz.Entity) object {
	if entity.Collection().Pair() {
		return ref("schemas", "PairId")
	}
	return ref("schemas", "Id")
}

// members are the names of what a struct is sent as.
func members(t reflect.Type) []string {
	var all []string
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
