package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newIssuer(c *cli) *cobra.Command {
	cmd := group("issuer", "See how the issuers of tokens and certificates stand", newIssuerList(c), newIssuerGet(c))
	cmd.Long = `See how the issuers stand whose tokens and certificates are accepted. The state says
what is known of an issuer's keys or, of one that is asked about each token, of
its answers:

  fresh      fetched lately, or given to Verdict and never fetched
  stale      the issuer is out of reach; what was fetched last is still used
  too_stale  for too long: decisions deny with ISSUER_UNAVAILABLE
  missing    nothing was ever fetched: the same

` + "`verdict entity put issuers`" + ` registers one.`
	return cmd
}

// issuerUnknown is the state of an issuer whose server does not say it: it is not known
// to be well.
const issuerUnknown = "unknown"

// worstIssuers are the states from the best to the worst; one that is not known here is
// as bad as unknown.
var worstIssuers = []string{authz.Fresh, authz.Stale, issuerUnknown, authz.TooStale, authz.Missing}

func issuerBadness(state string) int {
	if i := slices.Index(worstIssuers, state); i >= 0 {
		return i
	}
	return slices.Index(worstIssuers, issuerUnknown)
}

func issuerColours() map[string]colour {
	return map[string]colour{
		authz.Fresh: green, authz.Stale: amber, issuerUnknown: amber, authz.Missing: red, authz.TooStale: red,
	}
}

// issuerStatus is how an issuer stands, also when the server does not say.
func issuerStatus(issuer *authz.Issuer) authz.IssuerStatus {
	if issuer.Status == nil || issuer.Status.State == "" {
		return authz.IssuerStatus{State: issuerUnknown}
	}
	return *issuer.Status
}

// tiers are those of services, most critical first.
var tiers = []string{"0", "1", "2", "3"}

// changesIn is the time left until decisions change: one time when it is the same
// for services of every tier, empty while the issuer is well.
func changesIn(s authz.IssuerStatus, now time.Time) string {
	if s.ChangesInS == nil {
		return ""
	}
	var each []string
	differ := false
	for i, tier := range tiers {
		until, ok := s.UsableUntilByTier[tier]
		if !ok {
			until = s.UsableUntil
		}
		if until.IsZero() {
			return firstChange(s)
		}
		each = append(each, left(now, until))
		differ = differ || each[i] != each[0]
	}
	if !differ {
		return firstChange(s)
	}
	for i, tier := range tiers {
		each[i] = "T" + tier + " " + each[i]
	}
	return strings.Join(each, ", ")
}

// firstChange is when the first decisions change.
func firstChange(s authz.IssuerStatus) string {
	if *s.ChangesInS <= 0 {
		return "now"
	}
	return span(time.Duration(*s.ChangesInS) * time.Second)
}

// keyCount counts keys, and those of the set that are not used.
func keyCount(s authz.IssuerStatus) string {
	text := fmt.Sprint(s.Keys)
	if s.Ignored > 0 {
		text += fmt.Sprintf(" (%d ignored)", s.Ignored)
	}
	return text
}

func newIssuerList(c *cli) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the issuers and how each stands, the worst first",
		Long: `Print the issuers and how each stands, the worst first. CHANGES IN is the time left
until decisions change when an issuer stays out of reach: for services of tier 0 to
3 where that differs.

With --check the command exits with 8 when an issuer is not fresh, for a monitor
or a cron job.`,
		Example: `  verdict issuer list
  verdict issuer list --check > /dev/null || page-somebody`,
		Args: takes(0, 0),
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit with 8 when an issuer is not fresh")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		issuers, err := c.listIssuers(cmd.Context(), pdp)
		if err != nil || !check {
			return err
		}
		return c.allFresh(issuers)
	}
	return cmd
}

