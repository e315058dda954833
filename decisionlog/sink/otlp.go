package sink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Event names of log records.
const (
	otlpDecision = "verdict.decision"
	otlpLoss     = "verdict.loss"
	otlpIntent   = "verdict.intent"
	otlpChange   = "verdict.change"
)

// OTLP sends records as OpenTelemetry logs, in protobuf over HTTP, to <url>/v1/logs.
// The body of a log record is the whole record as JSON; its attributes are what one
// filters by. A loss has severity WARN, and so has a change that failed or was
// interrupted; all else has INFO, denied or not, refused or not.
//
// It speaks the protocol itself, since what becomes of a batch must be known: an
// exporter of the SDK repeats by itself, and its errors tell neither a batch that is
// refused from a collector that is down nor how many records were rejected.
type OTLP struct {
	poster   *poster
	resource *resource.Resource
}

// NewOTLP makes an OTLP sink. labels are attributes of the resource; service.name is
// "verdict" unless they say otherwise.
func NewOTLP(to Endpoint, labels map[string]string) (*OTLP, error) {
	p, err := newPoster(to, "v1/logs")
	if err != nil {
		return nil, err
	}
	return &OTLP{poster: p, resource: resourceOf(labels)}, nil
}

func resourceOf(labels map[string]string) *resource.Resource {
	all := map[string]string{"service.name": "verdict"}
	maps.Copy(all, labels)
	r := &resource.Resource{}
	for name, value := range all {
		r.Attributes = append(r.Attributes, text(name, value))
	}
	slices.SortFunc(r.Attributes, func(a, b *common.KeyValue) int { return strings.Compare(a.Key, b.Key) })
	return r
}

// Send implements Sink.
func (s *OTLP) Send(ctx context.Context, records []authz.Record) error {
	scope := &logs.ScopeLogs{Scope: &common.InstrumentationScope{Name: "github.com/verdict-pdp/verdict/decisionlog/sink"}}
	for i := range records {
		record, err := logRecord(&records[i])
		if err != nil {
			return err
		}
		scope.LogRecords = append(scope.LogRecords, record)
	}
	body, err := proto.Marshal(&collector.ExportLogsServiceRequest{
		ResourceLogs: []*logs.ResourceLogs{{Resource: s.resource, ScopeLogs: []*logs.ScopeLogs{scope}}},
	})
	if err != nil { // text that is not UTF-8
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	answer, err := s.poster.post(ctx, "application/x-protobuf", body)
	if err != nil {
		return err
	}
	return rejected(answer, len(records))
}

// rejected reads a collector's answer. One that is not protobuf comes from something
// that says 200 to everything, and is no reason to send again.
func rejected(answer []byte, sent int) error {
	var response collector.ExportLogsServiceResponse
	err := proto.Unmarshal(answer, &response)
	n := response.GetPartialSuccess().GetRejectedLogRecords()
	if err != nil || n <= 0 {
		return nil
	}
	return &Partial{Rejected: int(min(n, int64(sent)))}
}

func logRecord(r *authz.Record) (*logs.LogRecord, error) {
	body, err := ijson.Marshal(r)
	if err != nil {
		return nil, unwritable(r.Seq, err)
	}
	at := uint64(max(0, r.At.UnixNano()))
	record := &logs.LogRecord{
		TimeUnixNano: at, ObservedTimeUnixNano: at,
		SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO", EventName: otlpDecision,
		Body:       &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: string(body)}},
		Attributes: attributes(r),
	}
	warn := false
	switch r.Kind {
	case authz.RecordLoss:
		record.EventName, warn = otlpLoss, true
	case authz.RecordIntent:
		record.EventName = otlpIntent
	case authz.RecordChange:
		record.EventName = otlpChange
		warn = r.Change != nil && (r.Change.Outcome == authz.ChangeFailed || r.Change.Outcome == authz.ChangeInterrupted)
	}
	if warn {
		record.SeverityNumber, record.SeverityText = logs.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	return record, nil
}

// attributes are those a record has, by name.
func attributes(r *authz.Record) []*common.KeyValue {
	switch r.Kind {
	case authz.RecordLoss:
		return []*common.KeyValue{number("verdict.lost", r.Lost), number("verdict.seq", r.Seq)}
	case authz.RecordIntent, authz.RecordChange:
		return changeAttributes(r)
	}
	all := []*common.KeyValue{
		text("verdict.action", r.Action),
		text("verdict.caller", r.Caller),
		number("verdict.data_revision", r.DataRevision),
		text("verdict.decision", r.Decision.String()),
		text("verdict.decision_id", r.ID),
		number("verdict.latency_us", uint64(max(0, r.LatencyUS))),
		text("verdict.policy.digest", r.Policy.Digest),
		number("verdict.policy.generation", r.Policy.Generation),
		number("verdict.seq", r.Seq),
		text("verdict.service", r.Service),
		text("verdict.subject", r.Subject),
	}
	return withoutEmpty(all)
}

// changeAttributes are those of an intent or a change; of one that is withheld, its
// number alone.
func changeAttributes(r *authz.Record) []*common.KeyValue {
	c := r.Change
	if c == nil {
		return []*common.KeyValue{number("verdict.seq", r.Seq)}
	}
	return withoutEmpty([]*common.KeyValue{
		text("verdict.change.bundle", c.Bundle),
		text("verdict.change.by", c.By.Key),
		text("verdict.change.code", string(c.Code)),
		text("verdict.change.collection", string(c.Collection)),
		text("verdict.change.guard", c.Guard),
		text("verdict.change.id", c.ID),
		text("verdict.change.key", c.Key),
		text("verdict.change.kind", string(c.Kind)),
		number("verdict.change.number", c.Number),
		text("verdict.change.outcome", c.Outcome),
		number("verdict.data_revision", c.Revision),
		number("verdict.policy.generation", c.Generation),
		number("verdict.seq", r.Seq),
	})
}

func withoutEmpty(all []*common.KeyValue) []*common.KeyValue {
	return slices.DeleteFunc(all, func(a *common.KeyValue) bool {
		value, isText := a.Value.Value.(*common.AnyValue_StringValue)
		return isText && value.StringValue == ""
	})
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value uint64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(value)}}}
}
