package events

import (
	"encoding/json"
	"strconv"
)

// identifier is one simple subject identifier (RFC 9493, SSF 1.0 section 3.4).
type identifier struct {
	name string // what the issuer calls the subject; empty for a token
	jti  string // a token; empty for anything else
	// foreign: another issuer named it, so that it says nothing here.
	foreign bool
}

// subject is a sub_id: its members with what identifies them. A member that was
// given in a format not known here is there without identifiers.
type subject map[string][]identifier // :: member -> its identifiers

// Members of a subject. A simple subject has the first alone.
const (
	memberWhole       = "sub_id"
	memberUser        = "user"
	memberDevice      = "device"
	memberSession     = "session"
	memberApplication = "application"
	memberTenant      = "tenant"
)

// Formats that hold other identifiers.
const (
	formatComplex = "complex"
	formatAliases = "aliases"
)

// maxAliases bounds the identifiers of one subject.
const maxAliases = 16

// readSubject reads a sub_id that url, an issuer's, sent.
func readSubject(raw json.RawMessage, url string) (subject, error) {
	format, err := formatOf(memberWhole, raw)
	if err != nil {
		return nil, err
	}
	if format != formatComplex {
		ids, err := readIdentifiers(memberWhole, raw, url)
		return subject{memberWhole: ids}, err
	}
	var members struct {
		User        json.RawMessage `json:"user"`
		Device      json.RawMessage `json:"device"`
		Session     json.RawMessage `json:"session"`
		Application json.RawMessage `json:"application"`
		Tenant      json.RawMessage `json:"tenant"`
	}
	if err := readObject(memberWhole, raw, &members); err != nil {
		return nil, err
	}
	s := subject{}
	for member, raw := range map[string]json.RawMessage{
		memberUser: members.User, memberDevice: members.Device, memberSession: members.Session,
		memberApplication: members.Application, memberTenant: members.Tenant,
	} {
		if raw == nil {
			continue
		}
		if s[member], err = readIdentifiers(memberWhole+"."+member, raw, url); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func formatOf(field string, raw json.RawMessage) (string, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := readObject(field, raw, &head); err != nil {
		return "", err
	}
	if head.Format == "" {
		return "", unreadable("%s.format is required", field)
	}
	return head.Format, nil
}

// readIdentifiers reads one identifier, or those of aliases.
func readIdentifiers(field string, raw json.RawMessage, url string) ([]identifier, error) {
	format, err := formatOf(field, raw)
	if err != nil {
		return nil, err
	}
	if format != formatAliases {
		return readIdentifier(field, format, raw, url)
	}
	var aliases struct {
		Identifiers []json.RawMessage `json:"identifiers"`
	}
	if err := readObject(field, raw, &aliases); err != nil {
		return nil, err
	}
	if len(aliases.Identifiers) > maxAliases {
		return nil, unreadable("%s.identifiers has more than %d entries", field, maxAliases)
	}
	var all []identifier
	for i, raw := range aliases.Identifiers {
		at := field + ".identifiers[" + strconv.Itoa(i) + "]"
		format, err := formatOf(at, raw)
		if err != nil {
			return nil, err
		}
		ids, err := readIdentifier(at, format, raw, url) // aliases in aliases are not known: RFC 9493 section 3.2.8
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	return all, nil
}

// naming is the member that a format names its subject in.
var naming = map[string]string{ // :: format -> member
	"iss_sub":      "sub",
	"opaque":       "id",
	"jwt_id":       "jti",
	"email":        "email",
	"phone_number": "phone_number",
	"uri":          "uri",
	"account":      "uri",
	"did":          "url",
}

// readIdentifier reads one identifier; none of a format not known here.
func readIdentifier(field, format string, raw json.RawMessage, url string) ([]identifier, error) {
	member, known := naming[format]
	if !known {
		return nil, nil
	}
	var members struct {
		Issuer *string `json:"iss"`
		Sub    string  `json:"sub"`
		ID     string  `json:"id"`
		JTI    string  `json:"jti"`
		Email  string  `json:"email"`
		Phone  string  `json:"phone_number"`
		URI    string  `json:"uri"`
		URL    string  `json:"url"`
	}
	if err := readObject(field, raw, &members); err != nil {
		return nil, err
	}
	name := map[string]string{
		"sub": members.Sub, "id": members.ID, "jti": members.JTI, "email": members.Email,
		"phone_number": members.Phone, "uri": members.URI, "url": members.URL,
	}[member]
	if name == "" {
		return nil, unreadable("%s.%s is required", field, member)
	}
	scoped := format == "iss_sub" || format == "jwt_id"
	if scoped && members.Issuer == nil {
		return nil, unreadable("%s.iss is required", field)
	}
	id := identifier{name: name, foreign: scoped && *members.Issuer != url}
	if format == "jwt_id" {
		id.name, id.jti = "", name
	}
	return []identifier{id}, nil
}