// listIssuers prints every issuer and returns them. They can be sorted only when all are
// there; in JSON they are printed as they come.
func (c *cli) listIssuers(ctx context.Context, pdp *client.Client) (issuers []authz.Issuer, err error) {
	err = list(ctx, c, everyPage, revisionMember, func(ctx context.Context, p client.Paging) (page[authz.Issuer], error) {
		read, err := pdp.Issuers().ListPage(ctx, nil, p)
		issuers = append(issuers, read.Items...)
		return page[authz.Issuer]{read.Items, read.NextCursor, read.Revision}, err
	}, func([]authz.Issuer) error { return nil })
	if err != nil || c.output == formatJSON {
		return issuers, err
	}
	return issuers, c.writeIssuers(issuers)
}

func (c *cli) writeIssuers(issuers []authz.Issuer) error {
	slices.SortStableFunc(issuers, worstFirst)
	t := c.newTable(2, issuerColours(), "ID", "KIND", "STATE", "KEYS", "FETCHED", "CHANGES IN", "BREAKER", "LAST ERROR")
	return rows(t, func(issuer authz.Issuer) ([]string, error) {
		s := issuerStatus(&issuer)
		return []string{issuer.ID, issuer.Kind, s.State, keyCount(s), ago(c.now(), s.FetchedAt), changesIn(s, c.now()), s.Breaker, shorten(s.LastError, longestError)}, nil
	})(issuers)
}

// longestError is how much of an error a row of a table shows.
const longestError = 60

func worstFirst(a, b authz.Issuer) int {
	return cmp.Or(
		cmp.Compare(issuerBadness(issuerStatus(&b).State), issuerBadness(issuerStatus(&a).State)),
		cmp.Compare(a.ID, b.ID),
	)
}

// allFresh ends the command with a status of its own when an issuer is not fresh.
func (c *cli) allFresh(issuers []authz.Issuer) error {
	notFresh := 0
	for i := range issuers {
		if issuerStatus(&issuers[i]).State != authz.Fresh {
			notFresh++
		}
	}
	if notFresh == 0 {
		return nil
	}
	if c.output == formatJSON {
		return silent(exitNotFresh)
	}
	return &failure{status: exitNotFresh, code: authz.CodeUnavailable, message: fmt.Sprintf("%d of %d issuers are not fresh", notFresh, len(issuers)),
		fix: "`verdict issuer get ID` shows what went wrong last."}
}

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
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (authz.Issuer, error) {
			return pdp.Issuers().Get(ctx, args[0])
		}, fixes{authz.CodeNotFound: "`verdict issuer list` shows the issuers."}.of, c.writeIssuer)
	}
	return cmd
}

func (c *cli) writeIssuer(w io.Writer, issuer authz.Issuer) error {
	s := issuerStatus(&issuer)
	p := &properties{report: report{w: w}, screen: c.screenOf(w)}
	p.property("id", issuer.ID, noColour)
	p.property("url", issuer.URL, noColour)
	p.property("kind", issuer.Kind, noColour)
	p.property("state", s.State, issuerColours()[s.State])
	p.property("keys", keyCount(s), noColour)
	p.property("fetched", c.both(s.FetchedAt), noColour)
	p.property("fresh until", c.both(s.FreshUntil), noColour)
	p.property("usable until", c.both(s.UsableUntil), noColour)
	for _, tier := range slices.Sorted(maps.Keys(s.UsableUntilByTier)) {
		p.property("  for tier "+tier, c.both(s.UsableUntilByTier[tier]), noColour)
	}
	p.property("changes in", changesIn(s, c.now()), noColour)
	p.property("asks next", c.both(s.NextRefresh), noColour)
	p.property("breaker", s.Breaker, noColour)
	p.property("last error", s.LastError, noColour)
	p.property("  at", c.both(s.LastErrorAt), noColour)
	for _, list := range slices.Sorted(maps.Keys(s.StatusLists)) {
		state := s.StatusLists[list].State
		p.property("status list", fmt.Sprintf("%s: %s", list, state), issuerColours()[state])
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

func (p *properties) property(name, value string, in colour) {
	if value == "" || p.err != nil {
		return
	}
	whole := p.screen
	whole.columns = 0 // this is where one looks for all of it
	p.err = writeAll(p.w, []byte(whole.line(part{text: fmt.Sprintf("%-14s  ", name)}, part{text: value, colour: in})+"\n"))
}
