package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if n.warning != "" {
			if err := c.confirm(cmd.Context(), yes, n.warning+"\nRevoke "+n.what+"?"); err != nil {
				return err
			}
		}
		return c.enlist(cmd.Context(), client, api.PathRevoke, request.By, request, tellRevoked)
	}
	return cmd
}

func (c *cli) revokeRequest(n naming, args []string, issuedBefore string, until end) (api.RevokeRequest, error) {
	var request api.RevokeRequest
	var err error
	if issuedBefore != "" {
		if request.IssuedBefore, err = c.parseMoment("--issued-before", issuedBefore); err != nil {
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

// tellRevoked says what was done, what it leads to, and the way back.
func tellRevoked(w io.Writer, answer []byte) error {
	var listed api.Listing[authz.Revocation]
	if err := ijson.UnmarshalOpen(answer, &listed); err != nil {
		return unreadable(err)
	}
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

// final says whether deleting the entry undoes nothing, because the credential was
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
