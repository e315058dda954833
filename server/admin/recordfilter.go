package admin

import (
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// filterNames are the parameters that select records.
var filterNames = []string{"outcome", "code", "guard", "subject", "service", "action", "caller", "edge", "generation", "from", "to"}

// filterQuery reads a query string of the parameters that select records and of
// those of others.
func filterQuery(c echo.Context, others ...string) (authz.RecordFilter, url.Values, error) {
	query, err := parameters(c, append(others, filterNames...)...)
	if err != nil {
		return authz.RecordFilter{}, nil, err
	}
	var f authz.RecordFilter
	texts := []struct {
		name string
		to   *string
	}{
		{"outcome", &f.Outcome}, {"code", &f.Code}, {"guard", &f.Guard}, {"subject", &f.Subject}, {"service", &f.Service},
		{"action", &f.Action}, {"caller", &f.Caller}, {"edge", &f.Edge},
	}
	for _, text := range texts {
		if *text.to, err = single(query, text.name); err != nil {
			return authz.RecordFilter{}, nil, err
		}
	}
	if f.Generation, err = number(query, "generation", 1, maxGeneration, 0); err != nil {
		return authz.RecordFilter{}, nil, err
	}
	if f.From, err = moment(query, "from"); err != nil {
		return authz.RecordFilter{}, nil, err
	}
	if f.To, err = moment(query, "to"); err != nil {
		return authz.RecordFilter{}, nil, err
	}
	return f, query, validateFilter("", f)
}

// moment is the value of a parameter that is a time, zero when it is not given.
func moment(query url.Values, name string) (time.Time, error) {
	text, err := single(query, name)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, authz.Invalid(name, "is not a time such as 2026-11-22T10:00:00Z (RFC 3339)")
	}
	return at.UTC(), nil
}

// validateFilter refuses what no record can meet: a filter that is misspelt must
// not look like an empty log. Fields are named after prefix.
func validateFilter(prefix string, f authz.RecordFilter) error {
	if f.Outcome != "" && f.Outcome != authz.Allow.String() && f.Outcome != authz.Deny.String() {
		return authz.Invalid(prefix+"outcome", "must be allow or deny")
	}
	for _, id := range []struct{ name, value string }{
		{"code", f.Code}, {"guard", f.Guard}, {"subject", f.Subject}, {"service", f.Service}, {"action", f.Action}, {"caller", f.Caller},
	} {
		if id.value == "" {
			continue
		}
		if err := authz.ValidateID(prefix+id.name, id.value); err != nil {
			return err
		}
	}
	if f.Edge != "" && !isEdge(f.Edge) {
		return authz.Invalid(prefix+"edge", "must be a machine user and a service, such as mu:user-svc>svc:email")
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return authz.Invalid(prefix+"to", "must be later than from")
	}
	return nil
}

func isEdge(text string) bool {
	from, to, parted := strings.Cut(text, ">")
	return parted && authz.ValidateID("edge", from) == nil && authz.ValidateID("edge", to) == nil
}
