package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// etag is the entity tag of a revision.
func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// tag is one entity tag (RFC 9110 section 8.8.3).
type tag struct {
	opaque string // with its quotes
	weak   bool
}

// tags is the value of If-Match or If-None-Match.
type tags struct {
	any  bool // *
	list []tag
}

// conditionOf reads a condition header; given is false when there is none.
func conditionOf(h http.Header, name string) (t tags, given bool, err error) {
	values := h.Values(name)
	if len(values) == 0 {
		return tags{}, false, nil
	}
	text := strings.TrimSpace(strings.Join(values, ","))
	if text == "*" {
		return tags{any: true}, true, nil
	}
	for text != "" {
		var next tag
		if next, text, err = cutTag(name, text); err != nil {
			return tags{}, true, err
		}
		t.list = append(t.list, next)
	}
	if len(t.list) == 0 {
		return tags{}, true, malformedTag(name)
	}
	return t, true, nil
}

// cutTag reads the first tag of a list and returns the rest after its comma.
func cutTag(header, text string) (t tag, rest string, err error) {
	text, t.weak = strings.CutPrefix(text, "W/")
	if !strings.HasPrefix(text, `"`) {
		return tag{}, "", malformedTag(header)
	}
	end := strings.IndexByte(text[1:], '"')
	if end < 0 {
		return tag{}, "", malformedTag(header)
	}
	t.opaque = text[:end+2]
	rest = strings.TrimLeft(text[end+2:], " \t")
	if rest == "" {
		return t, "", nil
	}
	rest, comma := strings.CutPrefix(rest, ",")
	rest = strings.TrimLeft(rest, " \t")
	if !comma || rest == "" {
		return tag{}, "", malformedTag(header)
	}
	return t, rest, nil
}

func malformedTag(header string) error {
	return authz.Invalid(header, `must be * or an ETag with its quotes, such as "4812"`)
}

// matchesWeakly is the comparison of If-None-Match (RFC 9110 section 13.1.2).
func (t tags) matchesWeakly(current string) bool {
	return t.any || slices.ContainsFunc(t.list, func(one tag) bool { return one.opaque == current })
}

// matchesStrongly is the comparison of If-Match (RFC 9110 section 13.1.1).
func (t tags) matchesStrongly(current string) bool {
	return t.any || slices.Contains(t.list, tag{opaque: current})
}

// notModified reports whether a GET of an entity whose tag is current is answered with
// 304. The error is that of an If-Match that does not hold.
func notModified(h http.Header, current string) (bool, error) {
	match, given, err := conditionOf(h, "If-Match")
	if err != nil {
		return false, err
	}
	if given && !match.matchesStrongly(current) {
		return false, stale("If-Match")
	}
	none, given, err := conditionOf(h, "If-None-Match")
	return given && none.matchesWeakly(current), err
}

func stale(header string) error {
	return &authz.Error{Code: authz.CodePrecondition, Field: header, Message: "does not name the stored version; read it again"}
}

// precondition reads the condition of a write. Only a write that creates can require
// that the entity does not exist.
func precondition(h http.Header, creates bool) (authz.Precondition, error) {
	match, matchGiven, err := conditionOf(h, "If-Match")
	if err != nil {
		return authz.Precondition{}, err
	}
	none, noneGiven, err := conditionOf(h, "If-None-Match")
	if err != nil {
		return authz.Precondition{}, err
	}
	switch {
	case noneGiven && (!creates || !none.any):
		return authz.Precondition{}, authz.Invalid("If-None-Match", "is * on a PUT, to create only, and means nothing on another write")
	case noneGiven && matchGiven:
		return authz.Precondition{}, authz.Invalid("If-None-Match", "and If-Match ask for opposites; send one")
	case noneGiven:
		return authz.Precondition{Absent: true}, nil
	case matchGiven:
		return match.exactly()
	}
	return authz.Precondition{}, nil
}

// exactly is If-Match as a precondition of a write.
func (t tags) exactly() (authz.Precondition, error) {
	if t.any {
		return authz.Precondition{Present: true}, nil
	}
	if len(t.list) != 1 {
		return authz.Precondition{}, authz.Invalid("If-Match", "has several ETags; a write takes the one it replaces")
	}
	revision, ok := t.list[0].revision()
	if !ok {
		// A weak tag matches nothing strongly, and one of no revision nothing at all.
		return authz.Precondition{}, stale("If-Match")
	}
	return authz.IfRevision(revision), nil
}

// revision is the revision a strong tag of ours names.
func (t tag) revision() (uint64, bool) {
	n, err := strconv.ParseUint(strings.Trim(t.opaque, `"`), 10, 64)
	return n, err == nil && n > 0 && !t.weak && etag(n) == t.opaque
}
