package decisionlog

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/redact"
	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/ijson"
)

// draft is a record that has all but its place in the chain.
type draft struct {
	id         string // of the decision; empty for a loss
	durability authz.Durability
	header     []byte       // what stands before the JSON, not sealed
	body       []byte       // the JSON between bodyStart and bodyEnd, or changeEnd
	lost       uint64       // of a loss: how many records it stands for
	change     *changeDraft // of an intent or a change, whose id is that of the change

	// A loss is not queued and has none of these.
	disk.Item
	quota  *quota
	charge int64
}

// size bounds what the stored value and its keys take.
func (d *draft) size() int64 {
	n := int64(len(d.header)+len(d.body)) + draftOverhead
	if d.change != nil { // two values, four keys
		n += draftOverhead
	}
	return n
}

// maxContent bounds the input and the result of a record together; both are
// withheld beyond it. maxStored bounds the whole: Badger would keep more elsewhere.
const (
	maxContent = 960 << 10
	maxStored  = 1 << 20
)

// draftOf makes the draft of an entry: encoded, masked.
func (l *Log) draftOf(ctx context.Context, e *authz.Entry) (*draft, error) {
	if len(e.Decision.ID) > authz.MaxIDLength {
		return nil, authz.Errorf(authz.CodeInternal, "the decision could not be recorded: its id is longer than %d bytes", authz.MaxIDLength)
	}
	r := l.recordOf(e)
	result := e.Decision
	result.Explanation = nil
	if why := l.fill(ctx, &r, e, &result); why != "" {
		l.withhold(&r, &result, why)
	}
	redact.Request(&r)
	d, err := encode(&r, &result)
	if err != nil {
		l.withhold(&r, &result, "it could not be written")
		d, err = encode(&r, &result)
	}
	if err != nil {
		return nil, internal("writing the decision's record", err)
	}
	return d, nil
}

// recordOf is the record of an entry without its input and result.
func (l *Log) recordOf(e *authz.Entry) authz.Record {
	d := &e.Decision
	at := e.Question.Time
	if at.IsZero() {
		at = l.config.Now()
	}
	return authz.Record{
		Kind:         authz.RecordDecision,
		ID:           d.ID,
		At:           at.UTC().Round(0),
		Decision:     d.Outcome,
		Subject:      d.Subject,
		Credential:   d.Credential,
		Action:       e.Question.Action.Name,
		Service:      e.Question.Resource.ID,
		Caller:       e.Caller,
		Policy:       d.Policy,
		DataRevision: d.DataRevision,
		Trust:        d.Trust,
		Judged:       e.Judged,
		LatencyUS:    e.Took.Microseconds(),
		Durability:   l.config.Durability.Stricter(d.Durability),
	}
}

// fill adds the masked input and result. It returns why they are to be withheld
// instead, empty when they are not.
func (l *Log) fill(ctx context.Context, r *authz.Record, e *authz.Entry, result *authz.Decision) (why string) {
	var err error
	if r.Input, err = l.config.Input(e.Question); err != nil {
		return l.unmaskable("the input could not be written", err)
	}
	if r.Result, err = ijson.Marshal(result); err != nil {
		return l.unmaskable("the result could not be written", err)
	}
	if len(r.Input)+len(r.Result) > maxContent {
		return "it is larger than a record may be"
	}
	return l.mask(ctx, r)
}

// withhold leaves of a record what no mask may touch: codes and guards.
func (l *Log) withhold(r *authz.Record, result *authz.Decision, why string) {
	l.stats.unmaskable.Add(1)
	r.Input, r.Masked, r.InputError = nil, nil, why
	result.Reasons, result.WouldDeny = codesOf(result.Reasons), codesOf(result.WouldDeny)
	result.Obligations, result.Advice = nil, nil
	var err error
	if r.Result, err = ijson.Marshal(result); err != nil || len(r.Result) > maxContent {
		r.Result, result.Reasons, result.WouldDeny = nil, nil, nil
	}
}

// codesOf are reasons without their texts and details.
func codesOf(reasons []authz.Reason) []authz.Reason {
	kept := make([]authz.Reason, len(reasons))
	for i, r := range reasons {
		kept[i] = authz.Reason{Code: r.Code, Guard: r.Guard, Mode: r.Mode}
	}
	return kept
}

// What the JSON of a record begins and ends with before it has a place in the chain.
const (
	bodyStart = `{"seq":0`
	bodyEnd   = `,"prev":""}`
)

func encode(r *authz.Record, result *authz.Decision) (*draft, error) {
	body, err := bodyOf(r, bodyEnd)
	if err != nil {
		return nil, err
	}
	header := appendHeader(make([]byte, 0, 256), r, result.Reasons, result.WouldDeny)
	d := &draft{id: r.ID, durability: r.Durability, header: header, body: body}
	if d.size() > maxStored {
		return nil, authz.Errorf(authz.CodeTooLarge, "the record is larger than %d bytes", maxStored)
	}
	return d, nil
}

// bodyOf is the JSON of r without what its place in the chain replaces.
func bodyOf(r *authz.Record, end string) ([]byte, error) {
	doc, err := ijson.Marshal(r)
	if err != nil {
		return nil, err
	}
	return ijson.Cut(doc, bodyStart, end)
}

// draftOverhead is what a stored draft takes beside its bytes: its number, two
// hashes, and two keys with what Badger adds to them.
const draftOverhead = 512

// lossOf is the draft of the record that stands for lost records.
func lossOf(lost uint64, at time.Time) (*draft, error) {
	r := authz.Record{Kind: authz.RecordLoss, At: at.UTC().Round(0), Lost: lost}
	d, err := encode(&r, &authz.Decision{})
	if err == nil {
		d.lost = lost
	}
	return d, err
}

// sealed is the stored value of the draft as the record after previous, and its
// place in the chain.
func (d *draft) sealed(previous link) (value []byte, place link) {
	value = make([]byte, 0, len(d.header)+len(d.body)+40+2*len(previous.hash))
	value = append(value, d.header...)
	value = append(value, `{"seq":`...)
	value = strconv.AppendUint(value, previous.seq+1, 10)
	value = append(value, d.body...)
	value = append(value, `,"prev":"`...)
	if previous.seq > 0 {
		value = hex.AppendEncode(value, previous.hash[:])
	}
	value = append(value, `"}`...)
	return value, seal(value, len(d.header), previous)
}
