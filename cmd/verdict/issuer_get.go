package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newIssuerGet(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get ID",
		Short:   "Print how one issuer stands, with its last error whole",
		Example: `  verdict issuer get partner`,
		Args:    takes(1, 1),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := parseEntity(string(authz.Issuers), args[0]); err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodGet, Path: entityPath(authz.Issuers, args[0])})
		if err != nil {
			return noIssuer(err)
		}
		return c.print(answer.Body, func(w io.Writer) error { return c.tellIssuer(w, answer.Body) })
	}
	return cmd
}

// noIssuer says where the ids are.
func noIssuer(err error) error {
	f := failureOf(err)
	if f.code == authz.CodeNotFound {
		f.fix = "`verdict issuer list` shows the issuers."
	}
	return f
}

func (c *cli) tellIssuer(w io.Writer, answer []byte) error {
	issuer := &authz.Issuer{}
	if err := ijson.UnmarshalOpen(answer, issuer); err != nil {
		return unreadable(err)
	}
	s := standing(issuer)
	p := &properties{report: report{w: w}, screen: c.screenOf(w)}
	p.tell("id", issuer.ID, plain)
	p.tell("url", issuer.URL, plain)
	p.tell("kind", issuer.Kind, plain)
	p.tell("state", s.State, issuerColour(s.State))
	p.tell("keys", keyCount(s), plain)
	p.tell("fetched", c.both(s.FetchedAt), plain)
	p.tell("fresh until", c.both(s.FreshUntil), plain)
	p.tell("usable until", c.both(s.UsableUntil), plain)
	for _, tier := range slices.Sorted(maps.Keys(s.UsableUntilByTier)) {
		p.tell("  for tier "+tier, c.both(s.UsableUntilByTier[tier]), plain)
	}
	p.tell("changes in", changesIn(s, c.now()), plain)
	p.tell("asks next", c.both(s.NextRefresh), plain)
	p.tell("breaker", s.Breaker, plain)
	p.tell("last error", s.LastError, plain)
	p.tell("  at", c.both(s.LastErrorAt), plain)
	for _, list := range slices.Sorted(maps.Keys(s.StatusLists)) {
		state := s.StatusLists[list].State
		p.tell("status list", fmt.Sprintf("%s: %s", list, state), issuerColour(state))
	}
	return p.err
}

// both is a time, and how long ago or ahead that is; empty for the zero time.
func (c *cli) both(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	text := at.UTC().Format(time.RFC3339)
	if at.After(c.now()) {
		return text + ", in " + left(c.now(), at)
	}
	return text + ", " + ago(c.now(), at)
}

// properties prints a name and a value a line, and leaves empty values out.
type properties struct {
	report
	screen screen
}

func (p *properties) tell(name, value string, in colour) {
	if value == "" || p.err != nil {
		return
	}
	whole := p.screen
	whole.columns = 0 // this is where one looks for all of it
	p.err = writeAll(p.w, []byte(whole.line(part{text: fmt.Sprintf("%-14s  ", name)}, part{text: value, colour: in})+"\n"))
}
