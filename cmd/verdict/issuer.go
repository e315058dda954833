package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
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

// States of an issuer, worst first. One whose state the server does not tell is
// not known to be well.
const (
	issuerMissing  = "missing"
	issuerTooStale = "too_stale"
	issuerUnknown  = "unknown"
	issuerStale    = "stale"
	issuerFresh    = "fresh"
)

func issuerBadness(state string) int {
	switch state {
	case issuerMissing:
		return 4
	case issuerTooStale:
		return 3
	case issuerStale:
		return 1
	case issuerFresh:
		return 0
	}
	return 2
}

func issuerColour(state string) colour {
	switch state {
	case issuerFresh:
		return green
	case issuerStale, issuerUnknown:
		return amber
	case issuerMissing, issuerTooStale:
		return red
	}
	return plain // the header
}

// standing is how an issuer stands, also when the server does not say.
func standing(issuer *authz.Issuer) authz.IssuerStatus {
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
