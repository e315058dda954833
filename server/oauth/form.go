package oauth

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// bodyLimit bounds a body, in bytes. The largest thing in one is an assertion.
const bodyLimit = 32 << 10

// form is the parameters of a request that were given a value. None is there twice
// but resource and audience, whose number the service judges (RFC 8707).
type form url.Values

// readForm reads the body of a request. The error says what to change and quotes
// nothing that was sent but the media type.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	if r.URL.RawQuery != "" {
		return nil, invalid("Send the parameters in the body; there are none in the URL.")
	}
	if err := wire.RequireType(r.Header, api.TypeForm); err != nil {
		return nil, invalid(err.Error())
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, invalid("The body is larger than 32 kB.")
	case err != nil:
		return nil, invalid("The body did not arrive whole; send it again.")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil { // which quotes the body
		return nil, invalid("The body is not form-encoded: name=value pairs joined by an ampersand, other characters percent-encoded.")
	}
	return tidy(values)
}

// tidy drops empty parameters. The error is that of a repeated one.
func tidy(values url.Values) (form, error) {
	f := form{}
	for name, given := range values {
		if len(given) > 1 && name != "resource" && name != "audience" {
			return nil, invalid("A parameter is given more than once.")
		}
		for _, value := range given {
			if value != "" {
				f[name] = append(f[name], value)
			}
		}
	}
	return f, nil
}

func (f form) get(name string) string { return url.Values(f).Get(name) }

func (f form) all(name string) []string { return f[name] }

func invalid(description string) error {
	return authz.RefuseOAuth(authz.OAuthInvalidRequest, description)
}
