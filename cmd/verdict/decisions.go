package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
)

func newDecisions(c *cli) *cobra.Command {
	cmd := group("decisions", "Read the decisions that were made, and why",
		newDecisionsList(c), newDecisionsTail(c), newDecisionsShow(c), newDecisionsExport(c), newDecisionsVerify(c))
	cmd.Long = `Read the decisions that were made, and why. Each is recorded once, with what was asked
(no token, no secret), the answer with every reason, and the policy and data it was made
by. Records hang together in a chain of hashes: ` + "`verdict decisions verify`" + ` finds one that
was altered or is missing.`
	return cmd
}

// aboutDecisions is the err of a call about recorded decisions, with the fix that helps
// there; nil for nil.
func aboutDecisions(err error) error {
	if err == nil {
		return nil
	}
	return refixed(err, map[authz.ErrorCode]string{
		authz.CodeNotFound: "`verdict decisions list` shows the ids; old records are removed after a time.",
		authz.CodeGone:     "`verdict decisions list` shows what is still kept.",
	})
}
