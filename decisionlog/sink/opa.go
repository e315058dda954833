package sink

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// OPA sends records as OPA uploads its decision logs: gzipped JSON arrays of events
// posted to <url>/logs. An event has the decision's own id, the masked input and
// result, path verdict/decision, the policy generation as revision of the bundle
// "verdict", the caller as requested_by, and under custom what OPA has no member for,
// hashes of the chain included. A loss is an event with the id "loss-<seq>", without
// path, input and result.
//
// OPA's decision logs have no place for anything but decisions: intents and changes are
// left out, and counted as such. What arrives is therefore no whole chain.
type OPA struct {
	poster *poster
	labels map[string]string
}

// The names by which events say what decided.
const (
	opaPath   = "verdict/decision"
	opaBundle = "verdict"
)

// NewOPA makes an OPA sink. labels say who sends ("id" and "version", as OPA has it);
// they are in every event.
func NewOPA(to Endpoint, labels map[string]string) (*OPA, error) {
	p, err := newPoster(to, "logs")
	if err != nil {
		return nil, err
	}
	return &OPA{poster: p, labels: labels}, nil
}

// Takes implements Chooser.
func (*OPA) Takes(r *authz.Record) bool {
	return r.Kind != authz.RecordIntent && r.Kind != authz.RecordChange
}

// Send implements Sink.
func (s *OPA) Send(ctx context.Context, records []authz.Record) error {
	body := []byte{'['}
	for i := range records {
		if !s.Takes(&records[i]) {
			continue
		}
		text, err := ijson.Marshal(s.event(&records[i]))
		if err != nil {
			return unwritable(records[i].Seq, err)
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(body, text...)
	}
	if len(body) == 1 {
		return nil
	}
	_, err := s.poster.post(ctx, "application/json", append(body, ']'))
	return err
}

// opaEvent is an event of OPA's decision log, version 1.
type opaEvent struct {
	Labels      map[string]string    `json:"labels"`
	DecisionID  string               `json:"decision_id"`
	Bundles     map[string]opaSource `json:"bundles,omitempty"`
	Path        string               `json:"path,omitempty"`
	Input       json.RawMessage      `json:"input,omitzero"`
	Result      json.RawMessage      `json:"result,omitzero"`
	Erased      []string             `json:"erased,omitempty"`
	Masked      []string             `json:"masked,omitempty"`
	RequestedBy string               `json:"requested_by,omitempty"`
	Timestamp   time.Time            `json:"timestamp"`
	Metrics     map[string]int64     `json:"metrics,omitempty"`
	Custom      opaCustom            `json:"custom"`
}

type opaSource struct {
	Revision string `json:"revision"`
}

// opaCustom is what a record has and OPA's events do not.
type opaCustom struct {
	Seq          uint64           `json:"seq"`
	Kind         string           `json:"kind"`
	Decision     string           `json:"decision,omitempty"`
	Subject      string           `json:"subject,omitempty"`
	Credential   string           `json:"credential,omitempty"`
	Action       string           `json:"action,omitempty"`
	Service      string           `json:"service,omitempty"`
	Digest       string           `json:"policy_digest,omitempty"`
	DataRevision uint64           `json:"data_revision,omitzero"`
	Judged       bool             `json:"judged"`
	Durability   authz.Durability `json:"durability,omitempty"`
	InputError   string           `json:"input_error,omitempty"`
	Lost         uint64           `json:"lost,omitzero"`
	Prev         string           `json:"prev"`
	Hash         string           `json:"hash"`
}

func (s *OPA) event(r *authz.Record) *opaEvent {
	e := &opaEvent{
		Labels: s.labels, DecisionID: r.ID, RequestedBy: r.Caller, Timestamp: r.At,
		Input: r.Input, Result: r.Result,
		Custom: opaCustom{
			Seq: r.Seq, Kind: r.Kind, Subject: r.Subject, Credential: r.Credential, Action: r.Action, Service: r.Service,
			Digest: r.Policy.Digest, DataRevision: r.DataRevision, Judged: r.Judged, Durability: r.Durability,
			InputError: r.InputError, Lost: r.Lost, Prev: r.Prev, Hash: r.Hash,
		},
	}
	if r.Kind == authz.RecordLoss {
		e.DecisionID = "loss-" + strconv.FormatUint(r.Seq, 10)
		return e
	}
	e.Path, e.Custom.Decision = opaPath, r.Decision.String()
	e.Metrics = map[string]int64{"timer_server_handler_ns": r.LatencyUS * int64(time.Microsecond)}
	if r.Policy.Generation > 0 {
		e.Bundles = map[string]opaSource{opaBundle: {Revision: strconv.FormatUint(r.Policy.Generation, 10)}}
	}
	e.Erased, e.Masked = splitMasked(r)
	return e
}

// splitMasked returns the pointers of what was removed and of what was replaced, which a
// record lists together: what was replaced is still there.
func splitMasked(r *authz.Record) (erased, replaced []string) {
	if len(r.Masked) == 0 {
		return nil, nil
	}
	whole := map[string]any{"input": valueOf(r.Input), "result": valueOf(r.Result)}
	for _, text := range r.Masked {
		if present(whole, text) {
			replaced = append(replaced, text)
		} else {
			erased = append(erased, text)
		}
	}
	return erased, replaced
}

// valueOf reads JSON; what is absent or broken has no members.
func valueOf(raw json.RawMessage) any {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil
	}
	return value
}

// present reports whether a JSON pointer leads to a value.
func present(document any, pointer string) bool {
	p, err := ijson.ParsePointer(pointer)
	if err != nil {
		return false
	}
	_, ok := p.Get(document)
	return ok
}
