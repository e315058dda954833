package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
)

func newRevoke(c *cli) *cobra.Command {
	var commands []*cobra.Command
	for _, n := range revocable() {
		commands = append(commands, newRevokeOne(c, n))
	}
	cmd := group("revoke", "Stop tokens, credentials and certificates, from the next decision on", commands...)
	cmd.Long = `Stop tokens, credentials and certificates. What is revoked is denied from the next
decision on. An entry ends by itself at the time given with --until or --for, and
else stays until it is deleted: ` + "`verdict entity list revocations`" + ` shows what there is.`
	return cmd
}

func newRevokeOne(c *cli, n naming) *cobra.Command {
	cmd := n.command("revoke")
	var issuedBefore, reason string
	var until end
	var yes bool
	f := cmd.Flags()
	if n.aged {
		f.StringVar(&issuedBefore, "issued-before", "", "only tokens issued before: a time (RFC 3339), or now")
	}
	f.StringVar(&until.at, "until", "", "when the entry ends by itself, RFC 3339")
	f.DurationVar(&until.in, "for", 0, "how long the entry lasts, such as 24h")
	f.StringVar(&reason, "reason", "", "why, for those who read the list")
	cmd.MarkFlagsMutuallyExclusive("until", "for")
	if n.warning != "" {
		f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		until.set = f.Changed("for")
		request, err := c.revokeRequest(n, args, issuedBefore, until)
		if err != nil {
			return err
		}
		request.Reason = reason
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if n.warning != "" {
			if err := c.confirm(cmd.Context(), yes, n.warning+"\nRevoke "+n.what+"?"); err != nil {
				return err
			}
		}
		entry, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (api.Listing[authz.Revocation], error) { return pdp.Revoke(ctx, request) })
		if err != nil {
			return notListed(err, request.By)
		}
		return c.print(raw, func(w io.Writer) error { return writeRevoked(w, &entry) })
	}
	return cmd
}

func (c *cli) revokeRequest(n naming, args []string, issuedBefore string, until end) (api.RevokeRequest, error) {
	var request api.RevokeRequest
	var err error
	if issuedBefore != "" {
		if request.IssuedBefore, err = c.parseTime("--issued-before", issuedBefore); err != nil {
			return request, err
		}
	}
	if request.Until, err = until.moment(c, "--until", "--for"); err != nil {
		return request, err
	}
	if request.Naming, err = n.name(c, args); err != nil {
		return request, err
	}
	if request.By == authz.ByEverything && request.IssuedBefore.IsZero() {
		return request, usage("everything needs --issued-before: without it no token would ever be good again", "Write --issued-before now, or a time.")
	}
	return request, nil
}

// writeRevoked says what was done, what it leads to, and the way back.
func writeRevoked(w io.Writer, listed *api.Listing[authz.Revocation]) error {
	entry := &listed.Entry
	r := &report{w: w}
	r.line("revoked %s%s%s, revision %d", entryName(entry.Listed), issuedBeforeText(entry.IssuedBefore), untilText(entry.Until), listed.DataRevision)
	r.line("  the next decision denies with %s", strings.Join(revocationCodes(entry), " or "))
	if final(entry) {
		r.line("  it cannot be undone: make a new generation, such as with verdict secret create")
	} else {
		r.line("  undo: verdict entity delete %s %s", authz.Revocations, entry.ID)
	}
	return r.err
}

// final reports whether deleting the entry undoes nothing, because the credential was
// put in the state revoked as well.
func final(entry *authz.Revocation) bool {
	return entry.By == authz.ByCredential && entry.IssuedBefore.IsZero() && entry.Until.IsZero()
}

// Codes of the base policies that these commands lead to.
const (
	codeTokenRevoked      = "TOKEN_REVOKED"
	codeCredentialRevoked = "CREDENTIAL_REVOKED"
	codeRenewalRequired   = "TOKEN_RENEWAL_REQUIRED"
)

// revocationCodes are what decisions deny with. Proof that is no token is made anew
// for each call, so an age never stops it.
func revocationCodes(entry *authz.Revocation) []string {
	switch entry.By {
	case authz.ByCertificate:
		return []string{codeCredentialRevoked}
	case authz.ByToken, authz.ByIssuerKey, authz.ByEverything:
		return []string{codeTokenRevoked}
	}
	if entry.IssuedBefore.IsZero() {
		return []string{codeTokenRevoked, codeCredentialRevoked}
	}
	return []string{codeTokenRevoked}
}

