package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// question is the body of a decide call, as flags.
type question struct {
	file     string
	subject  string
	action   string
	resource string
	props    []string
	context  []string
	proof    proof
	atLeast  uint64
	explain  string
}

func (q *question) flags(cmd *cobra.Command) {
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
func (q *question) body(cmd *cobra.Command, c *cli) (body []byte, batch bool, err error) {
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

// hasItems says whether body is a batch. One that is not JSON is none: the
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
func (q *question) parties(members map[string]any) error {
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
