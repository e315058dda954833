package admin

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// Limits of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// parameters reads the query string, in which only the names allowed may stand.
// A name that is misspelt must not widen a list silently.
func parameters(c echo.Context, allowed ...string) (url.Values, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeInvalid, Message: "the query string is not well formed", Cause: err}
	}
	for _, name := range sortedNames(query) {
		if !slices.Contains(allowed, name) {
			return nil, authz.Invalid(name, "is not a query parameter of this path; "+known(allowed))
		}
	}
	return query, nil
}

func sortedNames(query url.Values) []string {
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func known(allowed []string) string {
	if len(allowed) == 0 {
		return "it has none"
	}
	return "it has " + strings.Join(allowed, ", ")
}

// single is the one value of a parameter, "" when it is not given. Given twice
// or empty, it is refused.
func single(query url.Values, name string) (string, error) {
	values, given := query[name]
	if !given {
		return "", nil
	}
	if len(values) > 1 {
		return "", authz.Invalid(name, "is given more than once")
	}
	if values[0] == "" {
		return "", authz.Invalid(name, "is empty; give a value or leave it out")
	}
	return values[0], nil
}

// number is the value of a parameter between low and high, otherwise when it is
// not given.
func number(query url.Values, name string, low, high, otherwise uint64) (uint64, error) {
	text, err := single(query, name)
	if err != nil || text == "" {
		return otherwise, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, authz.Invalid(name, "must be a number from "+strconv.FormatUint(low, 10)+" to "+strconv.FormatUint(high, 10))
	}
	return n, nil
}

// listQuery reads the parameters of a list of c.
func listQuery(c echo.Context, collection authz.Collection) (authz.Query, error) {
	query, err := parameters(c, append([]string{"limit", "cursor"}, collection.Filters()...)...)
	if err != nil {
		return authz.Query{}, err
	}
	limit, err := number(query, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return authz.Query{}, err
	}
	cursor, err := single(query, "cursor")
	if err != nil {
		return authz.Query{}, err
	}
	q := authz.Query{Collection: collection, Limit: int(limit), Cursor: cursor, Filters: map[string]string{}}
	for _, name := range collection.Filters() {
		value, err := single(query, name)
		if err != nil {
			return authz.Query{}, err
		}
		if value != "" {
			q.Filters[name] = value
		}
	}
	return q, nil
}
