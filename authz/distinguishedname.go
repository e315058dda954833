package authz

import (
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
)

// attributeNames maps what tools call an attribute of a distinguished name to one
// name for it (RFC 4514 section 3, RFC 4519; emailAddress is of RFC 2985).
var attributeNames = map[string]string{
	"0.9.2342.19200300.100.1.1":  "uid",
	"0.9.2342.19200300.100.1.25": "dc",
	"1.2.840.113549.1.9.1":       "emailaddress",
	"2.5.4.3":                    "cn",
	"2.5.4.4":                    "sn",
	"2.5.4.5":                    "serialnumber",
	"2.5.4.6":                    "c",
	"2.5.4.7":                    "l",
	"2.5.4.8":                    "st",
	"2.5.4.9":                    "street",
	"2.5.4.10":                   "o",
	"2.5.4.11":                   "ou",
	"2.5.4.12":                   "title",
	"2.5.4.17":                   "postalcode",
	"2.5.4.42":                   "givenname",
	"2.5.4.97":                   "organizationidentifier",
	"e":                          "emailaddress",
	"email":                      "emailaddress",
	"s":                          "st",
	"userid":                     "uid",
}

// canonicalName brings the texts different tools make of one distinguished name
// to one form. Two names that differ only in what it drops count as one, and a
// revocation that hits both errs on the closed side.
func canonicalName(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == ',' || r == '+' || r == '/' })
	for i, part := range parts {
		attribute, value, _ := strings.Cut(part, "=")
		attribute = strings.ToLower(strings.TrimSpace(attribute))
		if short, ok := attributeNames[strings.TrimPrefix(attribute, "oid.")]; ok {
			attribute = short
		}
		parts[i] = attribute + "=" + strings.ToLower(attributeText(strings.TrimSpace(value)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// attributeText reads a value that is written as # and the hex of its BER, as tools do
// for attributes whose names they do not know (RFC 4514 section 2.4).
func attributeText(value string) string {
	digits, ok := strings.CutPrefix(value, "#")
	if !ok {
		return value
	}
	ber, err := hex.DecodeString(digits)
	if err != nil {
		return value
	}
	var read asn1.RawValue
	if rest, err := asn1.Unmarshal(ber, &read); err != nil || len(rest) > 0 || read.Class != asn1.ClassUniversal || read.IsCompound {
		return value
	}
	switch read.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String:
		return string(read.Bytes)
	}
	return value
}
