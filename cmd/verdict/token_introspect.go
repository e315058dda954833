package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newTokenIntrospect(c *cli) *cobra.Command {
	var token, tokenFile string
	cmd := &cobra.Command{
		Use:   "introspect",
		Short: "Say whether a token of the token service is active",
		Long: `Ask the token service whether a token that it issued is active now, and print what
it says of it (RFC 7662). Any other token is not active. Exits with 0 when the token
is active and with 3 when it is not. The API key needs the role decide.`,
		Example: `  verdict token introspect --token-file billing.token`,
		Args:    takes(0, 0),
	}
	cmd.Flags().StringVar(&token, "token", "", "- reads the token from standard input")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the token")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	to := toDecisions(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		call, err := c.introspection(token, tokenFile)
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), call)
		if err != nil {
			return withoutTokenService(err)
		}
		return c.tellIntrospection(answer.Body)
	}
	return cmd
}

// introspection is the request of RFC 7662 section 2.1.
func (c *cli) introspection(token, tokenFile string) (remote.Call, error) {
	source, err := secretSource("token", token, tokenFile)
	if err != nil {
		return remote.Call{}, err
	}
	if source == "" {
		return remote.Call{}, usage("no token is given to ask about", "Give it with --token - or --token-file.")
	}
	text, err := c.readSecret("token", source)
	if err != nil {
		return remote.Call{}, err
	}
	form := url.Values{"token": {text}}
	return remote.Call{Method: http.MethodPost, Path: api.PathIntrospect, Body: strings.NewReader(form.Encode()), ContentType: api.TypeForm}, nil
}

// tellIntrospection prints an answer and ends with its exit status. An answer that
// does not say whether the token is active is an error.
func (c *cli) tellIntrospection(answer []byte) error {
	var of struct {
		Active *bool `json:"active"`
	}
	if err := ijson.UnmarshalOpen(answer, &of); err != nil {
		return unreadable(err)
	}
	if of.Active == nil {
		return unreadable(errors.New("it does not say whether the token is active"))
	}
	if err := c.print(answer, func(w io.Writer) error { return c.introspectionTable(w, answer) }); err != nil {
		return err
	}
	if !*of.Active {
		return silent(exitDeny)
	}
	return nil
}

// introspectionTable prints a member a line, active first.
func (c *cli) introspectionTable(w io.Writer, answer []byte) error {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(answer, &members); err != nil {
		return unreadable(err)
	}
	p := &properties{report: report{w: w}}
	p.tell("active", brief(members["active"]), plain)
	delete(members, "active")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p.tell(name, c.claim(name, members[name]), plain)
	}
	return p.err
}

// claim is the value of a member: the times of RFC 7662 as times.
func (c *cli) claim(name string, value json.RawMessage) string {
	var seconds int64
	if slices.Contains([]string{"exp", "iat", "nbf"}, name) && ijson.UnmarshalOpen(value, &seconds) == nil {
		return c.both(time.Unix(seconds, 0))
	}
	return brief(value)
}
