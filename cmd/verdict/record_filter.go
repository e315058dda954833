package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
)

// recordFilter selects recorded decisions, as flags.
type recordFilter struct {
	api.RecordFilter
	from, to string
}

// flags adds the filters to cmd and returns their names. generation is what the one by
// generation is called where that word means something else.
func (f *recordFilter) flags(cmd *cobra.Command, generation string) []string {
	flags := cmd.Flags()
	flags.StringVar(&f.Outcome, "outcome", "", "only these: allow or deny")
	flags.StringVar(&f.Code, "code", "", "only those with this reason code, also where its guard was not enforced")
	flags.StringVar(&f.Guard, "guard", "", "only those this guard denied, or would have")
	flags.StringVar(&f.Subject, "subject", "", "only those about this machine user")
	flags.StringVar(&f.Service, "service", "", "only those about this service")
	flags.StringVar(&f.Action, "action", "", "only those about this action")
	flags.StringVar(&f.Edge, "edge", "", "only those of this edge, such as 'mu:user-svc>svc:email'")
	flags.StringVar(&f.Caller, "caller", "", "only those asked with this API key, by id")
	flags.Uint64Var(&f.Generation, generation, 0, "only those this policy generation decided")
	flags.StringVar(&f.from, "from", "", "only those at or after: a time (RFC 3339), or how long ago, such as 2h")
	flags.StringVar(&f.to, "to", "", "only those before: a time (RFC 3339), or how long ago")
	complete(cmd, "outcome", api.Allow.String(), api.Deny.String())
	names := []string{"code", "guard", "subject", "service", "action", "edge", "caller", generation, "from", "to"}
	for _, name := range names {
		complete(cmd, name)
	}
	return append(names, "outcome")
}

// parse checks the flags and reads the times.
func (f *recordFilter) parse(c *cli) (api.RecordFilter, error) {
	if f.Outcome != "" && f.Outcome != api.Allow.String() && f.Outcome != api.Deny.String() {
		return f.RecordFilter, usage(fmt.Sprintf("--outcome is %q", f.Outcome), "Write allow or deny.")
	}
	if from, to, ok := strings.Cut(f.Edge, ">"); f.Edge != "" && (!ok || from == "" || to == "") {
		return f.RecordFilter, usage(fmt.Sprintf("--edge is %q", f.Edge), "Write the machine user and the service, such as --edge 'mu:user-svc>svc:email', in quotes.")
	}
	var err error
	if f.From, err = c.pastMoment("--from", f.from); err != nil {
		return f.RecordFilter, err
	}
	if f.To, err = c.pastMoment("--to", f.to); err != nil {
		return f.RecordFilter, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f.RecordFilter, usage("--from is not before --to", "Swap them, or leave one out.")
	}
	return f.RecordFilter, nil
}

// pastMoment reads a flag that takes a time or how long ago it was; the zero time when
// it was not given.
func (c *cli) pastMoment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return c.now().UTC().Add(-ago).Truncate(time.Millisecond), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usage(fmt.Sprintf("%s is %q", flag, text), "Write a time such as 2026-11-22T09:30:00Z, or how long ago, such as 30m or 2h.")
	}
	return at, nil
}

// filterQuery is a filter as the parameters of a URL.
func filterQuery(f api.RecordFilter) url.Values {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("outcome", f.Outcome)
	set("code", f.Code)
	set("guard", f.Guard)
	set("subject", f.Subject)
	set("service", f.Service)
	set("action", f.Action)
	set("caller", f.Caller)
	set("edge", f.Edge)
	if f.Generation != 0 {
		set("generation", strconv.FormatUint(f.Generation, 10))
	}
	if !f.From.IsZero() {
		set("from", f.From.Format(time.RFC3339Nano))
	}
	if !f.To.IsZero() {
		set("to", f.To.Format(time.RFC3339Nano))
	}
	return query
}