func newRenew(c *cli) *cobra.Command {
	var commands []*cobra.Command
	for _, n := range renewable() {
		commands = append(commands, newRenewOne(c, n))
	}
	cmd := group("renew", "Have tokens renewed by a deadline", commands...)
	cmd.Long = `Have the tokens there are renewed by a deadline: until then they are allowed with the
advice renew_token, after it denied with TOKEN_RENEWAL_REQUIRED. Tokens issued later
are not concerned. ` + "`verdict entity list renewals`" + ` shows what there is.`
	return cmd
}

func newRenewOne(c *cli, n naming) *cobra.Command {
	cmd := n.command("renew")
	cmd.Example += " --within 24h"
	var r renewal
	f := cmd.Flags()
	f.DurationVar(&r.within, "within", 0, "how long there is to renew, such as 24h")
	f.StringVar(&r.deadline, "deadline", "", "when there is no more time to renew, RFC 3339")
	if n.aged {
		f.StringVar(&r.issuedBefore, "issued-before", "", "only tokens issued before: a time (RFC 3339); without it now")
	}
	f.StringVar(&r.until.at, "until", "", "when the entry ends by itself, RFC 3339")
	f.DurationVar(&r.until.in, "for", 0, "how long the entry lasts, such as 720h")
	f.StringVar(&r.reason, "reason", "", "why, for those who read the list")
	cmd.MarkFlagsMutuallyExclusive("within", "deadline")
	cmd.MarkFlagsMutuallyExclusive("until", "for")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.until.set = f.Changed("for")
		request, err := r.request(c)
		if err != nil {
			return err
		}
		if request.Naming, err = n.name(c, args); err != nil {
			return err
		}
		request.Reason = r.reason
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (api.Listing[authz.Renewal], error) {
			return pdp.Renew(ctx, request)
		}, func(err error) error { return notListed(err, request.By) }, c.writeRenewal)
	}
	return cmd
}

// renewal is a renewal as flags.
type renewal struct {
	within                         time.Duration
	deadline, issuedBefore, reason string
	until                          end
}

func (r *renewal) request(c *cli) (request api.RenewRequest, err error) {
	switch {
	case r.deadline != "":
		if request.Deadline, err = c.parseTime("--deadline", r.deadline); err != nil {
			return request, err
		}
	case r.within < time.Second:
		return request, usage("a renewal needs a deadline", "Write --within with a duration such as 24h, or --deadline with a time.")
	default:
		request.WithinS = int(r.within / time.Second)
	}
	if r.issuedBefore != "" {
		if request.IssuedBefore, err = c.parseTime("--issued-before", r.issuedBefore); err != nil {
			return request, err
		}
	}
	request.Until, err = r.until.moment(c, "--until", "--for")
	return request, err
}

func (c *cli) writeRenewal(w io.Writer, listed api.Listing[authz.Renewal]) error {
	entry := &listed.Entry
	r := &report{w: w}
	r.line("to be renewed: %s%s%s, revision %d", entryName(entry.Listed), issuedBeforeText(entry.IssuedBefore), untilText(entry.Until), listed.DataRevision)
	r.line("  deadline %s: until then allowed with the advice renew_token, after it denied with %s",
		c.both(entry.Deadline), codeRenewalRequired)
	r.line("  undo: verdict entity delete %s %s", authz.Renewals, entry.ID)
	return r.err
}

// notListed says where the ids of what was not found are.
func notListed(err error, by string) error {
	help := map[string]string{ // :: what was named -> where its ids are
		authz.ByCredential: "`verdict credential list` shows the ids.",
		authz.BySubject:    "`verdict entity list machine_users` shows the ids.",
		authz.ByTenant:     "`verdict entity list tenants` shows the ids.",
		authz.ByIssuer:     "`verdict issuer list` shows the ids.",
	}[by]
	if help == "" {
		return err
	}
	return fixes{authz.CodeNotFound: help}.of(err)
}

func issuedBeforeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ": tokens issued before " + at.UTC().Format(time.RFC3339)
}

func untilText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", until " + at.UTC().Format(time.RFC3339)
}
