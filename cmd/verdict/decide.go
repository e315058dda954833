package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

func newDecide(c *cli) *cobra.Command {
	var q decideFlags
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
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		answer, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (api.BatchResponse, error) {
			if batch {
				return pdp.DecideBatchJSON(ctx, body)
			}
			d, err := pdp.DecideJSON(ctx, body)
			return api.BatchResponse{Decisions: []api.Decision{d}}, err
		})
		if err != nil {
			return err
		}
		return c.printDecisions(answer.Decisions, raw, batch, *everyRule)
	}
	return cmd
}

// printDecisions prints an answer and ends with its exit status.
func (c *cli) printDecisions(decisions []api.Decision, answer []byte, batch, everyRule bool) error {
	err := c.print(answer, func(w io.Writer) error {
		if batch {
			return writeBatch(w, explainOptions{c.screenOf(w), everyRule}, decisions)
		}
		return writeDecision(w, explainOptions{c.screenOf(w), everyRule}, decisions[0])
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

// decideFlags are the body of a decide call.
type decideFlags struct {
	file     string
	subject  string
	action   string
	resource string
	props    []string
	context  []string
	proof    credentialFlags
	atLeast  uint64
	explain  string
}

func (q *decideFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&q.file, "file", "f", "", "file with the whole question as JSON, - for standard input")
	f.StringVar(&q.subject, "subject", "", "machine user; what the credential proves wins, a conflict denies")
	f.StringVar(&q.action, "action", "", "what is to be done, such as email.send")
	f.StringVar(&q.resource, "resource", "", "service it is done to, such as svc:email")
	f.StringArrayVar(&q.props, "prop", nil, "property of the resource, name=value (repeatable)")
	f.StringArrayVar(&q.context, "context", nil, "context of the call, name=value (repeatable)")
	f.Uint64Var(&q.atLeast, "at-least", 0, "data revision the answer must include")
	f.StringVar(&q.explain, "explain", "", "how much the answer tells: none, reasons, or full, which is how it came about")
	complete(cmd, "explain", string(authz.ExplainNone), string(authz.ExplainReasons), string(authz.ExplainFull))
	for _, flag := range append(q.proof.flags(cmd), "subject", "action", "resource", "prop", "context", "at-least", "explain") {
		cmd.MarkFlagsMutuallyExclusive("file", flag)
	}
}

// body is the JSON to send, and whether it is a batch. A body read with --file
// is sent as it is: the server judges it.
func (q *decideFlags) body(cmd *cobra.Command, c *cli) (body []byte, batch bool, err error) {
	if q.file != "" {
		body, err = readInput(q.file, c.in)
		if err != nil {
			return nil, false, err
		}
		return body, hasItems(body), nil
	}
	credential, err := q.proof.credential(c)
	if err != nil {
		return nil, false, err
	}
	members := map[string]any{}
	if credential != nil {
		members["credential"] = credential
	}
	if err := q.parties(members); err != nil {
		return nil, false, err
	}
	if cmd.Flags().Changed("at-least") {
		members["at_least"] = q.atLeast
	}
	if q.explain != "" {
		members["explain"] = q.explain
	}
	body, err = ijson.Marshal(members)
	return body, false, err
}

// hasItems reports whether body is a batch. One that is not JSON is none: the
// server then says what is wrong with it.
func hasItems(body []byte) bool {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(body, &members); err != nil {
		return false
	}
	_, ok := members["items"]
	return ok
}

// parties adds who does what to what, and the context.
func (q *decideFlags) parties(members map[string]any) error {
	if q.action == "" || q.resource == "" {
		return usage("--action and --resource are needed to ask a question", "Give both, or a whole question with --file.")
	}
	if q.subject != "" {
		members["subject"] = map[string]any{"type": authz.SubjectMachineUser, "id": q.subject}
	}
	members["action"] = map[string]any{"name": q.action}
	resource := map[string]any{"type": authz.ResourceService, "id": q.resource}
	members["resource"] = resource
	props, err := parsePairs("--prop", q.props)
	if err != nil {
		return err
	}
	if len(props) > 0 {
		resource["properties"] = props
	}
	context, err := parsePairs("--context", q.context)
	if err != nil {
		return err
	}
	if len(context) > 0 {
		members["context"] = context
	}
	return nil
}

// parsePairs reads name=value texts; a value that is JSON is taken as JSON.
func parsePairs(flag string, pairs []string) (map[string]any, error) {
	values := map[string]any{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage(fmt.Sprintf("%s is %q", flag, pair), "Write "+flag+" name=value.")
		}
		if _, twice := values[name]; twice {
			return nil, usage(fmt.Sprintf("%s %s is given twice", flag, name), "Keep one. For a list write "+flag+" "+name+`='["a","b"]'.`)
		}
		values[name] = parseValue(value)
	}
	return values, nil
}

func parseValue(value string) any {
	if ijson.Check([]byte(value)) == nil {
		return json.RawMessage(value)
	}
	return value
}

// readInput reads a file, or standard input when path is "-".
func readInput(path string, in io.Reader) ([]byte, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(in)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, usage("reading "+inputName(path)+": "+reason(err), "Check the path, or use - to read from standard input.")
	}
	return data, nil
}

func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return strconv.Quote(path)
}
