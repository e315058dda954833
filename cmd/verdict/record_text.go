package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// recordRows prints recorded decisions, one a line.
func (c *cli) recordRows() func([]authz.Record) error {
	colours := map[string]colour{api.Allow.String(): green, api.Deny.String(): red, authz.RecordLoss: amber}
	t := c.newTable(1, colours, "AT", "DECISION", "SUBJECT", "ACTION", "SERVICE", "REASONS", "GENERATION", "ID")
	return rows(t, func(r authz.Record) ([]string, error) { return recordRow(&r) })
}

func recordRow(r *authz.Record) ([]string, error) {
	when := r.At.UTC().Format("2006-01-02T15:04:05.000Z")
	if r.Kind == authz.RecordLoss {
		return []string{when, authz.RecordLoss, "", "", "", plural(r.Lost, "record", "records") + " lost", "", ""}, nil
	}
	if r.Kind == authz.RecordIntent || r.Kind == authz.RecordChange {
		return []string{when, r.Kind, "", "", "", "", "", ""}, nil // `verdict audit` prints them
	}
	d, err := decisionOf(r)
	if err != nil {
		return nil, err
	}
	return []string{when, r.Decision.String(), r.Subject, r.Action, r.Service, codesText(d), strconv.FormatUint(r.Policy.Generation, 10), r.ID}, nil
}

// decisionOf is the decision a record holds, as it was answered.
func decisionOf(r *authz.Record) (api.Decision, error) {
	var d api.Decision
	if len(r.Result) == 0 {
		return d, nil
	}
	if err := ijson.UnmarshalOpen(r.Result, &d); err != nil {
		return d, unreadable(err)
	}
	return d, nil
}

// codesText lists the codes of a decision, those that did not deny in brackets.
func codesText(d api.Decision) string {
	var codes []string
	for _, reason := range d.Reasons {
		codes = append(codes, string(reason.Code))
	}
	for _, reason := range d.WouldDeny {
		codes = append(codes, "("+string(reason.Code)+")")
	}
	return strings.Join(codes, " ")
}

// record prints one record: the decision as decide prints it, who asked what, and what
// was kept of it.
func (r *report) record(record *authz.Record) {
	if record.Kind == authz.RecordLoss {
		r.line("%s lost at %s", plural(record.Lost, "record", "records"), stamp(record.At))
		return
	}
	if record.Kind == authz.RecordIntent || record.Kind == authz.RecordChange {
		r.line("%s at %s, no decision", record.Kind, stamp(record.At))
		return
	}
	d, err := decisionOf(record)
	if err != nil {
		r.err = err
		return
	}
	r.line("%s", strings.ToUpper(record.Decision.String()))
	r.line("  %s %s on %s at %s", cmp.Or(record.Subject, "nobody proved"), record.Action, record.Service, record.At.UTC().Format(time.RFC3339Nano))
	d.ID = cmp.Or(d.ID, record.ID)
	r.body(d)
	r.line("  asked by %s, took %s; record %d, %s", cmp.Or(record.Caller, "nobody known"),
		time.Duration(record.LatencyUS)*time.Microsecond, record.Seq, cmp.Or(record.Durability, "of no durability"))
	r.input(record)
}

// input prints what the policy was asked, as far as the record has it.
func (r *report) input(record *authz.Record) {
	if record.InputError != "" {
		r.line("  its input was not kept: %s", record.InputError)
	}
	if len(record.Masked) > 0 {
		r.line("  masked: %s", strings.Join(record.Masked, " "))
	}
	if len(record.Input) == 0 {
		return
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, record.Input, "", "  "); err != nil {
		r.err = unreadable(err)
		return
	}
	r.line("  input:")
	r.lines("    ", indented.String())
}
