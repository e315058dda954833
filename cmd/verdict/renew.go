package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

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
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.enlist(cmd.Context(), client, api.PathRenew, request.By, request, c.tellRenewal)
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
		if request.Deadline, err = c.parseMoment("--deadline", r.deadline); err != nil {
			return request, err
		}
	case r.within < time.Second:
		return request, usage("a renewal needs a deadline", "Write --within with a duration such as 24h, or --deadline with a time.")
	default:
		request.WithinS = int(r.within / time.Second)
	}
	if r.issuedBefore != "" {
		if request.IssuedBefore, err = c.parseMoment("--issued-before", r.issuedBefore); err != nil {
			return request, err
		}
	}
	request.Until, err = r.until.moment(c, "--until", "--for")
	return request, err
}

func (c *cli) tellRenewal(w io.Writer, answer []byte) error {
	var listed api.Listing[authz.Renewal]
	if err := ijson.UnmarshalOpen(answer, &listed); err != nil {
		return unreadable(err)
	}
	entry := &listed.Entry
	r := &report{w: w}
	r.line("to be renewed: %s%s%s, revision %d", entryName(entry.Listed), issuedBeforeText(entry.IssuedBefore), untilText(entry.Until), listed.DataRevision)
	r.line("  deadline %s: until then allowed with the advice renew_token, after it denied with %s",
		c.both(entry.Deadline), codeRenewalRequired)
	r.line("  undo: verdict entity delete %s %s", authz.Renewals, entry.ID)
	return r.err
}
