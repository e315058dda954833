package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newDecide(c *cli) *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use:   "decide",
		Short: "Ask for a decision",
		Long: `Ask whether a machine user may do something to a service, now. Exits with 0 when
the answer is allow and with 3 when it is deny.

The credential is one of these, each read from a file or from standard input:

  a token           --token - or --token-file; --issuer when it does not say itself
  a shared secret   --client-id with --client-secret - or --client-secret-file
  an assertion      --client-assertion-file: a JWT the machine user signed (RFC 7523)
  a certificate     --certificate, of a TLS connection that was checked already; it
                    needs a key with the role assert-certificates
  claims            --claims-file, checked already; needs the role assert-claims

A certificate, or a DPoP proof (--dpop-file), beside a token shows that the sender
holds the key the token is bound to. Values of --prop and --context are read as
JSON when they are JSON, else as text.

With --explain full the answer is followed by a tree of how it came about: what would have
to change for an allow, which rules held and which did not, where each stopped, and what
was read.

With --file the whole question is read from a file, or with - from standard input:
the body of POST /v1/decide, or of POST /v1/decide/batch when it has items. A batch
exits with 0 only when every decision is allow.`,
		Example: `  verdict demo token mu:user-svc |
    verdict decide --token - --action email.send --resource svc:email \
      --prop recipient=u-ana --prop message_class=invoice.issued \
      --context source_ip=10.4.2.19 --context env=prod
  verdict decide --client-id mu:billing-svc --client-secret-file billing.secret \
    --action email.send --resource svc:email
  verdict decide --file question.json --output json`,
		Args: takes(0, 0),
	}
	q.flags(cmd)
	everyRule := everyRuleFlag(cmd)
	to := toDecisions(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *everyRule && q.file == "" {
			q.explain = string(authz.ExplainFull)
		}
		body, batch, err := q.body(cmd, c)
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		path := api.PathDecide
		if batch {
			path = api.PathBatch
		}
		answer, err := client.Do(cmd.Context(), remote.Call{Method: http.MethodPost, Path: path, Body: bytes.NewReader(body)})
		if err != nil {
			return err
		}
		return c.tellDecisions(answer.Body, batch, *everyRule)
	}
	return cmd
}

// tellDecisions prints an answer and ends with its exit status. An answer that
// cannot be read is an error, never an allow.
func (c *cli) tellDecisions(answer []byte, batch, everyRule bool) error {
	decisions, err := readDecisions(answer, batch)
	if err != nil {
		return unreadable(err)
	}
	err = c.print(answer, func(w io.Writer) error {
		if batch {
			return tellBatch(w, drawing{c.screenOf(w), everyRule}, decisions)
		}
		return tellDecision(w, drawing{c.screenOf(w), everyRule}, decisions[0])
	})
	if err != nil {
		return err
	}
	if !allAllow(decisions) {
		return silent(exitDeny)
	}
	return nil
}

// allAllow is false for no decisions at all.
func allAllow(decisions []api.Decision) bool {
	for _, d := range decisions {
		if d.Outcome != api.Allow {
			return false
		}
	}
	return len(decisions) > 0
}

// readDecisions reads one decision, or those of a batch.
func readDecisions(answer []byte, batch bool) ([]api.Decision, error) {
	if !batch {
		d, err := readDecision(answer)
		return []api.Decision{d}, err
	}
	var many struct {
		Decisions []json.RawMessage `json:"decisions"`
	}
	if err := ijson.UnmarshalOpen(answer, &many); err != nil {
		return nil, err
	}
	decisions := make([]api.Decision, len(many.Decisions))
	for i, one := range many.Decisions {
		var err error
		if decisions[i], err = readDecision(one); err != nil {
			return nil, err
		}
	}
	return decisions, nil
}

// readDecision reads a decision. One that is neither allow nor deny is an error, not
// the deny that it would be read as.
func readDecision(data []byte) (d api.Decision, err error) {
	var said struct {
		Decision string `json:"decision"`
	}
	if err := ijson.UnmarshalOpen(data, &said); err != nil {
		return d, err
	}
	if said.Decision != api.Allow.String() && said.Decision != api.Deny.String() {
		return d, fmt.Errorf("a decision is %q", said.Decision)
	}
	return d, ijson.UnmarshalOpen(data, &d)
}
